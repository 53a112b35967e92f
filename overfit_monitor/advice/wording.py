"""What all rules share: how the run, numbers and code are written."""

from __future__ import annotations

import math
from functools import lru_cache
from textwrap import dedent

from overfit_monitor.facts import Framework
from overfit_monitor.records import Diagnosis

TORCH_HEADING = "# PyTorch"
KERAS_HEADING = "# Keras"


def evidence(diagnosis: Diagnosis, key: str) -> float | None:
    """Return a number from the evidence of the overfitting finding, None where it is unknown or not finite."""
    finding = diagnosis.finding("overfitting")
    value = None if finding is None else finding.evidence.get(key)
    if value is None or isinstance(value, bool | str) or not math.isfinite(value):
        return None
    return float(value)


def what_happened(diagnosis: Diagnosis) -> str:
    """Return one sentence on the run: where it was best, and how far it has come from there."""
    best = "" if diagnosis.best_step is None else f" was best at step {diagnosis.best_step} and"
    relative = evidence(diagnosis, "rise_relative")
    if relative is None:
        return f"Validation{best} has become worse since."
    return f"Validation{best} has become {relative:.0%} worse since."


def two_digits(value: float) -> float:
    """Return the value rounded to two significant digits."""
    return float(f"{value:.2g}")


def code_for(framework: Framework | None, *, torch: str, keras: str) -> str:
    """Return the code for the framework in use; both, each under its comment line, where that is unknown."""
    torch, keras = _flush(torch), _flush(keras)
    if framework is None:
        return f"{TORCH_HEADING}\n{torch}\n\n{KERAS_HEADING}\n{keras}\n"
    return f"{torch if framework == 'torch' else keras}\n"


@lru_cache(maxsize=512)
def _flush(code: str) -> str:
    """Return the code without its indentation; kept, since advice is asked for after every evaluation."""
    return dedent(code).strip()
