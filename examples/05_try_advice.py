"""From a training that overfits to advice that was tried.

A wide network on 120 of scikit-learn's digits. It is trained as it is and diagnosed; then the first recommendations
are trained beside it, on the same seeds, and the best is kept, or none.

    pip install "overfit-monitor[torch,trials]"
    python 05_try_advice.py

The trials are written to runs/05_try_advice as they are finished. Interrupt it, start it again, and it goes on.
"""

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from overfit_monitor import diagnose
from overfit_monitor_torch import Parts, Training, read_facts
from overfit_monitor_trials import Ledger, verify

EPOCHS = 60


def make(seed):
    """Return everything that a training consists of; the same seed gives the same training."""
    images, labels = load_digits(return_X_y=True)
    rows = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    x, y = torch.tensor(images / 16, dtype=torch.float32)[rows], torch.tensor(labels)[rows]
    model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))
    shuffle = torch.Generator().manual_seed(seed)
    return Parts(
        model=model,
        optimizer=torch.optim.AdamW(model.parameters(), lr=3e-3),
        criterion=nn.CrossEntropyLoss(),
        train_loader=DataLoader(TensorDataset(x[:120], y[:120]), batch_size=32, shuffle=True, generator=shuffle),
        val_loader=DataLoader(TensorDataset(x[120:520], y[120:520]), batch_size=400),
    )


def main():
    parts = make(0)
    facts = read_facts(
        parts.model,
        optimizer=parts.optimizer,
        criterion=parts.criterion,
        train_data=parts.train_loader,
        val_data=parts.val_loader,
        early_stopping=True,  # the best epoch is what counts, for all of them
    )
    as_it_was = Training(make, epochs=EPOCHS)({"seed": 0})
    diagnosis = diagnose(train=as_it_was["train"], val=as_it_was["val"], facts=facts)
    print(diagnosis.verdict, "best at epoch", diagnosis.best_step)
    for number, advice in enumerate(diagnosis.recommendations[:3], start=1):
        print(f"{number}. {advice.title}")

    train = Training(make, diagnosis, epochs=EPOCHS)
    result = verify(train, diagnosis, run_dir="runs/05_try_advice", ledger=Ledger("runs/05_try_advice"))
    print(f"\n{result.summary()}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
