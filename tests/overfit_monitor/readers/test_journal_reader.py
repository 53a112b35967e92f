"""A journal says the same as the monitor that wrote it."""

import json

import pytest

from overfit_monitor.check import check
from overfit_monitor.errors import UnreadableError
from overfit_monitor.examination import diagnose_run
from overfit_monitor.facts import Facts, OptimizerFacts
from overfit_monitor.journal import FILE_NAME
from overfit_monitor.monitor import Monitor
from overfit_monitor.readers import read_runs
from overfit_monitor.readers.journal import JournalReader
from overfit_monitor.readers.pairing import Names

FACTS = Facts(framework="torch", optimizer=OptimizerFacts(name="Adam", learning_rate=1e-3, weight_decay=0.0))


def wobble(step):
    return 0.001 * ((step * 7) % 5)


def overfit(step):
    return 1.0 / (1 + step) + wobble(step), 0.5 + 0.02 * abs(step - 12) + wobble(step)


def watch(run_dir, steps, curve=overfit, **settings):
    with Monitor(run_dir, sinks={}, **settings) as monitor:
        monitor.know(FACTS)
        for step in steps:
            train, val = curve(step)
            monitor.log(step=step, train={"loss": train}, val={"loss": val}, learning_rate=1e-3)
        return monitor.diagnosis


def healthy(step):
    return 1.0 / (1 + step) + wobble(step), 1.1 / (1 + step) + wobble(step)


def broken(step):
    return (float("nan"), float("inf")) if step > 6 else overfit(step)


@pytest.mark.parametrize(
    ("steps", "curve", "settings"),
    [
        (range(40), overfit, {}),
        (range(40), overfit, {"patience": 3, "min_delta": 0.01, "start_from_epoch": 2}),
        (range(40), healthy, {}),
        (range(3), overfit, {}),
        (range(12), broken, {}),
        ([*range(20), *range(10, 40)], overfit, {}),  # a restart
        (range(40), overfit, {"metric": "loss", "mode": "max"}),
    ],
)
def test_replay_is_what_was_said_live(tmp_path, steps, curve, settings):
    said = watch(tmp_path / "run", steps, curve, **settings)
    (run,), problems = read_runs([tmp_path / "run"])
    assert problems == []
    again = diagnose_run(run, {})
    source = str(tmp_path / "run" / FILE_NAME)
    assert again.model_dump_json() == said.model_copy(update={"run": "run", "source": source}).model_dump_json()


def test_what_decides_is_there_at_all(tmp_path):
    said = watch(tmp_path / "run", range(40))
    assert said.verdict == "overfitting"
    assert said.recommendations
    (run,) = check([tmp_path / "run"]).runs
    assert (run.verdict, run.onset_step, run.alarm_step, run.stop_step, run.best_step) == (
        said.verdict,
        said.onset_step,
        said.alarm_step,
        said.stop_step,
        said.best_step,
    )
    assert (run.findings, run.recommendations) == (said.findings, said.recommendations)


def test_a_run_that_was_taken_up_again_is_one_run_under_its_latest_settings(tmp_path):
    watch(tmp_path / "run", range(20), patience=50)
    said = watch(tmp_path / "run", range(20, 40), patience=5)
    (run,), _ = read_runs([tmp_path / "run"])
    assert run.settings["patience"] == 5
    assert diagnose_run(run, {}).stop_step == said.stop_step
    assert diagnose_run(run, {"patience": 1}).stop_step < said.stop_step


def journal(tmp_path, *lines):
    path = tmp_path / FILE_NAME
    path.write_bytes(b"".join(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in lines))
    return path


def entry(kind, **record):
    return {"kind": kind, "record": record}


def test_damaged_lines_are_noted_with_their_place(tmp_path):
    path = journal(
        tmp_path,
        entry("start", config={"patience": 3, "from_the_future": 1}),
        entry("observation", step=0, val={"loss": 1.0}),
        b'{"kind": "observation", "rec\n',
        entry("observation", step="x"),
        entry("observation", step=10**30, val={"loss": 1.0}),
        entry("start", config=3),
        entry("facts", colour="red"),
        entry("observation", step=1, val={"loss": "NaN"}),
        b'{"kind": "observation", "record": {"step": 2, "val": {"loss": 0.',
    )
    (run,) = JournalReader().read([path], tmp_path)
    assert [observation.step for observation in run.observations] == [0, 1]
    assert run.settings == {"patience": 3}
    assert run.notes == (
        "line 3 is cut off or damaged: left out.",
        "line 4 holds no observation that this version knows (ValidationError): left out.",
        "line 5 holds no observation that this version knows (TypeError): left out.",
        "3 more line(s) left out.",
    )


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "the file is empty"), (b"\0\1", "line 1 is cut off or damaged")]
)
def test_a_journal_of_nothing_is_refused(tmp_path, content, message):
    path = journal(tmp_path, content)
    with pytest.raises(UnreadableError, match=f"{FILE_NAME}: .*{message}"):
        list(JournalReader().read([path], tmp_path))


