"""Every benchmark runs as a user would run it, and its rules and shares are right."""

import importlib.util
import io
import json
import runpy
import subprocess
import sys
import warnings
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
CURVES = st.lists(st.floats(-10, 10) | st.just(float("nan")), min_size=1, max_size=40)


@pytest.fixture(autouse=True, scope="module")
def among_the_benchmarks():
    """They import each other as scripts do, from their own folder."""
    sys.path.insert(0, str(BENCHMARKS))
    yield
    sys.path.remove(str(BENCHMARKS))


def load(name):
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def printed(script, *arguments):
    command = [sys.executable, str(BENCHMARKS / f"{script}.py"), *map(str, arguments)]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture
def printed_here(monkeypatch):
    """Return what runs a script as `printed` does, in this process: it has what takes long to import already."""

    def run(script, *arguments):
        path = str(BENCHMARKS / f"{script}.py")
        monkeypatch.setattr(sys, "argv", [path, *map(str, arguments)])
        status = None
        with redirect_stdout(io.StringIO()) as out, warnings.catch_warnings():
            warnings.simplefilter("default")
            try:
                runpy.run_path(path, run_name="__main__")
            except SystemExit as end:
                status = end.code
        assert not status
        return out.getvalue()

    return run


def tables(text):
    """Return the rows of every table, each as a dictionary by the header."""
    found = []
    for block in text.split("\n\n"):
        lines = [[cell.strip() for cell in line.strip()[1:-1].split("|")] for line in block.splitlines() if "|" in line]
        if lines:
            found.append([dict(zip(lines[0], line, strict=True)) for line in lines[2:]])
    return found


@pytest.mark.parametrize(
    "script",
    [
        "advice",
        "calibration",
        "comparing",
        "detection",
        "confusion",
        "cost",
        "overhead",
        "probe",
        "paired",
        "examples",
        "fuzz",
        "board",
        "reading",
    ],
)
def test_help_tells_the_usage(script, printed_here):
    pytest.importorskip("torch")
    assert f"python benchmarks/{script}.py" in printed_here(script, "--help")


def test_comparing_beside_what_one_would_reach_for():
    pytest.importorskip("torch")
    module = load("comparing")
    bests = (1.0, 1.2, 1.1, 1.05, 1.15, 1.1)  # two groups of the same mean
    net = [{"val_loss": [2.0, best, 1.5], "val_error": [0.1] * 3} for best in bests]
    rows = {rule: module._shares([net], (3, 3), module._measured, module.RULES[rule]) for rule in module.RULES}
    assert rows["ours"] == ["0.000 (≤ 0.950)", "0.00", "0.00", "1.00", "1.00"]  # by hand: 20 % is 0.22, the limit 0.205
    assert rows["10 %"] == ["0.000 (≤ 0.950)", "0.00", "0.00", "1.00", "1.00"]
    assert len(module._splits(range(6), (1, 1))) == 15
    assert module._splits("abcde", (3, 1)) == [("abc", "d"), ("bcd", "e")]


def test_calibration_beside_others():
    pytest.importorskip("river")
    small = ("--runs", 2, "--points", 30, "--families", "falling", "AR 0.9", "--noise", "0.02", "--jobs", 1)
    (rows,) = tables(printed("calibration", *small))
    assert [row["noise"] for row in rows] == ["falling", "AR 0.9", "all"]
    assert [row["runs"] for row in rows] == ["2", "2", "4"]
    assert rows[0]["val > train"] == "1.000"  # the gap is there from the first point on


def test_calibration_achieved_against_asked():
    small = ("--runs", 2, "--points", 30, "--families", "falling", "--noise", "0.02", "--jobs", 1)
    (rows,) = tables(printed("calibration", *small, "--rates", "0.05", "0.2"))
    assert [row["noise"] for row in rows] == ["falling", "all"]
    assert rows[0].keys() >= {"asked 0.05", "asked 0.2"}


def histories(folder):
    """Write three runs without noise that overfit, and three that do not."""
    t = np.arange(60)
    down, path = np.exp(-t / 8), folder / "runs.jsonl"
    records = []
    for k in range(3):
        for rise in (0.02, 0.0):
            val = (0.5 + 0.01 * k + down + rise * np.clip(t - 30, 0, None)).tolist()
            records.append({"train_loss": (0.3 + down).tolist(), "val_loss": val, "test_loss": val})
    path.write_text("\n".join(map(json.dumps, records)))
    return path


