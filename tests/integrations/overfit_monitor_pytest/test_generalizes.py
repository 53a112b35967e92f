"""The assertion, on everything that a training leaves behind."""

import json
import math
from types import SimpleNamespace

import pytest

from overfit_monitor import Facts, Monitor, UsageError, diagnose
from overfit_monitor_pytest import assert_generalizes
from overfit_monitor_pytest.failures import CouldNotJudgeError, OverfittingError

pytest_plugins = ["pytester"]

NAN = math.nan
TRAIN = [1 / (1 + epoch) for epoch in range(40)]
RISING = [0.5 + loss + 0.02 * max(0, epoch - 10) for epoch, loss in enumerate(TRAIN)]
FALLING = [0.1 + loss for loss in TRAIN]
ACCURACY = [1 - loss for loss in FALLING]
OVERFIT = "error: overfitting: validation is 0.4856 \\(81%\\) worse than its best around step 10"


def records(val):
    """Return what Hugging Face's trainer keeps: rows of train and of evaluation, and a summary."""
    rows = []
    for epoch, (loss, eval_loss) in enumerate(zip(TRAIN, val, strict=True)):
        rows += [{"loss": loss, "learning_rate": 1e-4, "epoch": epoch, "step": 10 * epoch}]
        rows += [{"eval_loss": eval_loss, "eval_runtime": 0.1, "epoch": epoch, "step": 10 * epoch}]
    return [*rows, {"train_runtime": 9.0, "train_loss": 0.3, "epoch": 39, "step": 390}]


def watched(val):
    monitor = Monitor()
    for step, (loss, val_loss) in enumerate(zip(TRAIN, val, strict=True)):
        monitor.log(step=step, train={"loss": loss}, val={"loss": val_loss})
    return monitor


def columns(val):
    return {"loss": TRAIN, "val_loss": val}


HISTORIES = {
    "lists": columns,
    "tuples": lambda val: {"loss": tuple(TRAIN), "val_loss": iter(val)},
    "Keras History": lambda val: SimpleNamespace(history=columns(val), epoch=list(range(40))),
    "train and val": lambda val: {"train": TRAIN, "val": val},
    "beside other things": lambda val: columns(val) | {"epochs_done": 40, "note": "x", "labels": ["a"] * 40},
    "log_history": records,
    "trainer": lambda val: SimpleNamespace(state=SimpleNamespace(log_history=records(val))),
    "diagnosis": lambda val: diagnose(train=TRAIN, val=val),
    "monitor": watched,
}


@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES)
def test_what_is_taken(history):
    assert_generalizes(history(FALLING))
    with pytest.raises(OverfittingError, match=OVERFIT):
        assert_generalizes(history(RISING))


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_tables(library):
    module = pytest.importorskip(library)
    make = module.table if library == "pyarrow" else module.DataFrame
    assert_generalizes(make(columns(FALLING)))
    with pytest.raises(OverfittingError, match=OVERFIT):
        assert_generalizes(make(columns(RISING)))


def lightning(val):
    """Return what Lightning's CSV log is as a table of floats: a row for train and one for validation."""
    rows = [(epoch, loss, NAN) for epoch, loss in enumerate(TRAIN)] + [(e, NAN, v) for e, v in enumerate(val)]
    rows.sort(key=lambda row: (row[0], math.isnan(row[1])))
    return dict(zip(("epoch", "train_loss", "val_loss"), map(list, zip(*rows, strict=True)), strict=True))


SKIPPING = {"loss": TRAIN, "val_loss": [v if e % 2 else NAN for e, v in enumerate(RISING)]}
DIVERGED = {"loss": TRAIN[:30] + [NAN] * 10, "val_loss": FALLING[:30] + [NAN] * 10}
RATES = {"lr": [0.1] * 40 + [NAN] * 40, "train_loss": [NAN] * 40 + TRAIN, "val_loss": [NAN] * 40 + RISING}


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (lightning(RISING), OVERFIT),
        (lightning(FALLING), None),
        (SKIPPING, "overfitting"),  # validated every second epoch
        (RATES, "overfitting"),  # rows with a learning rate only
        (DIVERGED, "NaN or infinite"),  # rows with nothing at all are losses that were lost
        (DIVERGED | {"accuracy": ACCURACY, "val_accuracy": ACCURACY}, "NaN or infinite"),  # the accuracy goes on
        (lightning(RISING) | {"train_runtime": [NAN] * 79 + [9.0]}, "overfitting"),  # Hugging Face's summary
    ],
)
def test_nan_in_a_table_is_an_empty_cell_where_nothing_of_its_split_was_logged(cells, said):
    table = pytest.importorskip("pandas").DataFrame(cells)
    if said is None:
        assert_generalizes(table)
    else:
        with pytest.raises(OverfittingError, match=said):
            assert_generalizes(table)


