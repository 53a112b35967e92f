"""Whatever a file holds, reading it ends in runs or in one line, never in a traceback."""

import string
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overfit_monitor.check import check
from overfit_monitor.reports import github, json, junit, markdown, sarif, text
from overfit_monitor.reports.base import View

NAMES = ["x.csv", "x.json", "x.txt", "overfit-monitor.jsonl", "trainer_state.json"]
HEADERS = [b"", b"epoch,loss,val_loss\n", b'{"val_loss": [', b'[{"val_loss": 1},', b'{"kind": "start", "record": {}}\n']
CELLS = st.sampled_from(
    ["1", "0.5", "nan", "-inf", "1e308", "-1e308", "1e-320", "", "NA", "x", '"', "\0", "9" * 30, "\ud800"]
)
FINITE_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(string.printable, max_size=5),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.sampled_from(["loss", "val_loss", "epoch", "log_history", "a"]), inner, max_size=5)
    ),
    max_leaves=20,
)


def judged(name, content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(content)
        sketches = {}
        for paths in ([path], [folder]):
            result = check(paths, sketches=sketches)
            for report in (json, junit, text, markdown, github, sarif):
                assert report.render(result, View(sketches=sketches)).encode()
        assert all("\n" not in error.message for error in result.errors)
        return result


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.sampled_from(NAMES), st.sampled_from(HEADERS), st.binary(max_size=300))
def test_random_bytes(name, header, content):
    judged(name, header + content)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.sampled_from(["x.csv", "x.txt"]), st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=30))
def test_random_tables(name, rows):
    table = "\n".join(["epoch,loss,val_loss", *(",".join(row) for row in rows)])
    judged(name, table.encode("utf-8", "surrogatepass"))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.sampled_from(["x.json", "trainer_state.json"]), FINITE_JSON)
def test_random_json(name, content):
    import json as standard

    judged(name, standard.dumps(content).encode())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.csv", ",".join(f"val_loss{i}" for i in range(10**6)).encode()),
        ("x.csv", b"epoch,loss,val_loss\n" + b"9" * 5_000_000),
        ("x.json", b'{"val_loss": [' * 200_000),
        ("x.csv", bytes(range(256)) * 4000),
    ],
    ids=["a million columns", "one long line", "deep", "binary"],
)
def test_hostile_files_are_refused_in_one_line(name, content):
    result = judged(name, content)
    assert result.outcome == "error"
    assert result.runs == ()


def test_a_large_table_is_not_held_as_objects():
    """A table keeps 9 bytes a cell; one object a row would be a hundred times that."""
    import tracemalloc

    from overfit_monitor.readers import read_runs

    rows = 20_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.csv")
        path.write_text("epoch,loss,val_loss\n" + "".join(f"{i},1.5,2.5\n" for i in range(rows)), encoding="utf-8")
        tracemalloc.start()
        (run,), _ = read_runs([path])
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert len(run.observations) == rows
    assert peak < 150 * rows
