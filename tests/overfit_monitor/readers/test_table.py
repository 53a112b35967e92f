"""Which column is the step, and which rows are one observation."""

import math
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overfit_monitor.columns import Column
from overfit_monitor.errors import UnreadableError
from overfit_monitor.readers import steps
from overfit_monitor.readers.steps import repeats, steps_in
from overfit_monitor.readers.table import COLUMNS, Table, looks_like_log


def table(header, *rows):
    names = header.split()
    filled = Table(names)
    for row in rows:
        cells = dict(zip(names, row.split(), strict=True))
        filled.append([None if cells[name] == "." else float(cells[name]) for name in filled.wanted])
    return filled.close()


def told(filled):
    return [(o.step, o.train.get("loss"), o.val.get("loss")) for o in filled]


def test_without_a_step_the_row_counts_from_zero():
    assert told(table("loss val_loss", "3 4", "2 3")) == [(0, 3, 4), (1, 2, 3)]


def test_rows_of_one_step_are_one_observation():
    lightning = table("epoch step train_loss val_loss", "0 4 . 9", "0 4 8 .", "1 9 . 7", "1 9 6 .")
    assert told(lightning) == [(0, 8, 9), (1, 6, 7)]


def test_the_last_train_value_of_a_step_counts():
    assert told(table("epoch train_loss val_loss", "0 5 .", "0 4 .", "0 . 6")) == [(0, 4, 6)]


def test_several_validations_in_an_epoch_are_told_apart_by_the_step():
    rows = "0 10 5 6", "0 20 4 5", "1 30 3 4"
    assert told(table("epoch step train_loss val_loss", *rows)) == [(10, 5, 6), (20, 4, 5), (30, 3, 4)]


def test_a_second_validation_value_at_a_step_is_an_observation_of_its_own():
    assert told(table("epoch loss val_loss", "0 5 6", "0 4 5")) == [(0, 5, 6), (0, 4, 5)]


def test_a_step_that_goes_back_stays_in_the_order_of_the_file():
    rows = "0 9 9", "1 8 8", "2 7 7", "1 6 6"
    assert [step for step, _, _ in told(table("epoch loss val_loss", *rows))] == [0, 1, 2, 1]


def test_fractional_epochs_are_no_steps():
    hugging_face = table("epoch step loss eval_loss", "0.5 10 3 .", "1.0 20 . 2")
    assert told(hugging_face) == [(10, 3, None), (20, None, 2)]


def test_a_step_column_must_be_there_for_every_validation_row():
    assert told(table("epoch loss val_loss", "0 5 6", ". 4 5")) == [(0, 5, 6), (1, 4, 5)]


def test_a_row_without_a_step_belongs_to_the_next_that_has_one():
    lightning = table("epoch lr-Adam train_loss val_loss", ". 0.1 . .", "0 . 5 .", "0 . . 6", ". 0.2 . .")
    assert told(lightning) == [(0, 5, 6)]
    assert lightning[0].learning_rate == 0.2


def test_it_is_a_sequence():
    filled = table("loss val_loss", "3 4", "2 3", "1 2")
    assert len(filled) == 3
    assert filled[-1] == list(filled)[2]
    assert filled[0:2] == list(filled)[:2]
    with pytest.raises(IndexError):
        filled[3]


def test_more_metrics_than_anyone_logs_are_refused():
    with pytest.raises(UnreadableError, match="columns look like metrics"):
        Table([f"val_loss{i}" for i in range(COLUMNS + 1)])


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("train_loss val_loss", True),
        ("loss accuracy val_loss val_accuracy", True),
        ("epoch loss", True),
        ("epoch train val", True),
        ("train_loss_ssl epoch step", True),
        ("train_spearman val_spearman", True),
        ("id label", False),
        ("model accuracy f1", False),
        ("train test", False),
        ("sepal_length species", False),
    ],
)
def test_a_log_is_told_from_other_tables(header, expected):
    assert looks_like_log(header.split()) is expected


CELLS = st.lists(st.integers(-3, 3).map(float) | st.sampled_from([None, 0.5, math.nan, math.inf, 2.0**53, -0.0]))


@given(st.lists(CELLS, min_size=1, max_size=3))
def test_steps_of_a_large_table_are_found_as_those_of_a_small_one(cells):
    height = min(map(len, cells))
    columns = [Column(array("d"), bytearray()) for _ in cells]
    for column, values in zip(columns, cells, strict=True):
        for value in values[:height]:
            column.append(value)
    small = steps_in(columns, range(height))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, "LARGE", 0)
        assert steps_in(columns, range(height)) == small
        assert small is None or repeats(small) == sum(small[i] == small[i - 1] for i in range(1, height))
