"""Keras `fit` with one callback that watches it.

The data are 80 of scikit-learn's digits, far too few for this network, so it overfits. Training
stops by itself, and the weights of the best epoch are back in the model.

    pip install "overfit-monitor[keras,tensorboard]" scikit-learn
    python 02_keras_fit.py

The run is written to runs/02_keras_fit. To judge it again from there, or to see its curves:

    overfit-monitor check runs/02_keras_fit
    tensorboard --logdir runs
"""

import keras
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from overfit_monitor_keras import OverfitMonitor

EPOCHS = 150


def main():
    keras.utils.set_random_seed(0)
    images, labels = load_digits(return_X_y=True)
    x_train, x_val, y_train, y_val = train_test_split(images / 16, labels, train_size=80, test_size=500, random_state=0)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(512, activation="relu"),
            keras.layers.Dense(512, activation="relu"),
            keras.layers.Dense(10),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.AdamW(3e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )

    monitor = OverfitMonitor(run_dir="runs/02_keras_fit")
    model.fit(
        x_train,
        y_train,
        batch_size=80,
        epochs=EPOCHS,
        validation_data=(x_val, y_val),
        validation_batch_size=500,
        callbacks=[monitor],
        verbose=2,
    )

    diagnosis = monitor.diagnosis
    print(f"\nverdict    {diagnosis.verdict}")
    print(f"onset      epoch {diagnosis.onset_step}")
    print(f"best step  epoch {diagnosis.best_step}, its weights are in the model")
    print(f"stopped    after epoch {diagnosis.step} of {EPOCHS}")
    if diagnosis.recommendations:
        first = diagnosis.recommendations[0]
        print(f"\nFirst recommendation: {first.title}\n{first.why}\n\n{first.code}")


if __name__ == "__main__":
    main()
