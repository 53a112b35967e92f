"""Histories and records in JSON."""

import json

import pytest

from overfit_monitor.errors import UnreadableError
from overfit_monitor.readers.json_records import JsonRecords
from overfit_monitor.readers.keras_history import KerasHistory
from overfit_monitor.readers.pairing import Names

HISTORY = {"loss": [3.0, 2.0, 1.0], "val_loss": [4.0, float("nan"), 2.0], "learning_rate": [0.1, 0.1, 0.01]}
RECORDS = [
    {"epoch": 0.5, "learning_rate": 0.1, "loss": 3.0, "step": 10},
    {"epoch": 1.0, "eval_loss": 4.0, "eval_runtime": 1.5, "step": 20},
    {"epoch": 1.0, "step": 20, "total_flos": 1e9, "train_loss": 3.5, "train_runtime": 9.0},
]


def read(reader, tmp_path, content, name="history.json"):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return list(reader.read([path], tmp_path))


def curves(run):
    return [(o.step, o.train.get("loss"), o.val.get("loss")) for o in run.observations]


def test_keras_history(tmp_path):
    (run,) = read(KerasHistory(), tmp_path, HISTORY)
    assert curves(run)[0] == (0, 3.0, 4.0)
    assert curves(run)[2] == (2, 1.0, 2.0)
    assert run.observations[1].val["loss"] != run.observations[1].val["loss"]
    assert run.observations[2].learning_rate == 0.01
    assert (run.name, run.notes) == ("history", ())


def test_each_part_of_a_history_is_a_run(tmp_path):
    runs = read(KerasHistory(), tmp_path, {"phase1": HISTORY, "phase2": HISTORY, "classes": ["a", "b"]})
    assert [run.name for run in runs] == ["history/phase1", "history/phase2"]


def test_lists_of_different_lengths_are_noted(tmp_path):
    (run,) = read(KerasHistory(), tmp_path, {"train_losses": [3, 2, 1], "val_losses": [4, None]})
    assert curves(run) == [(0, 3, 4), (1, 2, None), (2, 1, None)]
    assert run.notes == ("the lists are not of one length: 'train_losses' 3, 'val_losses' 2.",)


def test_an_epoch_list_is_the_step(tmp_path):
    (run,) = read(KerasHistory(), tmp_path, {"epoch": [5, 6], "loss": [3, 2], "val_loss": [4, 3]})
    assert curves(run) == [(5, 3, 4), (6, 2, 3)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"loss": [1', "line 1, column 12: the file is cut off"),
        ('{"val_lo', "line 1, column 2: the file is cut off"),
        ('{"loss": [oops]}', "line 1, column 11: no valid JSON"),
        ("", "line 1: the file is empty"),
        ('{"loss": ' + "[" * 100_000, "nested deeper than any log"),
        ('{"loss": [], "val_loss": []}', "no list holds a number"),
        ("[1, 2]", "no object with lists of numbers"),
    ],
)
def test_what_cannot_be_read_is_one_line_with_file_and_place(tmp_path, content, message):
    with pytest.raises(UnreadableError) as caught:
        read(KerasHistory(), tmp_path, content)
    assert str(caught.value).startswith(f"{tmp_path / 'history.json'}: ")
    assert message in str(caught.value)


CUT = [
    # content, values that are left, place of the damage
    ('{"loss": [3, 2, 1], "val_loss": [4, 3, 2.5', [(0, 3, 4), (1, 2, 3), (2, 1, None)], "line 1, column 43: the file"),
    ('{"loss": [3, 2], "val_loss": [4, 3],\n"lr": [0.1,\n', [(0, 3, 4), (1, 2, 3)], "line 3, column 1: the file"),
    ('{"loss": [3, 2], "val_loss": [4, 3], "val_', [(0, 3, 4), (1, 2, 3)], "line 1, column 38: the file is cut off"),
    ('{"loss": [3, 2], "val_loss": [4, x, 3]}', [(0, 3, 4), (1, 2, None)], "line 1, column 34: no valid JSON"),
    ('{"loss": [3, 2], "val_loss": [4, 3]} {"', [(0, 3, 4), (1, 2, 3)], "line 1, column 38: no valid JSON"),
    ('{"a": {"loss": [3, 2], "val_loss": [4, 3', [(0, 3, 4), (1, 2, None)], "line 1, column 41: the file is cut off"),
]


@pytest.mark.parametrize(("content", "left", "place"), CUT)
def test_of_a_damaged_history_what_stands_before_the_damage_is_read(tmp_path, content, left, place):
    (run,) = read(KerasHistory(), tmp_path, content)
    assert curves(run) == left
    assert run.notes[-1].startswith(place)
    assert run.notes[-1].endswith("only what stands before it was read.")


