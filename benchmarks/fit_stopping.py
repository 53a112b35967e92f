"""Fit the weights of the default stopping rule on networks trained here; prints ``stopping/weights.py``.

usage: python benchmarks/fit_stopping.py [--runs 800] [--seed 1]    (needs torch; minutes to train the networks once)

A rule that stops at random, with probability ``sigmoid(evidence)`` at every evaluation, has an expected cost that
can be differentiated: regret of the checkpoint kept, at most 0.5, plus 0.08 for the whole of the planned epochs. Its
minimum over the weights is found by gradient descent while the sigmoid is made steeper, so that the rule ends up
nearly deciding. Each network counts in four ways: with its learning rates, without, without train (by half), and, if
its learning rate is constant, cut off at a random epoch as if that had been planned.

``rate_to_fall`` is not fitted but held at -1. On these networks a falling schedule was no reason to go on, but large
networks gain much at its end, and holding it cost one percent of the epochs and no regret. The lower limit while the
overfitting alarm stands is held, too.
"""

from __future__ import annotations

import argparse
from typing import Any, NamedTuple

import nets
import numpy as np
import torch

from overfit_monitor.analyzer import Analyzer
from overfit_monitor.config import MonitorConfig
from overfit_monitor.records import Observation
from overfit_monitor.stopping.evidence import RELIEF
from overfit_monitor.stopping.progress import Progress

FIGURES = ("above", "wait", "gain", "level", "turn", "fall", "train", "rate_to_fall", "rate_fallen")
HELD = {"rate_to_fall": -1.0}
PRICE = 0.08
LARGEST_REGRET = 0.5
LIMIT = 1.25


class Sample(NamedTuple):
    """One way of looking at one network: its figures, where they are known, alarms, and what stopping costs."""

    figures: Any
    known: Any
    alarms: Any
    cost: Any
    weight: float


def sample(record: dict[str, Any], *, rates: bool, train: bool, end: int | None = None, weight: float = 1.0) -> Sample:
    """Return a network's figures at every evaluation up to ``end``, as the rule itself would see them."""
    analyzer, progress = Analyzer(MonitorConfig(metric="loss", mode="min")), Progress()
    val, test = record["val_loss"][:end], np.asarray(record["test_loss"][:end])
    figures, known, regret = np.zeros((len(val), len(FIGURES))), np.zeros(len(val), bool), np.ones(len(val))
    alarms = np.zeros(len(val))
    for i, value in enumerate(val):
        shown = {"loss": record["train_loss"][i]} if train else {}
        rate = record["rate"][i] if rates else None
        analyzer.update(Observation(step=i, train=shown, val={"loss": value}, learning_rate=rate))
        signal = analyzer.signal
        if signal is None:
            raise ValueError("a network without a validation value")
        alarms[i] = analyzer.alarm
        found = progress.update(signal)
        if found is not None and signal.best_step != i:
            figures[i], known[i] = [found[name] for name in FIGURES], True
        kept = test[signal.best_step if signal.best_step is not None else 0]
        regret[i] = min(LARGEST_REGRET, (kept - test.min()) / abs(test.min()))
    return Sample(figures, known, alarms, regret + PRICE * np.arange(1, len(val) + 1) / len(val), weight)


def samples(records: list[dict[str, Any]], seed: int) -> list[Sample]:
    """Return every network in its four ways."""
    rng = np.random.default_rng(seed)
    found = []
    for record in records:
        if not np.all(np.isfinite(record["test_loss"])):
            continue
        found.append(sample(record, rates=True, train=True))
        found.append(sample(record, rates=False, train=True))
        found.append(sample(record, rates=False, train=False, weight=0.5))
        if record["schedule"] == "constant" and len(record["val_loss"]) >= 40:
            end = int(rng.integers(20, len(record["val_loss"]) - 5))
            found.append(sample(record, rates=False, train=True, end=end))
    return found


def padded(found: list[Sample]) -> dict[str, torch.Tensor]:
    """Return the samples as tensors of one length; ``last`` is the index of the planned end."""
    length = max(len(one.cost) for one in found)

    def stack(name: str) -> torch.Tensor:
        return torch.tensor(
            np.stack(
                [np.pad(v, [(0, length - len(v))] + [(0, 0)] * (v.ndim - 1)) for v in (getattr(s, name) for s in found)]
            )
        )

    return {
        "figures": stack("figures").float(),
        "known": stack("known"),
        "alarms": stack("alarms").float(),
        "cost": stack("cost").float(),
        "last": torch.tensor([len(one.cost) - 1 for one in found]),
        "weight": torch.tensor([one.weight for one in found]),
    }


def expected_cost(evidence: torch.Tensor, data: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return the mean cost of stopping with probability ``sigmoid(evidence)`` at every evaluation before the end."""
    stop, go_on = torch.nn.functional.logsigmoid(evidence), torch.nn.functional.logsigmoid(-evidence)
    index, last = torch.arange(evidence.shape[1])[None], data["last"][:, None]
    survived = torch.cumsum(torch.where(index < last, go_on, torch.zeros(())), 1)
    survived = torch.cat([torch.zeros(len(evidence), 1), survived[:, :-1]], 1)
    before = torch.where(index < last, torch.exp(survived + stop), torch.zeros(()))
    probability = torch.where(index == last, torch.exp(survived), before)
    return ((probability * data["cost"]).sum(1) * data["weight"]).sum() / data["weight"].sum()


def fit(data: dict[str, torch.Tensor], *, steps: int = 400) -> tuple[dict[str, float], float]:
    """Return weights and bias that make the expected cost smallest."""
    seen = data["figures"][data["known"]]
    mean, deviation = seen.mean(0), seen.std(0)
    held = torch.tensor([HELD.get(name, 0.0) for name in FIGURES])
    free = torch.tensor([name not in HELD for name in FIGURES]).float()
    scaled = (data["figures"] - mean) / deviation * free
    offset = data["figures"] @ held + RELIEF * data["alarms"]
    weights = torch.zeros(len(FIGURES))
    weights[0] = 1.0
    weights.requires_grad_()
    bias = torch.tensor(-4.0, requires_grad=True)
    optimizer = torch.optim.Adam([weights, bias], lr=0.03)
    for step in range(steps):
        optimizer.zero_grad()
        evidence = (scaled @ weights + bias + offset) * (1.0 + 3.0 * step / steps)
        cost = expected_cost(torch.where(data["known"], evidence, torch.tensor(-50.0)), data)
        (cost + 3e-4 * (weights**2).sum()).backward()
        optimizer.step()
    own = (weights / deviation * free).detach()
    found = {name: float(own[i] + held[i]) for i, name in enumerate(FIGURES)}
    return found, float(bias.detach() - (own * mean).sum())


def main() -> None:
    """Fit, and print the module with the weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=800, help="nets to train")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(1)
    weights, bias = fit(padded(samples(nets.load(given.runs, given.seed), given.seed)))
    print('"""What each figure of `Progress` weighs; printed by ``benchmarks/fit_stopping.py``."""\n')
    print("from __future__ import annotations\n\nfrom typing import Final\n")
    print(f"BIAS: Final = {bias - LIMIT:.3f}\nWEIGHTS: Final = {{")
    print("".join(f'    "{name}": {weight:.3f},\n' for name, weight in weights.items()) + "}")


if __name__ == "__main__":
    main()
