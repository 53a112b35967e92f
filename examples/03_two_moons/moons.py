"""What the two trainings of this folder share: the data, what is compared, the table and the plot.

Run train_pytorch.py or train_keras.py; this file trains nothing.
"""

from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
from sklearn.datasets import make_moons

from overfit_monitor import Diagnosis

plt.switch_backend("Agg")  # writes files, needs no screen

N_TRAIN, N_VAL, N_TEST = 40, 300, 2000
HIDDEN = 500
EPOCHS = 60
LEARNING_RATE = 0.02

TRAIN, VAL, BEST, ONSET = "#7a869a", "#c2410c", "#0f766e", "#7c3aed"


@dataclass(frozen=True)
class Variant:
    """One training: what is done against overfitting, and nothing else differs."""

    name: str
    l2: float = 0.0
    dropout: float = 0.0
    early_stopping: bool = False

    @property
    def folder(self):
        return self.name.replace(" ", "_")


VARIANTS = (
    Variant("base model"),
    Variant("L2", l2=1e-3),
    Variant("dropout", dropout=0.5),
    Variant("early stopping", early_stopping=True),
)


@dataclass(frozen=True)
class Outcome:
    """What came out of one training; the losses have one value for each epoch."""

    variant: Variant
    train: list[float]
    val: list[float]
    diagnosis: Diagnosis
    test_accuracy: float


def two_moons(seed=0):
    """Return (x, y) to train on, to validate on and to test on: few, more and very many noisy points."""
    x, y = make_moons(N_TRAIN + N_VAL + N_TEST, noise=0.3, random_state=seed)
    x, y = x.astype("float32"), y.astype("float32").reshape(-1, 1)
    ends = (N_TRAIN, N_TRAIN + N_VAL)
    return tuple((x[rows], y[rows]) for rows in (slice(ends[0]), slice(*ends), slice(ends[1], None)))


def print_table(outcomes):
    """Print what each training ended with."""
    print("\n                    train loss      validation loss        test")
    print("                  at end  at best  at end  at best step  accuracy  verdict       epochs")
    for outcome in outcomes:
        best = outcome.diagnosis.best_step
        print(
            f"{outcome.variant.name:<16}{outcome.train[-1]:>8.3f}{outcome.train[best]:>9.3f}{outcome.val[-1]:>8.3f}"
            f"{outcome.val[best]:>9.3f}{f'@{best}':>5}{outcome.test_accuracy:>10.1%}  "
            f"{outcome.diagnosis.verdict:<14}{len(outcome.val):>6}"
        )
    print("\nLosses are cross-entropy without the L2 penalty; train loss is as training saw it, with dropout on.")
    print("Tested is the model that each training ends with; early stopping has put its best weights back.")


def print_bought(outcomes):
    """Say what each change bought against the base model, which is the first outcome."""
    base, *others = outcomes
    print()
    for outcome in others:
        points = 100 * (outcome.test_accuracy - base.test_accuracy)
        epochs = len(outcome.val) / len(base.val)
        print(f"{outcome.variant.name:<15} {points:+.1f} points of test accuracy, in {epochs:.0%} of the epochs")


def plot(outcomes, title, path):
    """Draw the curves of every training with onset and best step, and write the picture."""
    figure, axes = plt.subplots(2, 2, figsize=(11, 7), sharex=True, sharey=True, layout="constrained")
    lowest = min(min(outcome.train) for outcome in outcomes)
    highest = max(max(outcome.val) for outcome in outcomes)
    for axis, outcome in zip(axes.flat, outcomes, strict=True):
        _draw(axis, outcome)
        axis.set_yscale("log")
        axis.set_ylim(max(lowest, 1e-3) * 0.8, highest * 1.6)
        axis.set_xlim(-3, EPOCHS + 2)
    for axis in axes[1]:
        axis.set_xlabel("epoch")
    for axis in axes[:, 0]:
        axis.set_ylabel("cross-entropy")
    handles = {}
    for axis in axes.flat:
        handles |= {handle.get_label(): handle for handle in axis.get_legend_handles_labels()[0]}
    figure.suptitle(title, fontsize=13, fontweight="bold")
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=len(handles), frameon=False)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _draw(axis, outcome):
    diagnosis, best = outcome.diagnosis, outcome.diagnosis.best_step
    axis.plot(outcome.train, color=TRAIN, linewidth=1.6, label="train")
    axis.plot(outcome.val, color=VAL, linewidth=2, label="validation")
    if diagnosis.onset_step is not None:
        axis.axvline(diagnosis.onset_step, color=ONSET, linestyle="--", linewidth=1.3, label="onset")
    axis.plot(best, outcome.val[best], "o", color=BEST, markersize=8, markeredgecolor="white", label="best step")
    if len(outcome.val) < EPOCHS:
        last = len(outcome.val) - 1
        axis.annotate(f"stopped after epoch {last}", (last, outcome.val[-1]), (8, 0), textcoords="offset points")
    axis.set_title(
        f"{outcome.variant.name}: {diagnosis.verdict}, test accuracy {outcome.test_accuracy:.1%}",
        loc="left",
        fontsize=10.5,
    )
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis="y", color="#e5e7eb", linewidth=0.8)
    axis.set_axisbelow(True)