def test_records_cut_off_in_the_middle_lose_the_last(tmp_path):
    (run,) = read(JsonRecords(), tmp_path, json.dumps(RECORDS)[:100], "trainer_state.json")
    assert curves(run) == [(10, 3.0, None)]


def test_integers_beyond_any_float_are_infinite(tmp_path):
    (run,) = read(KerasHistory(), tmp_path, '{"loss": [1, 2], "val_loss": [' + "9" * 5000 + ", true]}")
    assert curves(run) == [(0, 1, float("inf")), (1, 2, None)]


def test_keys_that_are_half_a_character_can_be_written(tmp_path):
    (run,) = read(KerasHistory(), tmp_path, '{"val_loss": [1], "val_\\ud800": [2]}')
    assert [name.encode() for name in run.observations[0].val] == [b"loss", b"?"]


@pytest.mark.parametrize("content", [RECORDS, {"best_metric": None, "log_history": RECORDS}])
def test_hugging_face_without_its_summary(tmp_path, content):
    (run,) = read(JsonRecords(), tmp_path, content, "trainer_state.json")
    assert curves(run) == [(10, 3.0, None), (20, None, 4.0)]


def test_records_may_hold_metrics_one_level_down(tmp_path):
    (run,) = read(JsonRecords(), tmp_path, [{"loss_train": 1, "loss_dev": 2, "acc_dev": {"binary": 0.5}}])
    assert run.observations[0].val == {"loss": 2.0, "acc_binary": 0.5}


@pytest.mark.parametrize("content", ["[]", "{}", '[{"a": "b"}]', '{"log_history": 3}', "3"])
def test_records_without_numbers_are_refused(tmp_path, content):
    with pytest.raises(UnreadableError, match="no list of records with numbers"):
        read(JsonRecords(), tmp_path, content)


HISTORIES = [
    ("h.json", '{"loss": [0.5, 0.25]}', True),
    ("h.json", '{\n  "phase1": {\n    "val_loss": [\n      0.5,', True),
    ("h.json", "", True),
    ("config.json", '{"betas": [0.9, 0.999], "lr": 0.1}', False),
    ("splits.json", '{"train": [0, 5, 7], "test": [1, 2]}', False),
    ("r.json", '[{"loss": 0.5}]', False),
    ("h.txt", "loss", False),
]


@pytest.mark.parametrize(("name", "head", "expected"), HISTORIES)
def test_recognizes_a_history(tmp_path, name, head, expected):
    assert KerasHistory().recognizes(tmp_path / name, head.encode()) is expected


@pytest.mark.parametrize(
    ("name", "head", "expected"),
    [
        ("trainer_state.json", "{", True),
        ("x.json", '{"epoch": 3, "log_history": [', True),
        ("x.json", '[{"epoch": 1, "loss": 0.5, "val_loss": 0.6}', True),
        ("x.json", '[{"name": "a", "id": 3}]', False),
        ("config.json", '{"betas": [0.9, 0.999]}', False),
    ],
)
def test_recognizes_records(tmp_path, name, head, expected):
    assert JsonRecords().recognizes(tmp_path / name, head.encode()) is expected


def test_the_users_own_names_are_recognized_and_read(tmp_path):
    reader = KerasHistory(Names(val="b", train="a"))
    assert reader.recognizes(tmp_path / "x.json", b'{"a": [1], "b": [2]}')
    (run,) = read(reader, tmp_path, {"a": [1], "b": [2]})
    assert (run.observations[0].train, run.observations[0].val) == ({"b": 1.0}, {"b": 2.0})


def test_several_validation_sets_of_hugging_face(tmp_path):
    log = []
    for e in range(3):
        log.append({"epoch": e + 1.0, "loss": 1.0 / (e + 1), "step": 10 * e})
        for name, value in (("a", 2.0 - e / 4), ("b", 3.0)):
            log.append({"epoch": e + 1.0, f"eval_{name}_accuracy": 0.5, f"eval_{name}_loss": value,
                        f"eval_{name}_runtime": 0.1, "step": 10 * e})  # fmt: skip
    path = tmp_path / "trainer_state.json"
    path.write_text(json.dumps({"log_history": log}))
    (run,) = JsonRecords().read([path], tmp_path)
    assert [(o.train, o.val["a_loss"]) for o in run.observations] == [
        ({"a_loss": 1.0}, 2.0),
        ({"a_loss": 0.5}, 1.75),
        ({"a_loss": 1.0 / 3}, 1.5),
    ]
    assert run.notes == (
        "'loss' is compared with 'eval_a_loss', the first of 2 validation set(s); --val takes another.",
    )
