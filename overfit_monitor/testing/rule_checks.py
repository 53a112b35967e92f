"""What every rule of advice must pass, whatever it advises.

Each check takes a rule class and raises `AssertionError` with the reason. They
run over our own catalogue and are meant for your rules as well:

    >>> from overfit_monitor.advice import CATALOGUE
    >>> for rule in CATALOGUE:
    ...     rule_checks(rule)
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Callable
from typing import Any, get_args

from overfit_monitor.advice.base import Rule
from overfit_monitor.facts import Facts, LayerFacts, OptimizerFacts
from overfit_monitor.records import Diagnosis, Recommendation, Verdict
from overfit_monitor.testing.sample_runs import BARE, OVERFIT, known_cases, runs_against

Check = Callable[[type[Rule]], None]

CALLS_ALLOWED = 10_000


def with_change(facts: Facts, recommendation: Recommendation) -> Facts:
    """Return the facts as they are once the recommendation has been followed.

    What no fact shows, a width or a number of examples that was multiplied, is noted in `Facts.applied`.
    """
    change = recommendation.change
    update: dict[str, Any] = {}
    if "patience" in change:
        update["early_stopping"] = True
    if "weight_decay" in change:
        update["optimizer"] = _decayed(facts.optimizer, change)
    if "standardize" in change or "batch_size" in change:
        known = {"unscaled": 0} if "standardize" in change else {"batch_size": 1, "steps_per_epoch": 100}
        update["data"] = facts.data.model_copy(update=known)
    if "schedule" in change and facts.optimizer is not None:
        update["optimizer"] = facts.optimizer.model_copy(update={"schedule": change["schedule"]})
    if "weight_averaging" in change:
        update["averaged"] = True
    if "normalization" in change:
        update["layers"] = (*facts.layers[:1], LayerFacts(name="new", kind="norm"), *facts.layers[1:])
    if "label_smoothing" in change and facts.loss is not None:
        update["loss"] = facts.loss.model_copy(update={"label_smoothing": change["label_smoothing"]})
    if "dropout" in change:
        update["layers"] = _dropped(facts.layers, change["dropout"])
    if "augmentation" in change:
        update["data"] = facts.data.model_copy(update={"augmented": True})
    return facts.model_copy(update=update or {"applied": (*facts.applied, recommendation.id)})


def is_named(rule: type[Rule]) -> None:
    """A rule has an id of its own, takes no arguments, keeps no state and is final."""
    assert rule.id.isidentifier(), f"its id must be a snake-case name but is {rule.id!r}"
    assert rule.id == rule.id.lower(), f"its id must be lower case but is {rule.id!r}"
    assert not vars(rule()), f"a rule has no state but this one keeps {sorted(vars(rule()))}"
    assert getattr(rule, "__final__", False), f"{rule.__name__} must be marked with typing.final"


def is_silent_on_other_runs(rule: type[Rule]) -> None:
    """Nothing is advised for a run that shows nothing of what the rule is against, whatever is known of it."""
    for verdict in get_args(Verdict):
        if verdict not in rule.against:
            diagnosis = OVERFIT.model_copy(update={"verdict": verdict})
            for facts in known_cases():
                assert rule().advise(diagnosis, facts) is None, f"it speaks for a run that is {verdict}"


def speaks_for_some_run(rule: type[Rule]) -> None:
    """A rule that is silent on every ordinary run is of no use."""
    assert _answers(rule), "it is silent on every run of these checks"


def is_complete(rule: type[Rule]) -> None:
    """A recommendation carries the rule's id, a reason, a caution, a source and a change."""
    for _, _, answer in _answers(rule):
        assert answer.id == rule.id, f"its recommendation has the id {answer.id!r}"
        for name in ("title", "why", "caution", "source", "code"):
            text = getattr(answer, name)
            assert text.strip(), f"its {name} is empty"
            shown = name != "code" and {"None", "nan", "inf"} & set(re.findall(r"\w+", text))
            assert not shown, f"its {name} shows an unknown value: {text!r}"


def has_plain_change(rule: type[Rule]) -> None:
    """The change is not empty and survives JSON as it is."""
    for _, _, answer in _answers(rule):
        assert answer.change, "its change is empty"
        back = json.loads(json.dumps(answer.change, allow_nan=False))
        assert back == answer.change, f"its change does not survive JSON: {answer.change!r}"


def names_its_value(rule: type[Rule]) -> None:
    """Every number of the change is in the title."""
    for _, _, answer in _answers(rule):
        for name, value in answer.change.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                assert f"{value:g}" in answer.title, f"its title {answer.title!r} does not say {name} {value:g}"


