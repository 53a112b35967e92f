import importlib
import json
import pkgutil
from pathlib import Path

import pytest

import overfit_monitor.advice as package
from overfit_monitor import diagnose
from overfit_monitor.advice import CATALOGUE, Rule, advise
from overfit_monitor.advice.early_stopping import EarlyStopping
from overfit_monitor.advice.order import FIRST
from overfit_monitor.effects import DATA, effect_of
from overfit_monitor.facts import Facts
from overfit_monitor.testing.rule_checks import CHECKS, rule_checks
from overfit_monitor.testing.sample_runs import OVERFIT, dense_network, image_network, known_cases, table_network

DOCS = Path(__file__).parents[3] / "docs" / "recommendations"
TRAIN = [1.0 / (1 + i) for i in range(40)]
VAL = [1.0 / (1 + i) + 0.4 + max(0.0, 0.02 * (i - 12)) + 0.004 * (-1) ** i for i in range(40)]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("rule", CATALOGUE, ids=lambda rule: rule.id)
def test_every_rule_passes_every_check(rule, check):
    check(rule)


def test_every_rule_that_is_written_is_in_the_catalogue():
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    written = {rule for rule in Rule.__subclasses__() if rule.__module__.startswith(package.__name__ + ".")}
    assert written == set(CATALOGUE)
    assert len({rule.id for rule in CATALOGUE}) == len(CATALOGUE)


@pytest.mark.parametrize("rule", CATALOGUE, ids=lambda rule: rule.id)
def test_every_rule_has_its_page_and_its_place_in_the_index(rule):
    assert (DOCS / f"{rule.id}.md").read_text().startswith("# ")
    assert f"({rule.id}.md)" in (DOCS / "README.md").read_text()


@pytest.mark.parametrize(
    ("facts", "ids"),
    [
        (
            dense_network(),
            "early_stopping weight_decay_with_dropout weight_decay dropout label_smoothing mixup input_noise "
            "weight_averaging smaller_model more_data hyperparameter_search",
        ),
        (
            image_network(),
            "early_stopping weight_decay_with_dropout weight_decay dropout label_smoothing mixup augmentation "
            "weight_averaging more_data hyperparameter_search",
        ),
        (Facts(), "early_stopping weight_decay dropout weight_averaging more_data"),
    ],
    ids=["dense", "image", "unknown"],
)
def test_a_diagnosed_run_gets_its_recommendations(facts, ids):
    diagnosis = diagnose(train=TRAIN, val=VAL, facts=facts)
    assert diagnosis.verdict == "overfitting"
    assert sorted(answer.id for answer in diagnosis.recommendations) == sorted(ids.split())
    assert json.loads(diagnosis.model_dump_json())["recommendations"][0]["change"]["patience"] == 6


@pytest.mark.parametrize("facts", known_cases(), ids=str)
def test_the_largest_measured_effect_comes_first(facts):
    answers = diagnose(train=TRAIN, val=VAL, facts=facts).recommendations
    ids = [answer.id for answer in answers]
    first = [id for id in ids if id in FIRST]
    assert ids[: len(first)] == first
    gains = [effect_of(answer.id, facts).gain for answer in answers[len(first) :] if answer.effect is not None]
    assert gains == sorted(gains)
    for answer in answers:
        for other in answer.tied_with:
            assert answer.id in next(a for a in answers if a.id == other).tied_with
            assert abs(effect_of(answer.id, facts).gain - effect_of(other, facts).gain) < 0.1


def test_what_was_not_measured_stands_between_what_helps_and_what_does_not():
    ids = [answer.id for answer in diagnose(train=TRAIN, val=VAL, facts=table_network()).recommendations]
    gains = {id: effect_of(id, table_network()).gain for id in ids if id not in FIRST}
    groups = [1 if gain is None else 0 if gain < 0.0 else 2 for gain in gains.values()]
    assert groups == sorted(groups)


def test_every_effect_is_of_a_rule_and_has_its_provenance():
    data = json.loads((Path(package.__file__).parents[1] / DATA).read_text())
    assert "benchmarks/advice.py --learn" in data["provenance"]
    assert set(data["effects"]) <= {rule.id for rule in CATALOGUE}
    for found in data["effects"].values():
        assert found["all"]["runs"] >= 5
        assert found["all"]["low"] <= found["all"]["ratio"] <= found["all"]["high"]


def test_a_healthy_run_gets_none():
    assert diagnose(train=TRAIN, val=TRAIN, facts=dense_network()).recommendations == ()


def test_a_metric_where_higher_is_better_keeps_its_direction_in_the_code():
    diagnosis = diagnose(
        train=[1 - v for v in TRAIN],
        val=[2 - v for v in VAL],
        metric="accuracy",
        mode="max",
        facts=dense_network("keras"),
    )
    assert 'monitor="val_accuracy", mode="max"' in diagnosis.recommendations[0].code


class _Repeats(Rule):
    """Says the same whatever is in place, and final it is not."""

    id = "repeats"

    def advise(self, diagnosis, facts):
        answer = EarlyStopping().advise(OVERFIT, facts.model_copy(update={"early_stopping": False}))
        return answer.model_copy(update={"id": self.id})


def test_the_checks_catch_a_rule_that_speaks_out_of_turn():
    failed = set()
    for check in CHECKS:
        try:
            check(_Repeats)
        except AssertionError:
            failed.add(check.__name__)
    assert failed == {"is_named", "is_silent_on_other_runs", "is_silent_once_applied"}
    with pytest.raises(AssertionError, match="_Repeats: is_named: _Repeats must be marked"):
        rule_checks(_Repeats)


def test_advise_leaves_out_what_is_applied():
    facts = dense_network().model_copy(update={"applied": tuple(rule.id for rule in CATALOGUE)})
    assert advise(OVERFIT, facts) == ()
