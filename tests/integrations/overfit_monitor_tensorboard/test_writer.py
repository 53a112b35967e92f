"""What the sink writes, read back by TensorBoard's own loaders and by ours."""

import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from overfit_monitor import Monitor
from overfit_monitor.records import AppliedChange, Diagnosis, Finding, MetricChoice, Observation, Report, StopDecision
from overfit_monitor_tensorboard import alerts
from overfit_monitor_tensorboard.alerts import AlertState, decode, encode
from overfit_monitor_tensorboard.events import EventReader, event_files, read_folder
from overfit_monitor_tensorboard.writer import event_sink

CURVES = {"overfit/train", "overfit/val", "overfit/gap", "overfit/best_so_far", "overfit/alert_level"}


def watch(run_dir, train, val, *, first=0, **settings):
    """Log the curves as a training loop does and return the diagnosis."""
    with Monitor(run_dir, sinks={"tensorboard": event_sink(run_dir)}, strict=True, **settings) as monitor:
        for step, (a, b) in enumerate(zip(train, val, strict=True), start=first):
            monitor.log(step=step, train={"loss": a}, val={"loss": b})
        return monitor.diagnosis


def report(step, *, raised=(), val=0.5, stop=None):
    return Report(
        observation=Observation(step=step, train={"loss": 0.4}, val={} if val is None else {"loss": val}),
        diagnosis=Diagnosis(verdict="healthy", step=step, metrics=MetricChoice(train="loss", val="loss")),
        alerts=tuple(Finding(id=id, severity="warning", message=f"{id} at {step}", alarm_step=step) for id in raised),
        stop=stop,
    )


def written(run_dir):
    return read_folder(event_files(run_dir / "overfit-monitor"))


def test_curves_as_tensorboard_reads_them(logs, tmp_path):
    watch(tmp_path, logs.falling, logs.turning)
    folder = EventAccumulator(str(tmp_path / "overfit-monitor"), size_guidance={"scalars": 0, "tensors": 0}).Reload()
    assert set(folder.Tags()["scalars"]) == CURVES
    values = {tag: [event.value for event in folder.Scalars(tag)] for tag in CURVES}
    best = np.minimum.accumulate(logs.turning)
    assert values["overfit/train"] == pytest.approx(logs.falling)
    assert values["overfit/val"] == pytest.approx(logs.turning)
    assert values["overfit/gap"] == pytest.approx(np.subtract(logs.turning, logs.falling), abs=1e-6)
    assert values["overfit/best_so_far"] == pytest.approx(best)
    assert values["overfit/alert_level"][0] == 0.0
    assert values["overfit/alert_level"][-1] == 3.0


def test_alerts_as_tensorboard_reads_them(logs, tmp_path):
    diagnosis = watch(tmp_path, logs.falling, logs.turning)
    folder = EventAccumulator(str(tmp_path / "overfit-monitor"), size_guidance={"tensors": 0}).Reload()
    records = folder.Tensors("overfit/alerts")
    assert [record.step for record in records] == list(range(len(records)))
    metadata = folder.SummaryMetadata("overfit/alerts")
    assert metadata.plugin_data.plugin_name == "overfit_monitor"
    assert json.loads(metadata.plugin_data.content) == {"version": 1}
    state = decode(records[-1].tensor_proto.string_val[0])
    assert state.verdict == diagnosis.verdict == "overfitting"
    assert "overfitting" in [alert.id for alert in state.alerts]
    assert state.metrics == diagnosis.metrics
    assert state.recommendations == diagnosis.recommendations
    assert folder.SummaryMetadata("overfit/summary").plugin_data.plugin_name == "text"
    assert b"`overfitting`" in folder.Tensors("overfit/summary")[-1].tensor_proto.string_val[0]


def test_the_users_folder_is_left_alone(logs, tmp_path):
    watch(tmp_path, logs.falling, logs.level)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["overfit-monitor", "overfit-monitor.jsonl"]


def test_nothing_is_written_before_there_is_something_to_write(tmp_path):
    event_sink(tmp_path).close()
    assert list(tmp_path.iterdir()) == []


def test_every_report_can_be_read_when_write_returns(tmp_path):
    sink = event_sink(tmp_path)
    for step in range(3):
        sink.write(report(step, raised=["plateau"]))
        assert [at for at, _ in written(tmp_path).curves["overfit/val"]] == list(range(step + 1))
        assert [alert.step for alert in written(tmp_path).state.alerts] == list(range(step + 1))
    sink.close()
    sink.close()