def has_code_that_compiles(rule: type[Rule]) -> None:
    """The code is Python, for both frameworks and where the framework is unknown."""
    for _, facts, answer in _answers(rule):
        try:
            tree = ast.parse(answer.code)
        except SyntaxError as error:
            raise AssertionError(f"its code for {facts.framework} does not compile: {error}") from error
        assert tree.body, f"its code for {facts.framework} does nothing"


def keeps_to_the_framework(rule: type[Rule]) -> None:
    """Code for one framework imports nothing of the other."""
    for _, facts, answer in _answers(rule):
        other = {"torch": "keras", "keras": "torch"}.get(facts.framework or "")
        imported = {name.split(".")[0] for node in ast.walk(ast.parse(answer.code)) for name in _imports(node)}
        assert other not in imported, f"its code for {facts.framework} imports {other}"


def is_silent_once_applied(rule: type[Rule]) -> None:
    """What has been followed is not advised again, neither by the facts nor by its id."""
    for run, facts, answer in _answers(rule):
        if _shows(facts, answer):
            again = rule().advise(run, with_change(facts, answer))
            assert again is None, f"it repeats itself once {answer.change!r} is in place: {again}"
        noted = facts.model_copy(update={"applied": (rule.id,)})
        assert rule().advise(run, noted) is None, "it repeats what the facts list as applied"


def is_deterministic(rule: type[Rule]) -> None:
    """The same run gets the same advice, from any instance."""
    for run, facts, answer in _answers(rule):
        assert rule().advise(run, facts) == answer, "it says something else the second time"


def takes_the_unknown(rule: type[Rule]) -> None:
    """A diagnosis without steps and evidence breaks nothing, and shows no unknown as a number."""
    for facts in known_cases():
        answer = rule().advise(BARE, facts)
        assert answer is None or answer.change, "its change is empty for a run without evidence"
        assert answer is None or "None" not in answer.title + answer.why, f"it shows an unknown as None: {answer}"


def is_quick(rule: type[Rule]) -> None:
    """One answer costs a bounded number of calls, since it is asked for after every step."""
    for facts in known_cases():
        count = _calls(lambda facts=facts: rule().advise(OVERFIT, facts))  # type: ignore[misc]
        assert count < CALLS_ALLOWED, f"it makes {count} calls for one answer, more than {CALLS_ALLOWED}"


CHECKS: tuple[Check, ...] = (
    is_named,
    is_silent_on_other_runs,
    speaks_for_some_run,
    is_complete,
    has_plain_change,
    names_its_value,
    has_code_that_compiles,
    keeps_to_the_framework,
    is_silent_once_applied,
    is_deterministic,
    takes_the_unknown,
    is_quick,
)


def rule_checks(rule: type[Rule]) -> None:
    """Run every check on a rule.

    Args:
        rule: The rule's class.

    Raises:
        AssertionError: Names the rule, the check and the reason.
    """
    for check in CHECKS:
        try:
            check(rule)
        except AssertionError as error:
            raise AssertionError(f"{rule.__name__}: {check.__name__}: {error}") from error


def _answers(rule: type[Rule]) -> list[tuple[Diagnosis, Facts, Recommendation]]:
    asked = [(run, facts, rule().advise(run, facts)) for run in runs_against(rule) for facts in known_cases()]
    return [(run, facts, answer) for run, facts, answer in asked if answer is not None]


def _shows(facts: Facts, answer: Recommendation) -> bool:
    """Whether the facts could show the change: a smoothing without a known loss could not."""
    return "label_smoothing" not in answer.change or facts.loss is not None


def _decayed(optimizer: OptimizerFacts | None, change: dict[str, Any]) -> OptimizerFacts:
    name = change.get("optimizer", "AdamW" if optimizer is None else optimizer.name)
    known = {} if optimizer is None else optimizer.model_dump()
    switched = {"decoupled": True} if "optimizer" in change else {}
    return OptimizerFacts(**{**known, **switched, "name": name, "weight_decay": change["weight_decay"]})


def _dropped(layers: tuple[LayerFacts, ...], rate: float) -> tuple[LayerFacts, ...]:
    """Set the rates that are there, or put one dropout layer in front of the last layer."""
    if any(layer.kind == "dropout" for layer in layers):
        return tuple(layer.model_copy(update={"rate": rate}) if layer.kind == "dropout" else layer for layer in layers)
    return (*layers[:-1], LayerFacts(name="added", kind="dropout", rate=rate), *layers[-1:])


def _imports(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def _calls(ask: Callable[[], object]) -> int:
    """Count the Python calls in one answer: the same on every machine, unlike seconds."""
    count = 0

    def counting(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(counting)
    try:
        ask()
    finally:
        sys.setprofile(before)
    return count
