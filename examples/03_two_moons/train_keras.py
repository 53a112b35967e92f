"""Two moons with a far too wide network in Keras: what L2, dropout and early stopping each buy.

40 noisy points and 500 hidden units: the network learns the noise. Four trainings, alike but for
what is done against that, each watched; at the end a table and a plot.

    pip install "overfit-monitor[keras,tensorboard]" scikit-learn matplotlib
    python train_keras.py

Writes the runs and the plot to runs/two_moons_keras. Takes less than a minute.
"""

import keras
from moons import EPOCHS, HIDDEN, LEARNING_RATE, N_VAL, VARIANTS, Outcome, plot, print_bought, print_table, two_moons

from overfit_monitor_keras import OverfitMonitor

FOLDER = "runs/two_moons_keras"
METRIC = "cross_entropy"


def build(variant):
    """Return the compiled network of a variant."""
    keras.utils.set_random_seed(0)
    l2 = keras.regularizers.L2(variant.l2) if variant.l2 else None
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(HIDDEN, activation="relu", kernel_regularizer=l2)])
    if variant.dropout:
        model.add(keras.layers.Dropout(variant.dropout))
    model.add(keras.layers.Dense(1, kernel_regularizer=l2))
    # The loss of Keras has the L2 penalty in it; the metric of the same name has not, and is what is compared.
    model.compile(
        optimizer=keras.optimizers.Adam(LEARNING_RATE),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=[
            keras.metrics.BinaryCrossentropy(from_logits=True, name=METRIC),
            keras.metrics.BinaryAccuracy(threshold=0.0, name="accuracy"),
        ],
    )
    return model


def train(variant, data):
    """Train one variant and return its outcome."""
    training, validation, test = data
    model = build(variant)
    monitor = OverfitMonitor(
        f"val_{METRIC}",
        run_dir=f"{FOLDER}/{variant.folder}",
        restore_best_weights=variant.early_stopping,
        start_from_epoch=0 if variant.early_stopping else EPOCHS,  # the others are judged but not stopped
    )
    history = model.fit(
        *training,
        batch_size=len(training[0]),
        epochs=EPOCHS,
        validation_data=validation,
        validation_batch_size=N_VAL,
        callbacks=[monitor],
        verbose=0,
    ).history
    accuracy = model.evaluate(*test, batch_size=2000, verbose=0, return_dict=True)["accuracy"]
    return Outcome(variant, history[METRIC], history[f"val_{METRIC}"], monitor.diagnosis, accuracy)


def main():
    data = two_moons()
    outcomes = [train(variant, data) for variant in VARIANTS]
    print_table(outcomes)
    print_bought(outcomes)
    plot(outcomes, f"Two moons, {HIDDEN} hidden units, Keras", f"{FOLDER}/two_moons.png")
    print(f"\nplot: {FOLDER}/two_moons.png     curves: tensorboard --logdir {FOLDER}")


if __name__ == "__main__":
    main()