def test_only_the_newest_record_is_needed(tmp_path):
    sink = event_sink(tmp_path)
    for step in range(100):
        sink.write(report(step, raised=["plateau"]))
    sink.close()
    state = written(tmp_path).state
    assert [alert.step for alert in state.alerts] == list(range(100 - alerts.MOST_ALERTS, 100))
    assert state.dropped == 100 - alerts.MOST_ALERTS


def test_a_quiet_run_has_one_record_and_one_at_its_end(tmp_path):
    sink = event_sink(tmp_path)
    for step in range(50):
        sink.write(report(step))
    assert written(tmp_path).sequence == 0
    sink.close()
    assert (written(tmp_path).sequence, written(tmp_path).state.step) == (1, 49)


def test_train_without_validation_writes_train_only(tmp_path):
    sink = event_sink(tmp_path)
    sink.write(report(0, val=None))
    assert {tag: len(points) for tag, points in written(tmp_path).curves.items()} == {"overfit/train": 1}
    sink.close()


def test_values_that_are_not_finite_are_written_as_they_are(tmp_path):
    sink = event_sink(tmp_path)
    for step, value in enumerate([math.nan, math.inf, 1e300]):
        sink.write(report(step, val=value))
    sink.close()
    values = [value for _, value in written(tmp_path).curves["overfit/val"]]
    assert math.isnan(values[0])
    assert values[1:] == [math.inf, math.inf]


def test_a_later_process_goes_on_with_sequence_and_alerts(tmp_path):
    for first in (0, 10):
        sink = event_sink(tmp_path)
        for step in range(first, first + 10):
            sink.write(report(step, raised=["plateau"] if step % 10 == 5 else []))
        sink.close()
    files = event_files(tmp_path / "overfit-monitor")
    assert len(files) == 2
    before, after = (read_folder([file]) for file in files)
    assert [alert.step for alert in after.state.alerts] == [5, 15]
    assert after.sequence > before.sequence
    folder = EventAccumulator(str(tmp_path / "overfit-monitor"), size_guidance={"tensors": 0}).Reload()
    sequence = [record.step for record in folder.Tensors("overfit/alerts")]
    assert sequence == sorted(set(sequence))


def test_a_run_taken_up_before_its_end_forgets_what_came_after(tmp_path):
    stop = StopDecision(rule="patience", step=8, value=1.0, message="enough")
    sink = event_sink(tmp_path)
    for step in range(10):
        sink.write(report(step, raised=["plateau"] if step in (3, 7) else [], stop=stop if step == 8 else None))
    assert written(tmp_path).state.stop == stop
    sink.close()
    sink = event_sink(tmp_path)
    sink.write(report(5))
    state = written(tmp_path).state
    assert ([alert.step for alert in state.alerts], state.stop) == ([3], None)
    sink.close()


def test_going_back_inside_one_process_forgets_too(tmp_path):
    sink = event_sink(tmp_path)
    for step in (0, 1, 2, 3):
        sink.write(report(step, raised=["plateau"]))
    sink.write(report(2))
    assert [alert.step for alert in written(tmp_path).state.alerts] == [0, 1]
    sink.close()


def test_train_logged_after_validation_at_the_same_step_is_no_restart(tmp_path):
    sink = event_sink(tmp_path)
    sink.write(report(0, raised=["plateau"]))
    sink.write(report(0, val=None))
    sink.write(report(1))
    assert [alert.step for alert in written(tmp_path).state.alerts] == [0]
    sink.close()


def test_a_damaged_file_of_an_earlier_process_is_no_obstacle(tmp_path):
    sink = event_sink(tmp_path)
    sink.write(report(0, raised=["plateau"]))
    sink.close()
    (file,) = event_files(tmp_path / "overfit-monitor")
    file.write_bytes(b"\xff" * 100)
    sink = event_sink(tmp_path)
    sink.write(report(1))
    sink.close()
    assert [at for at, _ in written(tmp_path).curves["overfit/val"]] == [1]


def test_the_sequence_goes_on_behind_records_of_a_newer_version(tmp_path, monkeypatch):
    monkeypatch.setattr(alerts, "encode", lambda _: b'{"version": 2}')
    sink = event_sink(tmp_path)
    sink.write(report(0))
    sink.close()
    last = written(tmp_path).sequence
    assert written(tmp_path).state is None
    monkeypatch.undo()
    sink = event_sink(tmp_path)
    sink.write(report(1))
    sink.close()
    assert (written(tmp_path).sequence > last, written(tmp_path).state.step) == (True, 1)


def test_a_new_file_sorts_behind_one_from_the_future(tmp_path):
    folder = tmp_path / "overfit-monitor"
    folder.mkdir()
    (folder / "events.out.tfevents.4000000000.host.1.0").touch()
    sink = event_sink(tmp_path)
    sink.write(report(0))
    sink.close()
    assert ".4000000001." in event_files(folder)[-1].name


