"""`model.fit` with the callback: alarm, stop, weights, journal; several fits; names; faults."""

# ruff: noqa: E402 - Keras may not be there, and the integration imports it

import json

import numpy as np
import pytest

keras = pytest.importorskip("keras")
pytest.importorskip("tensorflow")

from overfit_monitor import Facts, Monitor, MonitorWarning, UsageError
from overfit_monitor_keras import OverfitMonitor


class Rates:
    """A sink that keeps what was logged."""

    def __init__(self):
        self.observations = []

    def write(self, report):
        self.observations.append(report.observation)

    def close(self):
        raise AssertionError("a monitor of the user's own is left open")


class Add(keras.callbacks.Callback):
    """Adds a value to the logs of every epoch from ``since`` on."""

    def __init__(self, name, value, *, since=0):
        super().__init__()
        self.name, self.value, self.since = name, value, since

    def on_epoch_end(self, epoch, logs=None):
        if epoch >= self.since:
            logs[self.name] = self.value


def journal(folder):
    return [json.loads(line) for line in (folder / "overfit-monitor.jsonl").read_text().splitlines()]


def test_an_overfitting_fit(build, data, tmp_path):
    model, callback = build(), OverfitMonitor(patience=40, run_dir=tmp_path, strict=True)
    history = model.fit(**data, epochs=200, callbacks=[callback]).history
    losses = history["val_loss"]
    best = int(np.argmin(losses))
    assert callback.diagnosis.verdict == "overfitting"
    assert best < callback.diagnosis.alarm_step < callback.stopped_epoch
    assert callback.stopped_epoch == len(losses) - 1 == best + 40
    assert callback.best_step == callback.restored_step == best
    assert model.evaluate(*data["validation_data"], verbose=0)[0] == pytest.approx(losses[best], rel=1e-5)
    entries = journal(tmp_path)
    logged = [entry["record"] for entry in entries if entry["kind"] == "observation"]
    assert [record["val"]["loss"] for record in logged] == losses
    assert [record["train"]["accuracy"] for record in logged] == history["accuracy"]
    assert [record["learning_rate"] for record in logged] == pytest.approx([0.02] * len(losses))
    assert {"alert", "stop", "facts"} <= {entry["kind"] for entry in entries}


def test_without_patience_it_stops_on_evidence(build, data):
    model, callback = build(), OverfitMonitor(strict=True)
    losses = model.fit(**data, epochs=200, callbacks=[callback]).history["val_loss"]
    assert 0 < callback.stopped_epoch == callback.diagnosis.stop_step == len(losses) - 1 < 100
    assert callback.restored_step == int(np.argmin(losses))
    assert model.evaluate(*data["validation_data"], verbose=0)[0] == pytest.approx(min(losses), rel=1e-5)


def test_without_restoring_the_last_weights_stay(build, data):
    model, callback = build(), OverfitMonitor(patience=3, restore_best_weights=False)
    losses = model.fit(**data, epochs=200, callbacks=[callback]).history["val_loss"]
    assert callback.restored_step is None
    assert model.evaluate(*data["validation_data"], verbose=0)[0] == pytest.approx(losses[-1], rel=1e-5)
    assert callback.core.facts.early_stopping is False


def test_every_fit_starts_afresh(build, data, tmp_path):
    callback, once = OverfitMonitor(patience=2, run_dir=tmp_path), OverfitMonitor(patience=2)
    build().fit(**data, epochs=50, callbacks=[once])
    seen = []
    for _ in range(3):
        build().fit(**data, epochs=50, callbacks=[callback])
        seen.append((callback.stopped_epoch, callback.best_step, callback.restored_step))
    assert seen == [(once.stopped_epoch, once.best_step, once.restored_step)] * 3
    written = [[entry["kind"] for entry in journal(tmp_path / folder)] for folder in (".", "fit-2", "fit-3")]
    # Whether there is time for the losses of examples depends on how busy the machine is.
    kinds = [[kind for kind in each if kind != "examples"] for each in written]
    assert kinds[0] == kinds[1] == kinds[2]