def test_a_journal_pairs_its_metrics_itself(tmp_path):
    path = journal(tmp_path, entry("observation", step=0, val={"loss": 1.0}))
    with pytest.raises(UnreadableError, match="use --metric"):
        list(JournalReader(Names(val="loss")).read([path], tmp_path))


def said(tmp_path, *lines):
    (run,) = JournalReader().read([journal(tmp_path, *lines)], tmp_path)
    return run


def told(step, value=1.0, **more):
    return entry("observation", step=step, val={"loss": value}) | more


def alert(id="overfitting"):
    return entry("alert", id=id, severity="error", message="it rises")


def stop(step):
    return entry("stop", rule="patience", step=step, value=1.0, message="enough")


def test_what_was_said_live_comes_with_the_run(tmp_path):
    watch(tmp_path, range(60))
    (run,), _ = read_runs([tmp_path])
    (raised,) = run.recorded.alerts
    assert (raised.id, raised.step) == ("overfitting", diagnose_run(run, {}).alarm_step)
    assert run.recorded.stop.step == diagnose_run(run, {}).stop_step
    assert sorted(run.recorded.times) == list(range(60))
    times = [run.recorded.times[step] for step in range(60)]
    assert times == sorted(times)


@pytest.mark.parametrize(
    ("lines", "alerts", "stopped", "applied"),
    [
        ([told(0), alert(), told(1), stop(1)], [0], 1, []),
        (
            [told(0), told(1), alert(), stop(1), told(1)],
            [],
            None,
            [],
        ),  # a step that goes back takes what was said along
        ([told(0), alert(), told(1), stop(1), entry("resume", observations=1)], [0], None, []),
        ([told(0), told(1), alert(), entry("resume", observations=0)], [], None, []),
        ([told(0), entry("applied", id="dropout", step=0), told(1), entry("resume", observations=0)], [], None, []),
        ([entry("applied", id="dropout"), told(0), entry("resume", observations=0)], [], None, ["dropout"]),
        ([told(0), *[entry("applied", id="a", step=0, undone_step=n) for n in (None, 3)]], [], None, ["a"]),
        ([alert(), told(5), alert("plateau")], [0, 5], None, []),
    ],
)
def test_what_was_said_before_the_run_was_taken_up_again(lines, alerts, stopped, applied, tmp_path):
    recorded = said(tmp_path, *lines).recorded
    assert [each.step for each in recorded.alerts] == alerts
    assert (None if recorded.stop is None else recorded.stop.step) == stopped
    assert [change.id for change in recorded.applied] == applied


@pytest.mark.parametrize("line", [entry("alert", id="x"), entry("stop"), entry("examples", step="x"), entry("applied")])
def test_what_nobody_can_have_said_is_left_out(line, tmp_path):
    run = said(tmp_path, told(0), line)
    assert (run.recorded.alerts, run.recorded.stop, run.recorded.applied, run.recorded.examples) == ((), None, (), None)
    assert "line 2 holds no" in run.notes[0]


@pytest.mark.parametrize("time", [None, "x", True, -1, 1e300, float("nan"), float("inf"), [1], 253_402_300_800])
def test_a_time_that_is_none_is_not_told(time, tmp_path):
    recorded = said(tmp_path, told(0, time=1.5e9), told(1, time=time), told(2)).recorded
    assert set(recorded.times) - {1} == {0}
    assert recorded.times.get(1, 0.0) in (0.0, 1.0)


def test_a_step_that_comes_again_without_a_time_has_none(tmp_path):
    recorded = said(tmp_path, told(0, time=5.0), told(1, time=6.0), told(1), told(2, time=8.0)).recorded
    assert recorded.times == {0: 5.0, 2: 8.0}
