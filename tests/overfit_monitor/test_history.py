"""History: order, rewinding, bounded memory."""

import json

import pytest

from overfit_monitor.history import Evaluation, History


def filled(n, capacity=1000):
    history = History(capacity=capacity)
    for step in range(n):
        history.append(Evaluation(step, step / 10, step / 20 if step % 2 else None, 0.1 if step % 3 else None))
    return history


def test_it_gives_back_what_was_put_in():
    assert list(filled(3)) == [
        Evaluation(0, 0.0, None, None),
        Evaluation(1, 0.1, 0.05, 0.1),
        Evaluation(2, 0.2, None, 0.1),
    ]


@pytest.mark.parametrize(("step", "dropped", "last"), [(5, 5, 4), (0, 10, None), (99, 0, 9), (-3, 10, None)])
def test_rewind(step, dropped, last):
    history = filled(10)
    assert (history.rewind(step), history.last_step) == (dropped, last)


def test_memory_is_bounded_and_the_ends_are_kept():
    history = filled(100_000, capacity=1000)
    assert len(history) < 1000
    assert history.thinned
    assert (history[0].step, history.last_step) == (0, 99_999)
    steps = [evaluation.step for evaluation in history]
    assert steps == sorted(set(steps))


def test_state_goes_through_json():
    history, copy = filled(10), History()
    copy.load_state_dict(json.loads(json.dumps(history.state_dict())))
    assert list(copy) == list(history)