def test_epochs_without_validation_are_normal(build, data):
    callback = OverfitMonitor(patience=2, strict=True)
    history = build().fit(**data, epochs=60, validation_freq=3, callbacks=[callback]).history["val_loss"]
    assert callback.best_step == 3 * int(np.argmin(history)) + 2
    assert callback.restored_step == callback.best_step
    assert callback.stopped_epoch == callback.best_step + 2 * 3


def test_direction_as_the_compiled_metric_has_it(build, data):
    """The name "right" tells nothing, the metric object does."""
    right = keras.metrics.SparseCategoricalAccuracy(name="right")
    callback = OverfitMonitor("val_right", patience=3, strict=True)
    history = build(metrics=[right]).fit(**data, epochs=60, callbacks=[callback]).history["val_right"]
    assert callback.core.diagnosis.metrics.mode == "max"
    assert callback.restored_step == int(np.argmax(history))


def test_unknown_name_is_said_once_and_training_goes_on(build, data):
    callback = OverfitMonitor("val_los")
    with pytest.warns(MonitorWarning) as caught:
        history = build().fit(**data, epochs=4, callbacks=[callback]).history
    assert len(history["loss"]) == 4
    (message,) = [str(one.message) for one in caught if one.category is MonitorWarning]
    assert "'val_los'" in message
    assert "Did you mean 'val_loss'" in message
    assert "'val_accuracy', 'val_loss'" in message


def test_unknown_name_with_strict(build, data):
    with pytest.raises(UsageError, match="Did you mean 'val_loss'"):
        build().fit(**data, epochs=4, callbacks=[OverfitMonitor("val_los", strict=True)])


def test_a_metric_that_comes_later_is_judged_then(build, data):
    callback = OverfitMonitor("val_f1", mode="max")
    with pytest.warns(MonitorWarning, match="val_f1"):
        build().fit(**data, epochs=5, callbacks=[Add("val_f1", 0.5, since=2), callback])
    assert callback.best_step == callback.restored_step == 2


def test_no_validation_data_is_said_once(build, data):
    without = {name: value for name, value in data.items() if name != "validation_data"}
    callback = OverfitMonitor()
    with pytest.warns(MonitorWarning, match="validation_data") as caught:
        build().fit(**without, epochs=3, callbacks=[callback])
    assert len(caught) == 1
    assert callback.diagnosis.verdict == "inconclusive"
    with pytest.raises(UsageError, match="validation_data"):
        build().fit(**without, epochs=3, callbacks=[OverfitMonitor(strict=True)])


def test_arrays_among_the_logs_are_left_out(build, data):
    callback = OverfitMonitor(strict=True)
    build().fit(**data, epochs=2, callbacks=[Add("val_f1", np.zeros(3)), callback])
    assert callback.diagnosis.metrics.val == "loss"


def test_a_metric_that_is_no_number_costs_one_warning(build, data):
    vector = Add("val_f1", np.zeros(3))
    with pytest.warns(MonitorWarning, match="f1") as caught:
        history = build().fit(**data, epochs=4, callbacks=[vector, OverfitMonitor("val_f1", mode="max")]).history
    assert len(history["loss"]) == 4
    assert len(caught) == 1
    with pytest.raises(UsageError, match="f1"):
        build().fit(**data, epochs=4, callbacks=[vector, OverfitMonitor("val_f1", mode="max", strict=True)])


def test_a_run_dir_that_is_a_file_costs_the_journal_only(build, data, tmp_path):
    (tmp_path / "taken").write_text("")
    callback = OverfitMonitor(patience=2, run_dir=tmp_path / "taken")
    with pytest.warns(MonitorWarning, match="journal is off") as caught:
        build().fit(**data, epochs=50, callbacks=[callback])
    assert len(caught) == 1
    assert callback.stopped_epoch > 0
    assert callback.restored_step == callback.best_step