def test_two_sinks_in_one_process_do_not_share_a_file(tmp_path):
    sinks = [event_sink(tmp_path) for _ in range(2)]
    for sink in sinks:
        sink.write(report(0))
        sink.close()
    assert len(event_files(tmp_path / "overfit-monitor")) == 2


def test_kill_9_loses_nothing_that_was_written(tmp_path):
    code = """
import os, pathlib, signal, sys
from overfit_monitor import Monitor
from overfit_monitor_tensorboard.writer import event_sink
run_dir = pathlib.Path(sys.argv[1])
monitor = Monitor(run_dir, sinks={"tensorboard": event_sink(run_dir)}, strict=True)
for step in range(25):
    monitor.log(step=step, train={"loss": 1.0}, val={"loss": 1.0})
os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=os.environ, check=False)
    assert killed.returncode == -9
    folder = written(tmp_path)
    assert [step for step, _ in folder.curves["overfit/val"]] == list(range(25))
    assert (folder.notes, folder.state.metrics.val) == ([], "loss")


def test_the_sink_never_imports_tensorflow(tmp_path):
    pytest.importorskip("tensorflow")
    code = """
import pathlib, sys
import overfit_monitor_tensorboard.writer as writer
from overfit_monitor import Monitor
run_dir = pathlib.Path(sys.argv[1])
with Monitor(run_dir, sinks={"tensorboard": writer.event_sink(run_dir)}, strict=True) as monitor:
    monitor.log(step=0, train={"loss": 1.0}, val={"loss": 1.0})
assert "tensorflow" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=os.environ, check=True)


def test_the_verdict_read_back_is_the_verdict_given_live(logs, tmp_path):
    live = {}
    for name, val in {"a": logs.turning, "b": logs.level, "c": logs.broken}.items():
        live[name] = watch(tmp_path / name, logs.falling, val)
    runs = EventReader().read(sorted(tmp_path.rglob("*tfevents*")), tmp_path)
    read = {run.name: Monitor(**run.settings).replay(run.observations) for run in runs}
    assert {name: (d.verdict, d.onset_step, d.alarm_step, d.best_step, d.stop_step) for name, d in read.items()} == {
        name: (d.verdict, d.onset_step, d.alarm_step, d.best_step, d.stop_step) for name, d in live.items()
    }
    assert [d.verdict for d in live.values()] == ["overfitting", "healthy", "diverging"]


def test_metric_and_mode_come_back(tmp_path):
    with Monitor(tmp_path, sinks={"t": event_sink(tmp_path)}, strict=True, metric="reward", mode="max") as monitor:
        for step in range(20):
            monitor.log(step=step, train={"reward": step}, val={"reward": step - 1.0})
    (run,) = EventReader().read(event_files(tmp_path / "overfit-monitor"), tmp_path)
    assert run.settings == {"metric": "reward", "mode": "max"}
    assert Monitor(**run.settings).replay(run.observations).best_step == 19
    assert written(tmp_path).curves["overfit/gap"][-1] == (19, 1.0)


def test_what_a_probe_measured_is_drawn(tmp_path):
    losses = np.arange(30.0)
    with Monitor(tmp_path, sinks={"t": event_sink(tmp_path)}, strict=True) as monitor:
        monitor.log(step=0, train={"loss": 20.0}, val_losses=losses, probe_losses=losses - 2.0)
        monitor.log(step=1, train={"loss": 20.0}, val={"loss": 1.0})
    curves = written(tmp_path).curves
    assert curves["overfit/like_for_like_gap"] == [(0, 2.0)]
    assert curves["overfit/train_probe"] == [(0, 12.5)]
    ((step, auc),) = curves["overfit/membership_auc"]
    assert (step, auc) == (0, pytest.approx(monitor.diagnosis.membership.auc))


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"[]", b"7", b"{}", b'{"version": 2}', b'{"version": 1, "alerts": 3}', b"[" * 100_000]
)
def test_a_payload_of_somebody_else_is_passed_over(content):
    assert decode(content) is None


def test_the_state_goes_through_json_unchanged():
    stop = StopDecision(rule="r", step=3, value=3.5, message="<b>ü</b>")
    finding = Finding(id="x", severity="error", message="m", evidence={"a": 1.5, "b": None, "c": "s", "d": True})
    state = AlertState(step=4, stop=stop).add(4, (finding,))
    assert decode(encode(state)) == state


