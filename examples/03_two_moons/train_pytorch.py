"""Two moons with a far too wide network in PyTorch: what L2, dropout and early stopping each buy.

40 noisy points and 500 hidden units: the network learns the noise. Four trainings, alike but for
what is done against that, each watched; at the end a table and a plot.

    pip install "overfit-monitor[torch,tensorboard]" scikit-learn matplotlib
    python train_pytorch.py

Writes the runs and the plot to runs/two_moons_pytorch. Takes a few seconds.
"""

import torch
from moons import EPOCHS, HIDDEN, LEARNING_RATE, VARIANTS, Outcome, plot, print_bought, print_table, two_moons
from torch import nn

from overfit_monitor_torch import watch

FOLDER = "runs/two_moons_pytorch"


def train(variant, data):
    """Train one variant and return its outcome."""
    (x_train, y_train), (x_val, y_val), (x_test, y_test) = data
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, HIDDEN), nn.ReLU(), nn.Dropout(variant.dropout), nn.Linear(HIDDEN, 1))
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    monitor = watch(
        model,
        optimizer=optimizer,
        criterion=criterion,
        run_dir=f"{FOLDER}/{variant.folder}",
        restore_best_weights=variant.early_stopping,
        start_from_epoch=0 if variant.early_stopping else EPOCHS,  # the others are judged but not stopped
    )
    train_losses, val_losses = [], []
    for _ in monitor.epochs(EPOCHS):
        model.train()
        loss = criterion(model(x_train), y_train)
        penalty = variant.l2 * sum(layer.weight.square().sum() for layer in (model[0], model[-1]))
        optimizer.zero_grad()
        (loss + penalty).backward()
        optimizer.step()
        model.eval()
        with torch.no_grad():
            val_losses.append(criterion(model(x_val), y_val).item())
        train_losses.append(loss.item())
    with torch.no_grad():
        accuracy = ((model(x_test) > 0) == (y_test > 0.5)).float().mean().item()
    return Outcome(variant, train_losses, val_losses, monitor.diagnosis, accuracy)


def main():
    torch.set_num_threads(1)  # faster for arrays as small as these
    data = [(torch.from_numpy(x), torch.from_numpy(y)) for x, y in two_moons()]
    outcomes = [train(variant, data) for variant in VARIANTS]
    print_table(outcomes)
    print_bought(outcomes)
    plot(outcomes, f"Two moons, {HIDDEN} hidden units, PyTorch", f"{FOLDER}/two_moons.png")
    print(f"\nplot: {FOLDER}/two_moons.png     curves: tensorboard --logdir {FOLDER}")


if __name__ == "__main__":
    main()