def test_a_fault_in_reading_the_model_costs_the_facts_only(build, data, monkeypatch):
    import overfit_monitor_keras.session as session

    monkeypatch.setattr(session, "read_facts", lambda *_, **__: 1 / 0)
    callback = OverfitMonitor(patience=2)
    with pytest.warns(MonitorWarning, match="facts is off") as caught:
        build().fit(**data, epochs=50, callbacks=[callback])
    assert len(caught) == 1
    assert callback.restored_step == callback.best_step


@pytest.mark.parametrize("place", ["before", "after"])
def test_the_learning_rate_in_force_is_logged(build, data, place):
    """Lowered at the ends of epochs 1 and 2, so in force from epochs 2 and 3 on."""
    core = Monitor(sinks={"rates": (sink := Rates())})
    callback = OverfitMonitor(core=core)
    lower = keras.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=100)
    callbacks = [lower, callback] if place == "before" else [callback, lower]
    build().fit(**data, epochs=4, callbacks=callbacks)
    assert [o.learning_rate for o in sink.observations] == pytest.approx([0.02, 0.02, 0.01, 0.005])
    assert "learning_rate" not in sink.observations[0].train


def test_the_learning_rate_of_a_schedule_is_logged(build, data):
    """Two batches an epoch, halved every epoch, read at the end of it."""
    schedule = keras.optimizers.schedules.ExponentialDecay(0.02, decay_steps=2, decay_rate=0.5)
    callback = OverfitMonitor(core=Monitor(sinks={"rates": (sink := Rates())}))
    build(keras.optimizers.Adam(schedule)).fit(**data, epochs=3, callbacks=[callback])
    assert [o.learning_rate for o in sink.observations] == pytest.approx([0.01, 0.005, 0.0025])


def test_a_monitor_of_your_own_decides_and_keeps_its_facts(build, data):
    facts = Facts(framework="keras", applied=("dropout",))
    core = Monitor(metric="accuracy", patience=2, facts=facts)
    callback = OverfitMonitor(core=core)
    for _ in range(2):
        history = build().fit(**data, epochs=60, callbacks=[callback]).history["val_accuracy"]
        assert callback.restored_step == core.best_step == int(np.argmax(history))
        assert callback.stopped_epoch == core.best_step + 2
    assert core.facts.model_copy(update={"unmeasured": ()}) == facts


def test_a_run_that_goes_on_says_when_the_best_weights_were_before_it(build, data, tmp_path):
    with Monitor(tmp_path) as earlier:
        for step, value in enumerate([0.5, 0.001, 0.3]):
            earlier.log(step=step, train={"loss": 0.5}, val={"loss": value})
    callback = OverfitMonitor(run_dir=tmp_path, patience=1000)
    with pytest.warns(MonitorWarning, match="best step 1 was before this fit"):
        build().fit(**data, initial_epoch=3, epochs=6, callbacks=[callback])
    assert callback.restored_step is None


@pytest.mark.parametrize("verbose", [0, 1])
def test_verbose_says_what_was_done(build, data, capsys, verbose):
    callback = OverfitMonitor(patience=2, verbose=verbose)
    build().fit(**data, epochs=60, callbacks=[callback])
    lines = capsys.readouterr().out.splitlines()
    expected = [
        f"overfit-monitor: epoch {callback.stopped_epoch}: training is stopped.",
        f"overfit-monitor: the weights of epoch {callback.restored_step} are restored, "
        "its validation value was the best.",
    ]
    assert lines == (expected if verbose else [])


def test_no_hook_runs_for_every_batch():
    for hook in ("on_batch_end", "on_train_batch_begin", "on_train_batch_end", "on_test_batch_end"):
        assert getattr(OverfitMonitor, hook) is getattr(keras.callbacks.Callback, hook)
