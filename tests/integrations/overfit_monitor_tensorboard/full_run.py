"""A run with everything that its view can show, judged by the real monitor."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

from overfit_monitor import Monitor
from overfit_monitor.example_tables import ClassRow, Example, ExampleTables
from overfit_monitor.records import AppliedChange, Effect, Membership, Observation, Probe, Recommendation, Sampling
from overfit_monitor.view.payload import ShownRun, show
from overfit_monitor.view.series import Clock

EPOCHS = 80
TURN = 24


def observations(count: int = EPOCHS, *, probed: bool = True, broken: Sequence[int] = ()) -> list[Observation]:
    """Return a run whose validation turns at a third: with a train probe, per-example errors and two learning rates."""
    noise = random.Random(3)
    found = []
    for step in range(count):
        at = step * EPOCHS / count
        level = 0.42 + 1.9 * math.exp(-at / 9) + 0.012 * max(0.0, at - TURN)
        val = math.nan if step in broken else level + noise.gauss(0.0, 0.015)
        train = 0.05 + 2.1 * math.exp(-at / 10) + abs(noise.gauss(0.0, 0.006))
        auc = 0.5 + 0.25 * (1.0 - math.exp(-at / 30))
        probe = Probe(
            value=train * 0.8 + 0.01,
            sampling=Sampling(n=500, standard_error=0.01),
            membership=Membership(auc=auc, low=auc - 0.03, high=auc + 0.03, tpr=0.04),
        )
        found.append(
            Observation(
                step=step,
                train={"loss": train},
                val={"loss": val},
                learning_rate=0.1 if at < 40 else 0.01,
                probe=probe if probed else None,
            )
        )
    return found


def advice() -> tuple[Recommendation, ...]:
    """Return three recommendations: one measured and applied, one tied with it, one not measured."""
    effect = Effect(runs=120, ratio=0.91, low=0.62, high=1.04, helps=0.64, harms=0.1)
    common: dict[str, Any] = {"why": "Validation turned at step 24.", "code": "", "caution": "", "source": ""}
    decay = common | {
        "code": 'optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.3)\nprint("<b>&amp;")\n',
        "caution": "Too much of it underfits.",
        "source": "Loshchilov and Hutter 2019, arXiv 1711.05101",
    }
    return (
        Recommendation(
            id="weight_decay",
            title="Weight decay 0.3",
            change={"weight_decay": 0.3},
            effect=effect,
            tied_with=("dropout",),
            **decay,
        ),
        Recommendation(id="dropout", title="Dropout 0.2", change={"p": 0.2}, effect=effect, **common),
        Recommendation(id="stop", title="Stop early: patience 9", change={"patience": 9}, **common),
    )


def tables() -> ExampleTables:
    """Return tables of examples and classes, one of the names with markup in it."""
    rows = [
        Example(split="val", index=i, name=name, label=i % 3, loss=9.0 - i, best_loss=1.0 + i)
        for i, name in enumerate(["<img src=x onerror=alert(1)>", "cat-17.png", None])
    ]
    classes = [
        ClassRow(label=2, n=40, loss=1.9, change=0.7, change_error=0.08),
        ClassRow(label=0, n=42, loss=0.8, change=-0.1, change_error=0.05),
    ]
    return ExampleTables(
        step=EPOCHS - 1,
        best_step=TURN,
        worst=tuple(rows),
        risen=tuple(rows),
        classes=tuple(classes),
        mislabelled=tuple(rows[:1]),
    )


def full_run(name: str = "digits/everything", count: int = EPOCHS, **fields: Any) -> ShownRun:
    """Return the run as it is shown, with alerts, an applied change and tables."""
    given = observations(count)
    diagnosis = (
        Monitor()
        .replay(given)
        .model_copy(update={"run": name, "recommendations": advice(), "notes": ("line 7 of <log> & more was damaged",)})
    )
    alert = diagnosis.findings[0]
    told: dict[str, Any] = {
        "tags": {"train": "loss/train", "val": "loss/val"},
        "labels": ("loss/train", "loss/val", "accuracy/val"),
        "alerts": (alert,),
        "applied": (
            AppliedChange(id="weight_decay", step=50, before={"weight_decay": 0.0}, after={"weight_decay": 0.3}),
        ),
        "examples": tables(),
        "times": Clock.of(range(count), [1.7e9 + 30.0 * step for step in range(count)]),
        "exact_possible": True,
    }
    return show(name, diagnosis, given, **told | fields)