def test_what_was_applied_is_a_text_at_its_step(tmp_path):
    sink = event_sink(tmp_path)
    change = AppliedChange(id="weight_decay", step=1, before={"weight_decay": 0.0}, after={"weight_decay": 0.5})
    sink.write(report(1))
    sink.write(report(2).model_copy(update={"applied": (change,)}))
    sink.write(report(3))
    sink.close()
    folder = EventAccumulator(str(tmp_path / "overfit-monitor"), size_guidance={"tensors": 0}).Reload()
    (text,) = folder.Tensors("overfit/applied")
    assert text.step == 2
    assert text.tensor_proto.string_val[0] == b"- weight_decay applied after step 1: weight_decay 0.0 -> 0.5"


def _state(alerts=0, **fields):
    from overfit_monitor_tensorboard.alerts import AlertState

    state = AlertState(step=9, verdict="overfitting", **fields)
    for step in range(alerts):
        state = state.add(step, (Finding(id="overfitting", severity="error", message="m" * 1500, alarm_step=step),))
    return state


def test_a_record_is_never_longer_than_64_kib():
    from overfit_monitor.example_tables import Example, ExampleTables
    from overfit_monitor.records import Recommendation
    from overfit_monitor_tensorboard.alerts import MOST_ALERTS, MOST_BYTES, decode, encode

    content = encode(_state(alerts=200))
    found = decode(content)
    assert len(content) <= MOST_BYTES
    assert 0 < len(found.alerts) < MOST_ALERTS
    assert len(found.alerts) + found.dropped == 200
    assert found.alerts[-1].step == 199  # the newest stay
    advice = Recommendation(id="x", title="t", why="w", change={}, code="c" * 30_000)
    worst = tuple(Example(split="val", index=i, name="n" * 9000, loss=1.0) for i in range(10))
    huge = _state(alerts=1, recommendations=(advice,) * 4, examples=ExampleTables(step=1, best_step=0, worst=worst))
    found = decode(encode(huge))
    assert (found.verdict, found.examples, len(found.recommendations), len(found.alerts)) == ("overfitting", None, 2, 1)
    message = Finding(id="overfitting", severity="error", message="m" * 100_000)
    found = decode(encode(_state().add(3, (message,))))
    assert (found.verdict, found.alerts, found.dropped) == ("overfitting", (), 1)


def test_changes_are_kept_once_and_undone_in_place():
    from overfit_monitor.records import AppliedChange

    change = AppliedChange(id="dropout", step=5, before={"p": 0.0}, after={"p": 0.2})
    state = _state().change((change,)).change((change.model_copy(update={"undone_step": 8}),))
    assert [(c.id, c.undone_step) for c in state.applied] == [("dropout", 8)]
    assert state.rewind(5).applied == ()
    assert len(state.rewind(6).applied) == 1


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"false_alarm_rate": 0.01, "patience": 3}, {"false_alarm_rate": 0.01, "patience": 3}),
        ({"metric": "loss", "mode": "min", "min_delta": 0.1}, {"min_delta": 0.1}),
        ({"of_a_later_version": 1}, {}),
        ({"false_alarm_rate": 7}, {}),
        ({"baseline": 0.3}, {}),
    ],
)
def test_settings_that_cannot_be_right_are_left_out(settings, expected):
    assert _state(settings=settings).replayed_with() == expected


def test_fields_of_a_later_release_do_no_harm():
    from overfit_monitor_tensorboard.alerts import decode

    assert decode(b'{"version": 1, "verdict": "healthy", "of_a_later_release": 1}').verdict == "healthy"
    assert decode(b'{"version": 2, "verdict": "healthy"}') is None


def test_long_names_of_examples_are_cut_in_the_record():
    from overfit_monitor.example_tables import Example, ExampleTables
    from overfit_monitor_tensorboard.alerts import markdown, shortened

    worst = (Example(split="val", index=0, name="n" * 5000, loss=2.5), Example(split="val", index=7, loss=1.0))
    tables = shortened(ExampleTables(step=1, best_step=0, worst=worst))
    assert [row.name and len(row.name) for row in tables.worst] == [200, None]
    text = markdown(_state(examples=tables))
    assert "- the highest validation losses at step 1:" in text
    assert "    - example 7: loss 1" in text


def test_losses_that_are_no_numbers_do_not_cost_the_record():
    from overfit_monitor.example_tables import ClassRow, Example, ExampleTables

    broken = Example(split="val", index=0, loss=math.nan, best_loss=0.5)
    tables = ExampleTables(step=1, best_step=0, worst=(broken,), classes=(ClassRow(label=0, n=1, loss=math.inf),))
    stop = StopDecision(rule="evidence", step=1, value=math.inf, message="m")
    found = decode(encode(_state(alerts=1, examples=tables, stop=stop)))
    assert math.isnan(found.examples.worst[0].loss)
    assert (found.examples.classes[0].loss, found.stop.value, len(found.alerts)) == (math.inf, math.inf, 1)
