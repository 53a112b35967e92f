"""A plain PyTorch loop, with the three lines that have it watched.

The data are 80 of scikit-learn's digits, far too few for this network, so it overfits. Training
stops by itself, and the weights of the best epoch are back in the model.

    pip install "overfit-monitor[torch,tensorboard]" scikit-learn
    python 01_pytorch_loop.py

The run is written to runs/01_pytorch_loop. To judge it again from there, or to see its curves:

    overfit-monitor check runs/01_pytorch_loop
    tensorboard --logdir runs
"""

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from overfit_monitor_torch import watch  # added line 1

EPOCHS = 150


def loaders():
    """Return loaders of 80 digits, all in one batch, to train on and 500 to validate on."""
    images, labels = load_digits(return_X_y=True)
    x_train, x_val, y_train, y_val = train_test_split(
        torch.tensor(images / 16, dtype=torch.float32),
        torch.tensor(labels),
        train_size=80,
        test_size=500,
        random_state=0,
    )
    train = DataLoader(TensorDataset(x_train, y_train), batch_size=80)
    return train, DataLoader(TensorDataset(x_val, y_val), batch_size=500)


def main():
    torch.manual_seed(0)
    train_loader, val_loader = loaders()
    model = nn.Sequential(nn.Linear(64, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)

    monitor = watch(model, optimizer=optimizer, criterion=criterion, run_dir="runs/01_pytorch_loop")  # added line 2
    for epoch in monitor.epochs(EPOCHS):  # line 3, in place of: for epoch in range(EPOCHS)
        model.train()
        for x, y in train_loader:
            optimizer.zero_grad()
            criterion(model(x), y).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            for x, y in val_loader:
                loss = criterion(model(x), y)
        print(f"epoch {epoch:>3}  validation loss {loss:.3f}")

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
