"""What a run can fail on, by stable id: in a sentence, and its page of ``docs/findings``, which the package has too."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import Final

# A link to another page leads nowhere outside the repository, and a title says the id, which stands there anyhow.
_LINK: Final = re.compile(r"\[([^\]]+)\]\((?!https?:)[^)]+\)")
_TITLE: Final = re.compile(r"\A# .*\n+")
_MARKUP: Final = re.compile(r"\*\*|`")

FINDINGS: Final[dict[str, str]] = {
    "confidence_overfitting": "The validation loss has risen, and accuracy has not fallen.",
    "divergence": "Training itself comes apart: the train metric gets worse and stays worse.",
    "double_descent": "Validation got worse, and then better again, while train went on improving: epoch-wise double "
    "descent",
    "instability": "Train or validation jumps up and comes back, again and again: steps that are too large, or bad "
    "batches.",
    "late_generalization": "Train was at its floor for long, validation was poor, and then validation caught up: "
    "grokking",
    "leakage_suspected": "Validation is better than train, for long, by more than the way of measuring train explains.",
    "measurement_artefact": "Validation is better than train, and train is not known to be measured as validation is.",
    "memorization": "Train is better than right answers can make it: the model knows single examples by heart, wrong "
    "labels among them.",
    "metric_disagreement": "The compared validation metric holds, and another one gets worse: the loss of one head "
    "under a falling total, or an accuracy under a falling loss.",
    "noisy_validation": "Validation varies so much from one evaluation to the next that a rise of 8 %, which would be "
    "worth an alarm, is hidden in it.",
    "non_finite": "A train or validation value was NaN or infinite.",
    "overfitting": "Validation has become worse than its own best by more than its own noise explains, and train has "
    "not.",
    "plateau": "Neither train nor validation has improved by more than its own noise for twenty evaluations.",
    "train_val_shift": "Validation was worse than train from the first evaluation on, before anything could be "
    "memorized, and is so by about as much now.",
    "underfitting": "Train never left the level of guessing, gained next to nothing, or was still falling with "
    "validation when the run ended.",
}

OTHERS: Final[dict[str, str]] = {
    "max_gap": "The generalization gap at the last step is above the limit that was set.",
    "baseline": "The best validation value is worse than the baseline's by more than the noise between seeds, or the "
    "run cannot be compared with it.",
    "healthy": "The verdict is healthy, and the check was told to fail on that.",
    "inconclusive": "The verdict is inconclusive, and the check was told to fail on that.",
    "no_validation": "There is no validation metric, so nothing could be judged.",
}


def described(id: str) -> str:
    """Return what a rule is about, in a sentence; that of another detector is told by its name."""
    return FINDINGS.get(id) or OTHERS.get(id) or f"{id.replace('_', ' ').capitalize()}."


def page(id: str) -> str | None:
    """Return the page of a finding as Markdown that stands by itself, None where it has none.

    Args:
        id: The finding.
    """
    if id not in FINDINGS:
        return None
    # In a checkout the pages are where they are written; a built package has a copy.
    places = (files(__package__) / "findings", Path(__file__).parents[2] / "docs" / "findings")
    found = (place / f"{id}.md" for place in places)
    text = next((file.read_text(encoding="utf-8") for file in found if file.is_file()), None)
    return None if text is None else _LINK.sub(r"\1", _TITLE.sub("", text))


def plain(markdown: str) -> str:
    """Return one of our pages as plain text."""
    return _MARKUP.sub("", markdown)