def test_detection_on_runs_without_noise(tmp_path):
    pytest.importorskip("river")
    options = ("--rates", "0.05", "--resamples", 20, "--jobs", 1)
    right, curve, equal = tables(printed("detection", "--histories", histories(tmp_path), *options))
    by_rule = {row["rule"]: row for row in right}
    assert by_rule["overfit-monitor"]["F1, streamed"].startswith("1.000")
    assert by_rule["always"]["false alarms, streamed"].startswith("1.000")
    assert by_rule["never"]["median delay"] == "over half missed"
    assert curve[0]["false alarms"].startswith("0.000")
    assert {row["rule"] for row in equal} == {"patience", "val > limit x best"}


def test_the_delay_of_patience_is_its_patience_from_the_onset():
    detection, rules = load("detection"), load("rules")
    val = [1.0, 0.8, 0.6, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1]
    run = {"train": val, "val": val, "onset": detection.true_onset(val)}
    assert run["onset"] == 4  # the lowest is at 3
    assert detection.by_rule(rules.patience(3), [run]).delay.tolist() == [2.0]  # alarm at 6
    assert detection.by_rule(rules.never, [run]).delay.tolist() == [np.inf]


def test_between_two_limits_the_delay_is_interpolated():
    detection = load("detection")
    truth = np.array([True, False, False])
    loose = detection.Alarms(truth, np.array([True, True, True]), np.array([2.0, np.nan, np.nan]))
    strict = detection.Alarms(truth, np.array([True, False, False]), np.array([10.0, np.nan, np.nan]))
    assert detection.at_equal_rate([loose, strict], [1, 5], truth, 0.25) == (4.0, 8.0, 1.0)
    assert detection.at_equal_rate([loose], [1], truth, 0.25) is None


def test_no_ratio_where_over_half_are_missed():
    detection = load("detection")
    assert detection._ratio(5.0, 10.0) == "0.50"
    assert detection._ratio(5.0, float("inf")) == "-"


def test_confusion_marks_what_was_meant():
    (rows,) = tables(printed("confusion", "--runs", 1, "--jobs", 1))
    by_curve = {row["curve"]: row for row in rows}
    assert by_curve["overfit"]["overfitting"] == "*1.00*"
    assert by_curve["falling"]["overfitting"] == ""


def test_cost_shows_every_call_with_and_without_other_metrics(printed_here):
    rows, finished = tables(printed_here("cost", "--epochs", 10, "--calls", 3, "--runs", 2))
    assert [row["call"] for row in rows] == ["empty call", "plain patience", "Monitor.log"] * 2
    assert {row["other metrics"] for row in rows[:3]} == {"0"}
    assert {row["other metrics"] for row in rows[3:]} == {"5"}
    assert [row["finished run"] for row in finished] == ["healthy", "overfits"] * 2
    assert all(float(row["together"]) > 0.0 for row in finished)


@given(val=CURVES, evaluations=st.integers(1, 12))
def test_patience_at_once_is_patience_in_a_loop(val, evaluations):
    best, wait, expected = float("inf"), 0, []
    for value in val:
        best, wait = (value, 0) if value < best else (best, wait + 1)
        expected.append(wait >= evaluations)
    assert load("rules").patience(evaluations)(val, val).tolist() == expected


@given(val=CURVES, keep=st.integers(1, 40))
def test_what_a_rule_says_depends_on_nothing_after_it(val, keep):
    rules = load("rules")
    for name in ("patience 5", "val > 1.2 x best", "(val - train) / train > 0.1", "val > train"):
        whole = rules.RULES[name](val[::-1], val)
        prefix = rules.RULES[name](val[::-1][:keep], val[:keep])
        assert prefix.tolist() == whole[:keep].tolist()


@pytest.mark.parametrize(
    ("hits", "runs", "limit"),
    [(0, 59, 0.0495), (0, 40, 0.0722), (4, 4, 1.0)],  # without a hit it is 1 - 0.05 ** (1 / runs)
)
def test_upper_limit_of_a_share(hits, runs, limit):
    assert load("tables").upper_limit(hits, runs) == pytest.approx(limit, abs=1e-4)


def test_both_limits_of_a_share():
    assert load("tables").interval(5, 10) == pytest.approx((0.187, 0.813), abs=1e-3)  # Clopper and Pearson 1934


