import importlib
import json
import pkgutil
from pathlib import Path

import pytest

import overfit_monitor.advice as package
from overfit_monitor import diagnose
from overfit_monitor.advice import CATALOGUE, Rule, advise
from overfit_monitor.facts import Facts
from overfit_monitor.testing.rule_checks import CHECKS, OVERFIT, dense_network, image_network, rule_checks

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


def test_the_index_is_in_the_order_of_the_catalogue():
    index = (DOCS / "README.md").read_text()
    places = [index.index(f"({rule.id}.md)") for rule in CATALOGUE]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("facts", "ids"),
    [
        (
            dense_network(),
            [
                "early_stopping",
                "weight_decay",
                "label_smoothing",
                "dropout",
                "more_data",
                "smaller_model",
                "input_noise",
            ],
        ),
        (
            image_network(),
            ["early_stopping", "weight_decay", "label_smoothing", "dropout", "augmentation", "more_data"],
        ),
        (Facts(), ["early_stopping", "weight_decay", "dropout", "more_data"]),
    ],
    ids=["dense", "image", "unknown"],
)
def test_a_diagnosed_run_gets_its_recommendations_in_order(facts, ids):
    diagnosis = diagnose(train=TRAIN, val=VAL, facts=facts)
    assert diagnosis.verdict == "overfitting"
    assert [answer.id for answer in diagnosis.recommendations] == ids
    assert json.loads(diagnosis.model_dump_json())["recommendations"][0]["change"]["patience"] == 6


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
        answer = CATALOGUE[0]().advise(OVERFIT, facts.model_copy(update={"early_stopping": False}))
        return answer.model_copy(update={"id": self.id})


def test_the_checks_catch_a_rule_that_speaks_out_of_turn():
    failed = set()
    for check in CHECKS:
        try:
            check(_Repeats)
        except AssertionError:
            failed.add(check.__name__)
    assert failed == {"is_named", "is_silent_unless_overfitting", "is_silent_once_applied"}
    with pytest.raises(AssertionError, match="_Repeats: is_named: _Repeats must be marked"):
        rule_checks(_Repeats)


def test_advise_leaves_out_what_is_applied():
    facts = dense_network().model_copy(update={"applied": tuple(rule.id for rule in CATALOGUE)})
    assert advise(OVERFIT, facts) == ()
