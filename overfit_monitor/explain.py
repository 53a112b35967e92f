"""A diagnosis in plain words: the reasoning that a colleague would give, with the numbers."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from overfit_monitor.diagnosis import decide
from overfit_monitor.records import Diagnosis, Finding, Verdict

WIDTH = 88
MOST_SHARE = 10.0  # beyond it, a share of the best value tells nobody anything

_UNTOLD: dict[Verdict, str] = {
    "healthy": "Healthy: nothing that was looked for shows in these curves.",
    "overfitting": "Overfitting: validation gets worse while training goes on.",
    "underfitting": "Underfitting: the model has not learned what the data can teach it.",
    "diverging": "Diverging: training itself comes apart.",
    "inconclusive": "Inconclusive: overfitting cannot be judged here.",
}
# What to do before any of the recommendations, which are about the next run.
_FIRST: dict[Verdict, str] = {
    "healthy": "keep the weights of step {best}.",
    "overfitting": "keep the weights of step {best}, not the last ones.",
    "underfitting": "train on, or train a larger model, before anything is regularized.",
    "diverging": "go back to the weights of step {best} and go on with a lower learning rate.",
    "inconclusive": "{short}; until then the weights of step {best} are the ones to keep.",
}
_LOST = {True: "lower", False: "higher"}
_WITHOUT_BEST = "log a validation metric with finite values; without one there is nothing to go by."


def explain(diagnosis: Diagnosis) -> str:
    """Return the reasoning behind a diagnosis, in lines of at most 88 characters (longer single words excepted).

    In this order: the verdict and why, what was compared, the best step and how much worse the last weights are,
    when it began and when it could be told, what speaks for it and against it, the experiment that would decide,
    what else was seen, what to do first, what was not judged, and remarks on the data.

    Args:
        diagnosis: What to explain, live or read from JSON.
    """
    decisive = decide(diagnosis.findings, diagnosis.not_judged)[1]
    lines = [
        *_paragraph(_verdict(diagnosis, decisive)),
        "",
        *_facts(diagnosis, decisive),
        *(_reasons(decisive) if decisive else ()),
        *_others("Also seen" if decisive else "Seen", [each for each in diagnosis.findings if each is not decisive]),
        *_first(diagnosis),
        *_not_judged(diagnosis),
        *_list("Remarks on the data", diagnosis.notes),
    ]
    return "\n".join(lines) + "\n"


def _verdict(diagnosis: Diagnosis, decisive: Finding | None) -> str:
    run = f"Run {diagnosis.run}. " if diagnosis.run else ""
    if decisive is not None:
        return f"{run}{diagnosis.verdict.capitalize()}: {decisive.message}"
    reason = next((item.reason for item in diagnosis.not_judged if item.id == "overfitting"), None)
    if diagnosis.verdict == "inconclusive" and reason is not None:
        return f"{run}Inconclusive: overfitting was not judged, because {_sentence(reason)}"
    if diagnosis.verdict == "inconclusive" and diagnosis.findings:
        return f"{run}Inconclusive: {_sentence(diagnosis.findings[0].message)}"
    if diagnosis.verdict == "healthy" and diagnosis.findings:
        seen = ", ".join(finding.id.replace("_", " ") for finding in diagnosis.findings)
        return f"{run}Healthy: no overfitting, and training holds together. Worth knowing: {seen}."
    return run + _UNTOLD[diagnosis.verdict]


def _facts(diagnosis: Diagnosis, decisive: Finding | None) -> Iterator[str]:
    for label, told in (
        ("Compared", _compared(diagnosis)),
        ("Best", _best(diagnosis, decisive)),
        ("Gap", _gap(diagnosis)),
        ("Began", _began(diagnosis, decisive)),
        ("Alarm", _alarm(diagnosis)),
        ("Stop", _stop(diagnosis)),
    ):
        if told:
            yield from _paragraph(told, first=f"{label}:".ljust(10), rest=" " * 10)


def _compared(diagnosis: Diagnosis) -> str:
    metrics = diagnosis.metrics
    if metrics.val is None:
        return "nothing: no validation metric was logged."
    train = f"with train {metrics.train}" if metrics.train else "alone, for there is no train value"
    better = "lower" if metrics.mode == "min" else "higher"
    also = f" Looked at beside it: {', '.join(metrics.also)}." if metrics.also else ""
    until = "" if diagnosis.step is None else f", up to step {diagnosis.step}"
    return f"validation {metrics.val} {train}, {better} is better{until}.{also}"


def _best(diagnosis: Diagnosis, decisive: Finding | None) -> str:
    best, last = diagnosis.best_value, diagnosis.last_value
    if diagnosis.best_step is None:
        return ""
    value = "" if best is None else f" with {best:.4g}"
    told = f"step {diagnosis.best_step}{value}."
    if diagnosis.best_step == diagnosis.step:
        return f"{told} It is the last one."
    if last is None:
        return f"{told} The last value is not finite." if best is not None else told
    return f"{told} {_worse(diagnosis, last)}{_lost(diagnosis, decisive)}."


def _gap(diagnosis: Diagnosis) -> str:
    gap, membership = diagnosis.gap, diagnosis.membership
    if gap.like_for_like is None:
        return ""
    error = "" if gap.standard_error is None else f" ± {gap.standard_error:.2g}"
    told = f"{gap.like_for_like:.4g}{error} with train measured as validation is"
    if gap.raw is not None and gap.artefact is not None:
        told += f"; {gap.raw:.4g} as logged, of which {gap.artefact:.4g} comes from measuring it in another way"
    if membership is not None:
        interval = f"{membership.low:.2f} to {membership.high:.2f}"
        told += f". The loss alone tells train from validation with an AUC of {membership.auc:.2f} ({interval})"
    return f"{told}."


def _worse(diagnosis: Diagnosis, last: float) -> str:
    best = diagnosis.best_value
    if best is None:
        return f"The last value is {last:.4g}"
    worse = abs(last - best)
    share = f" ({worse / abs(best):.1%})" if 0.0 < worse < MOST_SHARE * abs(best) else ""
    return f"The last weights have {last:.4g}, worse by {worse:.4g}{share}" if worse else "The last weights are as good"


def _lost(diagnosis: Diagnosis, decisive: Finding | None) -> str:
    told = []
    for name, mode in diagnosis.metrics.also.items():
        lost = decisive.evidence.get(f"{name}_lost") if decisive and mode == "max" else None
        if isinstance(lost, float):
            told.append(f"{name} is {f'{abs(lost):.3g} {_LOST[lost > 0.0]}' if lost else 'as it was'}")
    return f"; {' and '.join(told)}" if told else ""


def _began(diagnosis: Diagnosis, decisive: Finding | None) -> str:
    if diagnosis.onset_step is None:
        return ""
    if decisive is None or decisive.onset_range is None:
        return f"step {diagnosis.onset_step}."
    first, last = decisive.onset_range
    return f"about step {diagnosis.onset_step}, between {first} and {last}."


def _alarm(diagnosis: Diagnosis) -> str:
    if diagnosis.alarm_step is None:
        return ""
    if diagnosis.onset_step is None or diagnosis.onset_step == diagnosis.alarm_step:
        return f"step {diagnosis.alarm_step}."
    return f"step {diagnosis.alarm_step}, {diagnosis.alarm_step - diagnosis.onset_step} after it began."


def _stop(diagnosis: Diagnosis) -> str:
    if diagnosis.stop_step is None:
        return ""
    if diagnosis.step is None or diagnosis.stop_step >= diagnosis.step:
        return f"step {diagnosis.stop_step}, now."
    return f"step {diagnosis.stop_step} is where the stopping rule would have ended the run."


def _reasons(finding: Finding) -> Iterator[str]:
    yield from _list("What speaks for it", finding.speaks_for)
    yield from _list("What speaks against it, or is not known", finding.speaks_against)
    if finding.experiment:
        yield ""
        yield from _paragraph(f"What would decide: {_sentence(_lowered(finding.experiment))}")


def _others(title: str, findings: Sequence[Finding]) -> Iterator[str]:
    if not findings:
        return
    yield from ("", f"{title}:")
    for finding in findings:
        since = "" if finding.onset_step is None else f", from step {finding.onset_step}"
        name = f"{finding.id.replace('_', ' ')} ({finding.severity}{since})"
        yield from _item(f"{name}: {_sentence(finding.message)}")
        if finding.speaks_against:
            yield from _paragraph(f"But {'; '.join(finding.speaks_against)}.", first="    ", rest="    ")
        if finding.experiment and finding.severity != "info":
            told = _sentence(_lowered(finding.experiment))
            yield from _paragraph(f"What would decide: {told}", first="    ", rest="    ")


def _first(diagnosis: Diagnosis) -> Iterator[str]:
    short = "validate on more examples" if diagnosis.finding("noisy_validation") else "log more evaluations"
    told = _FIRST[diagnosis.verdict].format(best=diagnosis.best_step, short=short)
    told = _WITHOUT_BEST if diagnosis.best_step is None else told
    yield ""
    yield from _paragraph(f"First: {told}")
    if diagnosis.recommendations and diagnosis.verdict != "healthy":
        first, *more = diagnosis.recommendations
        others = f" {len(more)} more in recommendations." if more else ""
        yield from _paragraph(f"For the next run: {_sentence(_lowered(first.title))} {first.why}{others}")


def _not_judged(diagnosis: Diagnosis) -> Iterator[str]:
    by_reason: dict[str, list[str]] = {}
    for item in diagnosis.not_judged:
        by_reason.setdefault(item.reason, []).append(item.id.replace("_", " "))
    yield from _list("Not judged", [f"{', '.join(ids)}: {reason}" for reason, ids in by_reason.items()])


def _list(title: str, items: Sequence[str]) -> Iterator[str]:
    if items:
        yield from ("", f"{title}:")
        for item in items:
            yield from _item(_sentence(item))


def _item(text: str) -> list[str]:
    return _paragraph(text, first="  - ", rest="    ")


def _sentence(text: str) -> str:
    clean = text.strip()
    return clean if clean.endswith((".", "!", "?")) else f"{clean}."


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def _paragraph(text: str, *, first: str = "", rest: str = "") -> list[str]:
    # Names come from logs: what is not printable would redraw a terminal.
    clean = "".join(char if char.isprintable() else " " for char in text)
    return textwrap.wrap(
        clean, WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )
