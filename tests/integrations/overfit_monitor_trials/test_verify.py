"""`verify` on curves whose truth is known: what it keeps, what it says, what it costs, and what is not lost."""

import json
import math
import sys

import pytest

pytest.importorskip("joblib")
import toys

from overfit_monitor import UsageError, diagnose
from overfit_monitor.check import check
from overfit_monitor_trials import Ledger, verify
from overfit_monitor_trials.evidence import estimates, sampling_error
from overfit_monitor_trials.training import as_trained
from overfit_monitor_trials.verify import candidates

SERIAL = {"engine": "serial", "quiet": True}


def by_id(result):
    return {row.id: row for row in result.tried}


def test_it_keeps_what_helps_and_names_what_harms(advice):
    result = verify(toys.train, advice, epochs=10, budget=20, **SERIAL)
    rows = by_id(result)
    assert result.best == "weight_decay + dropout"
    assert result.change == {"weight_decay": 1.0, "dropout": 0.2}
    assert rows["weight_decay"].outcome == "helps"
    assert rows["weight_decay"].ratio == pytest.approx(0.9, abs=0.02)
    assert rows["weight_decay"].low < 0.9 < rows["weight_decay"].high
    assert rows["noise_scale"].outcome in ("harms", "no better than noise")
    assert rows["noise_scale"].ratio > 1.0
    assert [row.id for row in result.tried] == sorted(rows, key=lambda name: rows[name].expected)


def test_nothing_is_kept_where_nothing_helps(advice):
    result = verify(toys.train, advice[2:], epochs=10, **SERIAL)
    assert result.best is None
    assert result.change == {}
    assert "keep none" in result.summary()


def test_a_change_that_the_training_does_not_know_is_found_out(advice):
    result = verify(toys.deaf, advice, epochs=3, budget=30, **SERIAL)
    assert {row.outcome for row in result.tried} == {"not applied"}
    assert result.best is None
    assert "to the last bit" in result.tried[0].reason


def test_a_failing_trial_is_told_and_the_others_go_on(advice):
    result = verify(toys.failing, advice, epochs=10, **SERIAL)
    failed = by_id(result)["dropout"]
    assert failed.outcome == "failed"
    assert failed.reason == "ValueError: dropout does not go here"
    assert result.best == "weight_decay"


@pytest.mark.parametrize(("budget", "seeds"), [(4.0, (0,)), (5.0, (0,)), (20.0, (0, 1, 2))])
def test_the_budget_is_kept(advice, budget, seeds):
    result = verify(toys.train, advice, epochs=10, budget=budget, full=True, **SERIAL)
    assert result.cost <= budget
    assert tuple(result.baseline) == seeds


def test_trials_are_as_long_as_it_takes_to_the_best():
    val = [1.0 / (1 + i) for i in range(8)] + [0.125 + 0.02 * i for i in range(72)]
    diagnosis = diagnose(train=[1.0 / (1 + i) for i in range(80)], val=val)
    advised = diagnosis.model_copy(update={"recommendations": ()})
    assert diagnosis.verdict == "overfitting"
    to_best = math.ceil(2.5 * (diagnosis.best_step + 1))
    assert verify(toys.train, advised, budget=1.0, **SERIAL).epochs == to_best
    assert verify(toys.train, advised, budget=4.0, **SERIAL).epochs == 32  # a tenth of 4 x 80
    assert verify(toys.train, advised, full=True, **SERIAL).epochs == 80


def test_what_is_finished_is_not_trained_again(advice, tmp_path):
    first = verify(toys.train, advice, epochs=10, run_dir=tmp_path, **SERIAL)
    lines = (tmp_path / "trials.jsonl").read_text().splitlines()
    again = verify(_never, advice, epochs=10, run_dir=tmp_path, **SERIAL)
    assert again == first
    assert (tmp_path / "trials.jsonl").read_text().splitlines() == lines
    assert {json.loads(line)["kind"] for line in lines} == {"trial"}


def _never(config):
    raise AssertionError("it was finished before")


def test_an_interruption_loses_nothing_that_was_finished(advice, tmp_path):
    calls = []

    def interrupted(config):
        calls.append(config)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return toys.train(config)

    with pytest.raises(KeyboardInterrupt):
        verify(interrupted, advice, epochs=10, run_dir=tmp_path, **SERIAL)
    with (tmp_path / "trials.jsonl").open("a") as file:
        file.write('{"kind": "trial", "rec')  # and the disk was full
    calls.clear()
    verify(lambda config: calls.append(config) or toys.train(config), advice, epochs=10, run_dir=tmp_path, **SERIAL)
    whole = verify(toys.train, advice, epochs=10, **SERIAL)
    assert len(calls) == round(whole.cost * 10 / 10) - 2


@pytest.fixture
def _no_cluster_left():
    yield
    if "ray" in sys.modules:
        sys.modules["ray"].shutdown()


@pytest.mark.usefixtures("_no_cluster_left")
@pytest.mark.parametrize("engine", ["joblib", "dask", "ray"])
def test_engines_agree_and_survive_a_worker_that_dies(advice, engine, tmp_path):
    """Takes long: a local cluster is started for each engine."""
    pytest.importorskip({"dask": "distributed"}.get(engine, engine))
    settings = {"epochs": 10, "engine": engine, "n_jobs": 2, "quiet": True}
    assert verify(toys.train, advice, **settings) == verify(toys.train, advice, epochs=10, **SERIAL)
    if engine == "ray":
        _a_check_on_this_cluster_is_that_in_one_process(tmp_path)
    if engine == "dask":
        return  # a nanny starts the worker anew three times, which takes half a minute
    result = verify(toys.dying, advice, **settings)
    assert by_id(result)["dropout"].outcome == "failed"
    assert result.best == "weight_decay"


def _a_check_on_this_cluster_is_that_in_one_process(folder):
    """Belongs to `overfit_monitor.spread`, and is here since a cluster takes long to start."""
    for number in range(4):
        rows = [f"{i},{1 / (i + 1)!r},{1 / (i + 1) + 0.02 * (number % 2) * i!r}\n" for i in range(40)]
        (folder / f"log{number}.csv").write_text("".join(["epoch,loss,val_loss\n", *rows]))
    (folder / "empty.csv").write_text("")
    assert check([folder], engine="ray") == check([folder])


def test_nothing_to_try_and_nothing_to_compare_with(advice):
    untrainable = [advice[0].model_copy(update={"id": "temperature"})]
    result = verify(toys.train, untrainable, epochs=10, ledger=Ledger(), **SERIAL)
    assert (result.best, result.tried, result.cost) == (None, (), 0.0)
    with pytest.raises(UsageError, match="as it was failed with seed 0: ValueError: no data"):
        verify(_broken, advice, epochs=10, **SERIAL)
    with pytest.raises(UsageError, match="no finite validation value with seed 0"):
        verify(lambda config: [float("nan")], advice, epochs=10, **SERIAL)
    failing = [one.model_copy(update={"change": {"dropout": 0.1, one.id + "!": 1}}) for one in advice]
    assert [row.outcome for row in verify(toys.failing, failing, epochs=10, **SERIAL).tried] == ["failed"] * 3


def _broken(config):
    raise ValueError("no data")


def test_the_ledger_tells_what_is_luck(advice):
    ledger = Ledger()
    result = verify(toys.train, advice, epochs=10, budget=20, ledger=ledger, **SERIAL)
    assert ledger.n == 5
    assert "by luck alone" in result.luck
    assert result.luck in result.summary()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"top": 0}, "top must be at least 1"),
        ({"seeds": ()}, "seeds must be different"),
        ({"seeds": (1, 1)}, "seeds must be different"),
        ({"budget": 0.0}, "budget must be above 0"),
        ({"epochs": None}, "epochs must be given"),
        ({"engine": "dusk"}, "Did you mean 'dask'"),
    ],
)
def test_bad_arguments(advice, arguments, message):
    with pytest.raises(UsageError, match=message):
        verify(toys.train, advice, **{"epochs": 10, **SERIAL, **arguments})


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"loss": [1.0]}, "must return validation values"),
        ({"val": []}, "at least one"),
        ({"val": ["a"]}, "as numbers"),
        (None, "must return a mapping"),
        ("good", "must return a mapping"),
    ],
)
def test_what_a_training_function_may_not_return(answer, message):
    with pytest.raises(UsageError, match=message):
        as_trained(answer)


