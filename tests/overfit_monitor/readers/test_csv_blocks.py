"""A table read block by block is the table read line by line."""

import csv
import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from overfit_monitor.errors import UnreadableError
from overfit_monitor.readers import csv_table
from overfit_monitor.readers.csv_table import CsvTable
from overfit_monitor.readers.numbers import numbers_in

NUMBER = st.floats(allow_nan=False, allow_infinity=False).map(repr) | st.integers(-99, 99).map(str)
ODD = st.sampled_from(
    ["", "nan", "inf", "-inf", "n/a", "word", " 1.5 ", "1_0", "1e5", ".5", "5.", "+3", '"2"', "0x1", "1e", "--1"]
)
CELL = st.one_of(*[NUMBER] * 12, ODD)
ROW = st.lists(CELL, min_size=3, max_size=3) | st.lists(CELL, max_size=5)
ENDS = st.sampled_from(["\n", "\r\n"])


def read(folder, content, *, fast, monkeypatch=None):
    path = folder / "log.csv"
    path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        if not fast:
            patch.setattr(csv_table, "numbers_in", lambda *_: None)
        try:
            (run,) = CsvTable().read([path], folder)
        except UnreadableError as error:
            return str(error)
    return repr((list(run.observations), run.notes))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.lists(NUMBER, min_size=3, max_size=3) | ROW, min_size=1, max_size=30),
    delimiter=st.sampled_from([",", ";", "\t"]),
    end=ENDS,
    last=st.sampled_from(["", "\n", "\n\n", "\nepoch,loss,val_loss\n1,2,3"]),
    block=st.sampled_from([1, 40, 300, 1 << 20]),
)
def test_blocks_give_what_lines_give(rows, delimiter, end, last, block, tmp_path):
    text = end.join(delimiter.join(row) for row in [["epoch", "loss", "val_loss"], *rows]) + last
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_table, "BLOCK", block)
        fast = read(tmp_path, text.encode(), fast=True)
    assert fast == read(tmp_path, text.encode(), fast=False)


@pytest.mark.parametrize(
    "block",
    [
        b"1,2\n3,4,5\n6\n",
        b"1,2,3\n\n4,5,6\n",
        b"1,,3\n",
        b"1,2,3,\n",
        b"1,2,1.5.2\n",
        b"1,2,1-2\n",
        b"1,2,-0\n",
        b"1,-0 ,2\n",
        b"1,2,.5\n",
        b"1,2,0x1\n",
        b"1,2,1_0\n",
        b"1,2,1 0\n",
        b"1,2,null\n",
        b"1,2,infinity\n",
        b"1,2,1e5,\n1,2\n",
        b"1,2,[3]\n",
        b'1,2,"3"\n',
        b"1,2,3\r4,5,6\n",
        b"1,2," + b"9" * 400 + b"\n",
        b"1,2,\0\n",
    ],
)
def test_what_is_no_plain_block_is_left_alone(block):
    assert numbers_in(block, ",", 3, [0, 1, 2]) is None


PLAIN = {
    "1": "1.0",
    "-1.5": "-1.5",
    "-0.0": "-0.0",
    "1e999": "inf",
    "-1E+400": "-inf",
    "5e-324": "5e-324",
    "1e-999": "0.0",
    "nan": "nan",
    "NaN": "nan",
    "inf": "inf",
    "-inf": "-inf",
    "Infinity": "inf",
    " 2.5 ": "2.5",
    "9007199254740993": "9007199254740992.0",
    "123456789012345678901234567890": "1.2345678901234568e+29",
    "0.1000000000000000055511151231257827021181583404541015625": "0.1",
    "2.2250738585072011e-308": "2.225073858507201e-308",
}


@pytest.mark.parametrize(("text", "number"), PLAIN.items())
def test_plain_numbers_are_taken_at_once(text, number):
    ((one,), (two,)) = numbers_in(f"{text},7\n".encode(), ",", 2, [0, 1])
    assert (repr(one), two) == (number, 7.0)
    assert repr(float(text)) == number


@given(st.lists(st.floats(), min_size=1, max_size=20), st.sampled_from([repr, "{:.3f}".format, "{:.25g}".format]))
def test_numbers_are_those_that_python_reads(values, form):
    written = io.StringIO()
    csv.writer(written).writerows([i, form(value)] for i, value in enumerate(values))
    found = numbers_in(written.getvalue().encode(), ",", 2, [1])
    if found is None:
        assert "-0" in map(form, values)
    else:
        assert list(map(repr, found[0])) == [repr(float(form(value))) for value in values]


def test_a_large_table_is_read_in_whole(tmp_path):
    lines = [f"{i},{1 / (i + 1)!r},{2 / (i + 1)!r}" for i in range(60_000)]
    lines[45_000] = "45000,oops,1.0"
    content = "\n".join(["epoch,loss,val_loss", *lines]).encode()
    assert read(tmp_path, content, fast=True) == read(tmp_path, content, fast=False)
