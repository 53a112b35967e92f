"""A run that was interrupted anywhere and resumed from a checkpoint is the run that was not."""

import json
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overfit_monitor import Monitor
from overfit_monitor.journal import FILE_NAME, observations, read_journal
from overfit_monitor.readers.journal import JournalReader
from overfit_monitor.testing import curves

VALUE = st.floats(allow_nan=True, allow_infinity=True)
EVENT = st.one_of(
    st.fixed_dictionaries({"train": VALUE, "val": VALUE, "examples": st.booleans(), "rates": st.booleans()}),
    st.fixed_dictionaries({"train": VALUE}),
    st.fixed_dictionaries({"val": VALUE, "back": st.integers(1, 5)}),
)


def log(monitor, step, event):
    rng = np.random.default_rng(step + 100)
    examples = event.get("examples")
    monitor.log(
        step=step - event.get("back", 0),
        train={"loss": event["train"]} if "train" in event else None,
        val={"loss": event["val"]} if "val" in event else None,
        learning_rates=(0.1, 0.1 * (1 + step % 3)) if event.get("rates") else None,
        val_losses=rng.exponential(size=25) if examples else None,
        probe_losses=rng.exponential(size=25) if examples else None,
    )


def said(monitor):
    return repr((monitor.diagnosis, monitor.should_stop, monitor.best_step))


def replayed(folder, **settings):
    (run,) = JournalReader().read([folder / FILE_NAME], folder)
    return repr(Monitor(**settings).replay(run.observations))


@given(events=st.lists(EVENT, min_size=1, max_size=25), data=st.data(), patience=st.sampled_from([None, 2]))
def test_verdict_stop_and_journal(tmp_path_factory, events, data, patience):
    checkpoint = data.draw(st.integers(0, len(events)))
    crash = data.draw(st.integers(checkpoint, len(events)))
    folder, elsewhere = tmp_path_factory.mktemp("run"), tmp_path_factory.mktemp("other")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Monitor(run_dir=elsewhere, sinks={}, patience=patience) as whole:
            for step, event in enumerate(events):
                log(whole, step, event)
        state, interrupted = None, Monitor(run_dir=folder, sinks={}, patience=patience)
        for step, event in enumerate(events[:crash]):
            if step == checkpoint:
                state = json.dumps(interrupted.state_dict())
            log(interrupted, step, event)
        state = json.dumps(interrupted.state_dict()) if state is None else state
        with Monitor(run_dir=folder, sinks={}, patience=patience) as resumed:
            resumed.load_state_dict(json.loads(state))
            for step in range(checkpoint, len(events)):
                log(resumed, step, events[step])
    assert said(resumed) == said(whole)
    kept, expected = (repr(observations(read_journal(f / FILE_NAME))) for f in (folder, elsewhere))
    assert kept == expected
    assert replayed(folder, patience=patience) == replayed(elsewhere, patience=patience) == repr(whole.diagnosis)


def test_a_restart_after_the_checkpoint_leaves_what_was_written_before_it(tmp_path):
    with Monitor(run_dir=tmp_path, sinks={}) as monitor:
        for step in range(6):
            monitor.log(step=step, train={"loss": 1.0}, val={"loss": 1.0} if step % 2 else None)
        state = monitor.state_dict()
        monitor.log(step=3, val={"loss": 0.5})
    with Monitor(run_dir=tmp_path, sinks={}) as resumed:
        resumed.load_state_dict(json.loads(json.dumps(state)))
    assert [row.step for row in observations(read_journal(tmp_path / FILE_NAME))] == list(range(6))


def test_a_checkpoint_goes_into_the_journal_of_another_folder(tmp_path):
    curve, first, second = curves.overfit(60), tmp_path / "first", tmp_path / "second"
    with Monitor(run_dir=first, sinks={}) as monitor:
        for step in range(40):
            monitor.log(step=step, train={"loss": curve.train[step]}, val={"loss": curve.val[step]})
        state = monitor.state_dict()
    with Monitor(run_dir=second, sinks={}) as other:
        other.log(step=0, val={"loss": 9.0})
        other.load_state_dict(state)
        for step in range(40, 60):
            other.log(step=step, train={"loss": curve.train[step]}, val={"loss": curve.val[step]})
    assert replayed(second) == repr(other.diagnosis)
    assert [row.step for row in observations(read_journal(second / FILE_NAME))] == list(range(60))


@pytest.mark.parametrize("record", ["{}", '{"observations": -1}', '{"observations": "all"}', "[]"])
def test_a_resume_line_that_cannot_be_is_left_out_and_said(record, tmp_path):
    with Monitor(run_dir=tmp_path, sinks={}) as monitor:
        monitor.log(step=0, val={"loss": 1.0})
    with (tmp_path / FILE_NAME).open("a") as file:
        file.write(f'{{"kind": "resume", "record": {record}}}\n')
    (run,) = JournalReader().read([tmp_path / FILE_NAME], tmp_path)
    assert (len(run.observations), len(run.notes)) == (1, 1)