def test_nan_is_never_the_best():
    trained = as_trained([float("nan"), 2.0, 1.0, float("inf")])
    assert trained.best("min") == (2, 1.0)
    assert trained.best("max") == (1, 2.0)
    assert as_trained([float("nan")]).best("min") is None


@pytest.mark.parametrize(
    ("base", "changed", "outcome"),
    [
        ({0: 1.0, 1: 1.0, 2: 1.0}, {0: 0.9, 1: 0.9, 2: 0.9}, "helps"),
        ({0: 1.0, 1: 1.0, 2: 1.0}, {0: 1.1, 1: 1.1, 2: 1.1}, "harms"),
        ({0: 1.0}, {0: 0.97}, "no better than noise"),
        ({0: 1.0, 1: 1.0}, {0: 0.8, 1: 1.25}, "no better than noise"),
        ({0: 1.0}, {}, "failed"),
    ],
)
def test_outcomes(base, changed, outcome):
    assert estimates({"a": (base, changed)}, {})["a"].outcome == outcome


def test_the_benchmark_pulls_a_single_trial_towards_what_it_saw(effect):
    (alone,) = estimates({"a": ({0: 1.0}, {0: 0.99})}, {}).values()
    (known,) = estimates({"a": ({0: 1.0}, {0: 0.99})}, {"a": effect}).values()
    assert known.expected < alone.expected < 1.0
    assert alone.ratio == known.ratio == pytest.approx(0.99)


def test_the_sampling_error_is_that_of_the_paired_differences():
    base, changed = [1.0, 2.0, 3.0, 2.0], [0.8, 2.0, 2.6, 2.2]
    # differences -0.2, 0, -0.4, 0.2: deviation 0.2582, over sqrt(4) and the mean of 2
    assert sampling_error([(base, changed)]) == pytest.approx(0.25820 / 2 / 2, rel=1e-4)
    assert sampling_error([(base, changed)] * 5) == pytest.approx(sampling_error([(base, changed)]))
    assert sampling_error([]) == sampling_error([((), ())]) == 0.0
    pair = {"a": ({0: 1.0, 1: 1.0, 2: 1.0}, {0: 0.9, 1: 0.9, 2: 0.9})}
    (sure,), (unsure,) = (estimates(pair, {}, sampling={"a": e}).values() for e in (0.0, 0.1))
    assert (sure.outcome, unsure.outcome) == ("helps", "no better than noise")
    assert sure.expected < unsure.expected < 1.0


def test_what_is_tried_are_different_things(advice):
    wide = advice[0].model_copy(update={"id": "both", "change": {"weight_decay": 1.0, "dropout": 0.2}})
    assert [one.id for one in candidates([wide, *advice], 3)] == ["both", "noise_scale"]
    assert [one.id for one in candidates([*advice, wide], 3)] == ["weight_decay", "dropout", "noise_scale"]


def test_what_softens_labels_twice_is_not_tried_together(advice):
    changes = {"a": {"label_smoothing": 0.1, "weight_decay": 1.0}, "b": {"mixup": 0.2, "dropout": 0.1}}
    advice = [advice[0].model_copy(update={"id": id, "change": change}) for id, change in changes.items()]
    assert {row.id for row in verify(toys.train, advice, epochs=10, budget=20, **SERIAL).tried} == {"a", "b"}


def test_higher_may_be_better():
    (found,) = estimates({"a": ({0: 0.8, 1: 0.8, 2: 0.8}, {0: 0.9, 1: 0.9, 2: 0.9})}, {}, mode="max").values()
    assert found.outcome == "helps"
