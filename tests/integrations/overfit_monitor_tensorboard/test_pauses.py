"""What the wall times of a curve tell about a training that stood still."""

import numpy as np
import pytest

from overfit_monitor.view.series import Curve
from overfit_monitor_tensorboard.pauses import pauses

EVEN = [10.0 * i for i in range(20)]


def curve(times, steps=None):
    return Curve.of([(step, 0.5) for step in steps or range(len(times))], times)


@pytest.mark.parametrize(
    "times",
    [
        EVEN,
        EVEN[:10] + [at + 180 for at in EVEN[10:]],  # 19 evaluations long
        [at / 1000 for at in EVEN[:10]] + [at / 1000 + 59 for at in EVEN[10:]],  # long, but below a minute
        [0.0] * 20,
        [0.0, 1e6],
        [],
        [float("nan")] * 20,
    ],
)
def test_no_pause(times):
    assert pauses(curve(times)) == []


def test_a_pause_is_told_with_its_steps():
    (note,) = pauses(curve(EVEN[:10] + [at + 7200 for at in EVEN[10:]]))
    assert note.startswith("Between steps 9 and 10 2 h passed, 10 s a step is usual: the training stood still, or was")


def test_of_several_the_longest_is_told():
    times = EVEN[:5] + [at + 600 for at in EVEN[5:12]] + [at + 4200 for at in EVEN[12:]]
    (note,) = pauses(curve(times))
    assert note.startswith("Between steps 11 and 12 1 h passed, 10 s a step is usual (and 1 shorter)")


def test_a_sample_with_steps_far_apart_is_no_pause():
    steps = [2**i for i in range(20)]
    assert pauses(curve([10.0 * step for step in steps], steps)) == []


def test_without_wall_times_nothing_is_said():
    assert pauses(Curve(np.arange(20), np.zeros(20))) == []