def test_the_probe_beside_the_whole_training_set(printed_here):
    pytest.importorskip("torch")
    costs, gaps = tables(printed_here("probe", "--seconds", 0.1, "--epochs", 6, "--networks", 2))
    assert [row["batch"] for row in costs] == ["200", "32"]
    assert [row["dropout"] for row in gaps] == ["0", "0.5"]
    assert float(gaps[1]["artefact"]) < float(gaps[0]["artefact"])


def test_the_cost_of_a_step_beside_others(printed_here):
    pytest.importorskip("torch")
    pytest.importorskip("torchmetrics")
    (rows,) = tables(printed_here("overhead", "--seconds", 0.2, "--steps", 0.1, "--warm-up", 50))
    assert [row["way"] for row in rows] == ["bare", "watched", "loss.item()", "MeanMetric", "SummaryWriter"]
    assert all("to" in row["ratio (95 %)"] for row in rows[1:])


def test_wrong_labels_and_copies_are_found(printed_here):
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    labels, copies = tables(printed_here("examples", "--nets", 1))
    assert [row["wrong labels"] for row in labels] == ["0%", "2%", "5%", "10%", "20%"]
    assert all(int(row["of them wrong"].rstrip("%")) > 90 for row in labels[1:])
    assert copies[0]["same bytes"] == copies[0]["similarity .98"] == "100.0%"


def test_paired_differences_beside_two_means():
    pytest.importorskip("torch")
    errors, rises = tables(printed("paired", "--runs", 16, "--seed", 3, "--sizes", 100, 1600))
    assert all(float(row["median"]) > 1.0 for row in errors)
    assert [row["statistic"] for row in rises[:3]] == ["curve", "means", "paired"]


def test_effects_are_adjusted_for_what_a_task_has_to_gain():
    advice = load("advice")
    # "a" was measured on the task with much to gain only, where it did half as well as "b".
    records = [{"ratios": {"a": np.exp(-0.1), "b": np.exp(-0.2)}}, {"ratios": {"b": 1.0}}]
    gains = advice.adjusted(records)
    assert gains["b"] == pytest.approx(-0.1)
    assert gains["a"] == pytest.approx(0.0)
    figures = advice.summary([0.95, 0.995, 1.01, 1.03])
    assert (figures["helps"], figures["harms"], figures["runs"]) == (0.25, 0.25, 4)
    assert figures["ratio"] == pytest.approx(1.0025)


def test_advice_is_judged_on_a_task_that_overfits(monkeypatch):
    """Takes long: some forty trainings of a small network."""
    advice = load("advice")
    monkeypatch.setattr(advice, "JUDGED", (10,))
    record = advice.judge(9, seed=0)
    assert record["first"] == record["top"][0]
    assert set(record["top"]) | {one.id for one in advice.fixed()} == set(record["ratios"])
    assert all(0.1 < ratio < 10 for ratio in record["ratios"].values())
    assert record["ratios"]["weight decay 0.01"] == pytest.approx(1.0)  # AdamW's own default
    assert 0.0 < record["cost"] <= 4.0
    assert advice.judge(1, seed=0) is None


def test_advice_is_learned_from_a_task_that_overfits(monkeypatch):
    advice = load("advice")
    monkeypatch.setattr(advice, "JUDGED", (10,))
    record = advice.learn(9, seed=0)
    assert {"weight_decay", "weight_averaging"} <= set(record["ratios"])
    assert record["group"] == "plain classification"


def test_the_tab_beside_what_tensorboard_itself_takes():
    pytest.importorskip("tensorboard_data_server")
    small = (
        "--runs",
        3,
        "--evaluations",
        20,
        "--memory-runs",
        3,
        "--points",
        3000,
        "--reloads",
        2,
        "--loaders",
        "rust",
    )
    answers, long, start, memory, figures = tables(printed("board", *small))
    assert (answers[0]["loader"], answers[0]["judged in it"].split()[-1]) == ("rust", "3")
    assert [row["read"] for row in long] == ["sample", "every point"]
    assert all(0 < int(row["view, kB"]) <= 500 for row in long)
    assert float(start[0]["loading the plugin, ms"]) > 0.0
    assert [row["state"] for row in memory] == ["3 runs judged, 3 looked at", "after 1 reloads", "after 2 reloads"]
    assert len(figures) == 9
    assert all(row["TensorBoard's own"] for row in figures)
