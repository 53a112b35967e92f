"""The result for machines, and its published schema."""

import json as standard
from pathlib import Path

import jsonschema
import pytest

import overfit_monitor
from overfit_monitor.cli.schema import SCHEMAS, schema
from overfit_monitor.reports import json

from .results import CHECK, EMPTY, UNREAD

FOLDER = Path(overfit_monitor.__file__).parent / "schemas"
SCHEMA = FOLDER / "check-v1.schema.json"


def test_json_has_the_shape_of_the_contract():
    told = standard.loads(json.render(CHECK))
    assert (told["schema_version"], told["outcome"]) == (1, "fail")
    run = told["runs"][1]
    assert run["metrics"] == {"train": "loss", "val": "loss", "mode": "min", "also": {}}
    assert {
        name: run[name] for name in ("run", "source", "verdict", "best_step", "onset_step", "alarm_step", "stop_step")
    } == {
        "run": 'a "b"',
        "source": "runs/a",
        "verdict": "overfitting",
        "best_step": 12,
        "onset_step": 15,
        "alarm_step": 20,
        "stop_step": None,
    }
    assert run["findings"][0] == {
        "id": "overfitting",
        "severity": "error",
        "message": "it <rises> & rises.",
        "onset_step": 15,
        "onset_range": None,
        "alarm_step": 20,
        "evidence": {"rise": None, "noise": None, "count": 3, "words": None},
        "speaks_for": [],
        "speaks_against": [],
        "experiment": "",
    }
    assert run["recommendations"][0]["change"] == {"a": None, "b": [1, None]}
    assert run["not_judged"] == [{"id": "memorization", "reason": "no detector"}]
    assert told["errors"] == [{"source": UNREAD.source, "run": None, "message": UNREAD.message}]


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_published_schemas_are_those_of_the_records(name):
    published = standard.loads((FOLDER / f"{name}-v1.schema.json").read_text(encoding="utf-8"))
    assert published == schema(name)
    jsonschema.Draft202012Validator.check_schema(published)


@pytest.mark.parametrize("check", [CHECK, EMPTY])
def test_json_is_valid_by_the_published_schema(check):
    schema = standard.loads(SCHEMA.read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    told = standard.loads(json.render(check))
    validator.validate(told)
    validator.validate(told | {"a_later_field": 1})
    for wrong in ({"outcome": "maybe"}, {"schema_version": 2}, {"runs": [{"verdict": "healthy"}]}):
        assert list(validator.iter_errors(told | wrong))