def test_empty_cells_of_pandas_and_columns_that_are_named():
    pandas = pytest.importorskip("pandas")
    own = {"tr": TRAIN, "te": [value if epoch % 2 else None for epoch, value in enumerate(RISING)]}
    for kind in ("float64", "Float64"):
        with pytest.raises(OverfittingError, match="overfitting"):
            assert_generalizes(pandas.DataFrame(own).astype(kind), train="tr", val="te", mode="min")
    lost = {"tr": TRAIN[:30] + [NAN] * 10, "te": FALLING[:30] + [NAN] * 10}
    with pytest.raises(OverfittingError, match="NaN or infinite"):
        assert_generalizes(pandas.DataFrame(lost), train="tr", val="te", mode="min")


def test_nan_in_a_list_is_a_value():
    with pytest.raises(OverfittingError, match="NaN or infinite"):
        assert_generalizes({"loss": TRAIN, "val_loss": FALLING[:20] + [NAN] * 20})


def test_files_and_folders(tmp_path):
    for name, val in {"good": FALLING, "bad": RISING, "worse": RISING}.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(columns(val)))
    assert_generalizes(tmp_path / "good.json")
    with pytest.raises(OverfittingError, match=OVERFIT) as caught:
        assert_generalizes(str(tmp_path))
    assert str(caught.value).count(" worse than its best around step") == 2
    assert str(caught.value).startswith("bad: error: ")
    (tmp_path / "broken.csv").write_text("epoch,loss,val_loss\n")
    with pytest.raises(CouldNotJudgeError, match=r"could not judge: .*broken.csv: line 1: a header and no row"):
        assert_generalizes(tmp_path)
    with pytest.raises(CouldNotJudgeError, match="no such file or folder"):
        assert_generalizes(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("history", "arguments", "error", "said"),
    [
        # The columns.
        ({"a": TRAIN, "b": RISING}, {"val": "b", "train": "a", "mode": "min"}, OverfittingError, "81%"),
        ({"a": TRAIN, "b": RISING}, {"val": "c"}, UsageError, "unknown name 'c'. Known: 'a', 'b'"),
        ({"a": TRAIN, "b": RISING}, {"train": "a"}, UsageError, "train needs val"),
        (columns(RISING), {"val": "val_loss", "metric": "loss"}, UsageError, "metric cannot go together with val"),
        (columns(RISING), {"metric": "lost"}, UsageError, "unknown metric 'lost'. Did you mean 'loss'"),
        ({"loss": TRAIN}, {}, CouldNotJudgeError, "no validation metric was found; the history has 'loss'"),
        ({}, {}, CouldNotJudgeError, "no validation metric was found; the history has no columns"),
        ({"reward": TRAIN, "val_reward": RISING}, {}, UsageError, "mode must be 'min' or 'max' for metric 'reward'"),
        ({"acc": ACCURACY, "val_acc": [1 - v for v in RISING]}, {}, OverfittingError, "higher is better"),
        # No verdict is no pass.
        ({"loss": TRAIN[:4], "val_loss": FALLING[:4]}, {}, CouldNotJudgeError, "needs at least 6 .* and has 4"),
        ({"loss": TRAIN[:4], "val_loss": FALLING[:4]}, {"allow_inconclusive": True}, None, ""),
        ({"loss": TRAIN, "val_loss": FALLING[:9]}, {}, None, ""),  # told in a note
        # What fails.
        (columns(RISING), {"fail_on": "diverging"}, None, ""),
        (columns(FALLING), {"fail_on": ["healthy", "overfitting"]}, OverfittingError, "the verdict is healthy"),
        (columns(FALLING), {"fail_on": "helthy"}, UsageError, "Did you mean 'healthy'"),
        (columns(FALLING), {"max_gap": 0.05}, OverfittingError, "generalization gap"),
        (columns(FALLING), {"max_gap": 0.2}, None, ""),
        ({"val_loss": FALLING}, {"max_gap": 0.2}, CouldNotJudgeError, "no train metric"),
        # What is no history.
        (columns(RISING), {"patiense": 3}, UsageError, "Did you mean 'patience'"),
        (
            {"loss": TRAIN, "val_loss": ["low"] * 40},
            {},
            UsageError,
            "column 'val_loss' must hold numbers but has 'low'",
        ),
        (TRAIN, {}, UsageError, "history must be a Keras History, .* but got list"),
        (None, {}, UsageError, "but got NoneType"),
        (SimpleNamespace(diagnosis=None), {}, UsageError, "nothing was watched yet: diagnosis is None"),
        (diagnose(val=FALLING), {"metric": "loss"}, UsageError, "a diagnosis is judged as it is"),
    ],
)
def test_what_is_asked(history, arguments, error, said):
    if error is None:
        assert_generalizes(history, **arguments)
    else:
        with pytest.raises(error, match=said):
            assert_generalizes(history, **arguments)


