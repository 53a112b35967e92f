"""What the tables of examples find: wrong labels by their losses, and copies across train and validation.

usage: python benchmarks/examples.py [--nets 24] [--seed 5]

First table: small networks are trained on digits (scikit-learn, 8 x 8 pixels) of which a share of the training labels
is wrong, and each training example is judged by its loss at the best epoch. Found are the wrong labels among those that
`find_mislabelled` names; beside it, as many examples as it names with the highest losses of all, and drawn at random.

Second table: validation digits of which a part are training digits, unchanged or changed a little, are looked for by
`find_duplicates`: by their bytes, and by the pixels as an embedding with several limits of similarity.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.datasets import load_digits
from tables import progress, show
from torch import nn
from torch.nn import functional

from overfit_monitor import find_duplicates
from overfit_monitor.example_tables import find_mislabelled

SHARES = (0.0, 0.02, 0.05, 0.1, 0.2)
EPOCHS = 40
Array = npt.NDArray[Any]


def digits(rng: np.random.Generator) -> tuple[Array, Array]:
    """Return images (1797, 64) from 0 to 1 and labels, shuffled."""
    images, labels = load_digits(return_X_y=True)
    order = rng.permutation(len(images))
    return (images[order] / 16.0).astype(np.float32), labels[order]


def losses_at_best(seed: int, share: float) -> tuple[Array, Array, npt.NDArray[np.bool_]]:
    """Train one network; return the losses of the training examples at the best epoch, their labels, the wrong ones."""
    rng = np.random.default_rng([seed, int(1000 * share)])
    torch.manual_seed(seed)
    images, labels = digits(rng)
    train, val = slice(0, 1000), slice(1000, None)
    wrong = rng.random(1000) < share
    labels[train] = np.where(wrong, (labels[train] + rng.integers(1, 10, size=1000)) % 10, labels[train])
    x, y = torch.from_numpy(images), torch.from_numpy(labels)
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    best, kept = np.inf, np.zeros(1000)
    for _ in range(EPOCHS):
        model.train()
        for rows in torch.randperm(1000).split(32):
            optimizer.zero_grad()
            functional.cross_entropy(model(x[train][rows]), y[train][rows]).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            every = functional.cross_entropy(model(x), y, reduction="none").double().numpy()
        if every[val].mean() < best:
            best, kept = every[val].mean(), every[train]
    return kept, labels[train], wrong


def mislabelled(nets: int, seed: int) -> list[list[object]]:
    """Return a row for each share of wrong labels."""
    rows: list[list[object]] = []
    for share in SHARES:
        named = found = wrongs = highest = 0
        for number in range(nets):
            progress(f"wrong labels {share:.0%}: net {number + 1} of {nets}")
            losses, labels, wrong = losses_at_best(seed + number, share)
            told = find_mislabelled(losses, labels)
            named, wrongs, found = named + len(told), wrongs + int(wrong.sum()), found + int(wrong[told].sum())
            highest += int(wrong[np.argsort(-losses)[: len(told)]].sum())
        rows.append(
            [
                f"{share:.0%}",
                f"{named / nets:.1f}",
                f"{found / named:.0%}" if named else "",
                f"{highest / named:.0%}" if named else "",
                f"{wrongs / nets / 1000:.0%}",
                f"{found / wrongs:.0%}" if wrongs else "",
            ]
        )
    return rows


def changed(images: Array, rng: np.random.Generator) -> dict[str, Array]:
    """Return copies by what was done to them."""
    square = images.reshape(-1, 8, 8)
    return {
        "unchanged": images,
        "noise of 2 %": images + rng.normal(0.0, 0.02, images.shape).astype(np.float32),
        "noise of 5 %": images + rng.normal(0.0, 0.05, images.shape).astype(np.float32),
        "brightness and contrast": 0.1 + 0.8 * images,
        "shifted by a pixel": np.roll(square, 1, axis=2).reshape(len(images), -1),
    }


def copies(seed: int) -> list[list[object]]:
    """Return a row for each change, and one for digits that are no copies."""
    rng = np.random.default_rng(seed)
    images, _ = digits(rng)
    train, others = images[:1000], images[1000:]
    rows: list[list[object]] = []
    for name, made in {**changed(train[:300], rng), "other digits": others}.items():
        exact = len(find_duplicates(train, made).pairs)
        near = [len(find_duplicates(train, made, embed=np.stack, similarity=s).pairs) for s in (0.95, 0.98, 0.99)]
        rows.append([name, len(made), *(f"{found / len(made):.1%}" for found in (exact, *near))])
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", type=int, default=24, help="networks for each share (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=5, help="seed of the first network (default: %(default)s)")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    header = [
        "wrong labels",
        "named of 1,000",
        "of them wrong",
        "of the highest losses",
        "at random",
        "wrong ones found",
    ]
    show("Examples that look mislabelled", header, mislabelled(given.nets, given.seed))
    header = ["validation examples", "n", "same bytes", "similarity .95", "similarity .98", "similarity .99"]
    show("Validation examples found in the training set", header, copies(given.seed))


if __name__ == "__main__":
    main()
