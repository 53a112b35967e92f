"""Look at the examples that seem mislabelled."""

from __future__ import annotations

from typing import ClassVar, final

from overfit_monitor.advice.base import Rule
from overfit_monitor.advice.wording import code_for
from overfit_monitor.facts import Facts
from overfit_monitor.records import Diagnosis, Recommendation

LEAST_NOISE = 0.01


@final
class CleanLabels(Rule):
    """Advised where labels are known or estimated to be wrong: from 1 % on, or where the run learns them by heart."""

    id: ClassVar[str] = "clean_labels"
    against: ClassVar[tuple[str, ...]] = ("overfitting", "memorization")

    def advise(self, diagnosis: Diagnosis, facts: Facts) -> Recommendation | None:
        """Return the recommendation, or None where nothing shows wrong labels."""
        noise = facts.data.label_noise
        if not self.may_speak(diagnosis, facts) or noise is None or noise < LEAST_NOISE:
            return None
        return Recommendation(
            id=self.id,
            title="Correct or leave out the examples that look mislabelled",
            why=f"About {noise:.0%} of the labels are wrong. What a network learns from them by heart is what it gets "
            "wrong elsewhere.",
            change={"remove_mislabelled": True},
            code=_code(facts),
            caution="Look at them before they go: a hard example looks like a wrong one. Clean the validation set with "
            "the same care, and a test set by hand only.",
            source="Northcutt, Jiang and Chuang 2021 (JAIR 70), confident learning; how many of those named were "
            "wrong here: benchmarks/examples.py.",
        )


def _code(facts: Facts) -> str:
    named = """
        # monitor: what watched the run, with per-example losses and labels
        for example in monitor.examples.mislabelled:
            print(example.split, example.name or example.index, "label", example.label, "loss", example.loss)
        suspicious = {e.index for e in monitor.examples.mislabelled if e.split == "train"}
    """
    return code_for(facts.framework, torch=named, keras=named)