@pytest.mark.parametrize(("facts", "known"), [(None, False), (Facts(early_stopping=True), True)])
def test_facts_go_into_the_advice(facts, known):
    with pytest.raises(OverfittingError) as caught:
        assert_generalizes(columns(RISING), facts=facts)
    assert ("Whether the run stops by itself is not known" not in str(caught.value)) is known


def test_it_is_one_line_of_the_test_in_the_traceback(project, training):
    project.makepyfile(test_it=training("", fixtures="", body='assert_generalizes(TABLES["overfit"])'))
    result = project.runpytest_inprocess("-W", "error", "--junitxml", "r.xml")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(['>*assert_generalizes(TABLES[[]"overfit"[]])*', "E *overfitting: validation is*"])
    result.stdout.no_fnmatch_line("*generalizes.py:*")
    result.stdout.fnmatch_lines(["fail  overfitting   test_it.py::test_training  best 10*", "1 run: 1 failed"])
    assert '<property name="overfit_verdict" value="overfitting"' in (project.path / "r.xml").read_text()


def test_the_options_are_its_defaults(project, training):
    project.makepyfile(test_it=training("", fixtures="", body='assert_generalizes(TABLES["overfit"])'))
    project.runpytest_inprocess("--overfit-fail-on", "diverging").assert_outcomes(passed=1)
    (project.path / "pyproject.toml").write_text('[tool.overfit-monitor]\nfail_on = "diverging"\nmetric = "acc"\n')
    project.runpytest_inprocess().assert_outcomes(passed=1)  # what is compared is a matter of the test
    (project.path / "pyproject.toml").write_text('[tool.overfit-monitor]\nfail_om = "diverging"\n')
    project.runpytest_inprocess().assert_outcomes(failed=1)


def test_a_failure_that_a_test_waits_for_is_none(project, training):
    body = """with pytest.raises(AssertionError):
        assert_generalizes(TABLES["overfit"])
    assert_generalizes(TABLES["good"])"""
    project.makepyfile(test_it=training("", fixtures="", body=body))
    result = project.runpytest_inprocess()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*== overfitting ==*", "pass  healthy*", "1 run: 1 passed"])


def test_a_keras_training(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    keras = pytest.importorskip("keras")
    import numpy as np

    from overfit_monitor_keras import OverfitMonitor

    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(200, 8)).astype("float32")
    y = (x[:, 0] + np.random.default_rng(1).normal(size=200) > 0).astype("int64")
    model = keras.Sequential([keras.layers.Dense(128, activation="relu"), keras.layers.Dense(2)])
    model.compile(keras.optimizers.Adam(0.02), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    callback = OverfitMonitor(verbose=0)
    history = model.fit(x[:40], y[:40], validation_data=(x[40:], y[40:]), epochs=60, verbose=0, callbacks=[callback])
    for trained in (history, callback):
        with pytest.raises(OverfittingError, match="overfitting: validation is"):
            assert_generalizes(trained)
