"""The time budget keeps its share, by the given times alone."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overfit_monitor import UsageError
from overfit_monitor.budget import FIRST_SECONDS, Budget, Measuring

SIZE, SMALLEST = 1024, 128


def budget(share=0.02, **given):
    return Budget(share, **({"size": SIZE, "smallest": SMALLEST} | given))


class Clock:
    """Time passes only when told."""

    now = 0.0

    def __call__(self):
        return self.now


def run(epochs, *, each, fixed=0.0, share=0.02):
    """Measure in batches of 64, as an integration does; return the budget and the examples at each evaluation."""
    kept, sizes = budget(share), []
    for seconds in epochs:
        kept.trained(seconds)
        sizes.append(measure(kept, each, fixed) if kept.due else 0)
    return kept, sizes


def measure(kept, each, fixed):
    clock = Clock()
    measuring = Measuring(kept, clock)
    clock.now += fixed
    if not kept.known and kept.share is not None:
        with measuring.once():
            clock.now += 8 * each
        kept.guess(each)
    while measuring.wanted and measuring.fits(64):
        with measuring.evaluating(64):
            clock.now += 64 * each
    measuring.end()
    return measuring.examples


def test_a_measurement_has_its_time_in_parts():
    kept, clock = budget(), Clock()
    kept.trained(10.0)
    measuring = Measuring(kept, clock)  # 0.18 s
    clock.now = 0.01
    with measuring.once():
        clock.now = 0.03
    with measuring.evaluating(100):
        clock.now = 0.09
    assert not measuring.over
    assert measuring.fits(100)  # at 0.15 s
    assert not measuring.fits(160)  # at 0.186 s
    assert not Measuring(kept, clock).over
    clock.now = 0.2
    assert measuring.over
    measuring.end()
    assert kept.spending().seconds == pytest.approx(0.2)
    assert kept.expected(0) == pytest.approx(0.12)  # neither of the two
    assert kept.expected(100) == pytest.approx(0.18)


def test_a_measurement_that_fails_is_charged_without_its_part():
    kept, clock = budget(), Clock()
    kept.trained(10.0)
    measuring = Measuring(kept, clock)
    with pytest.raises(MemoryError), measuring.evaluating(100):
        clock.now = 0.1
        raise MemoryError
    measuring.end()
    assert (kept.spending().seconds, kept.spending().measurements, kept.known) == (0.1, 0, False)


@pytest.mark.parametrize(
    ("each", "fixed", "size", "interval"),
    [  # 10 s of training allow 0.18 s at each evaluation
        (0.0001, 0.0, 1024, 1),  # 0.10 s
        (0.0003, 0.0, 512, 1),  # 0.31 s, so 0.15 s
        (0.001, 0.0, 128, 1),  # 1.02 s, so 0.128 s
        (0.001, 0.1, 128, 2),  # 0.228 s at the smallest
        (0.01, 0.0, 128, 8),  # 1.28 s at the smallest
        (0.0002, 0.15, 512, 2),  # 0.25 s, of which fewer examples would save less than half
        (0.00001, 0.6, 1024, 4),  # 0.61 s, almost all of it for any number
    ],
)
def test_size_and_interval_that_are_settled(each, fixed, size, interval):
    kept, sizes = run([10.0] * 400, each=each, fixed=fixed)
    spending = kept.spending()
    assert (spending.size, spending.interval) == (size, interval)
    assert spending.share <= 0.02
    assert set(sizes[-50:]) <= {0, size}
    assert sizes[-50:].count(size) >= 50 // interval


def test_without_a_limit_everything_is_measured():
    kept, sizes = run([0.0] * 5, each=10.0, share=None)
    assert sizes == [SIZE] * 5
    assert kept.spending().interval == 1


def test_nothing_is_begun_for_less_than_a_millisecond():
    kept = budget()
    kept.trained(0.99 * FIRST_SECONDS / 0.018)
    assert not kept.due
    kept.trained(0.02 * FIRST_SECONDS / 0.018)
    assert kept.due


def test_what_was_overspent_is_saved_again():
    kept = budget()
    kept.trained(10.0)
    kept.spent(1.0, examples=128, evaluating=0.15, once=0.85)  # 0.82 s too much, and 0.15 s each time
    for evaluation in range(6):
        kept.trained(10.0)
        assert kept.due is (evaluation == 5)  # 1.26 s allowed, 1.0 s spent


def test_what_is_needed_once_does_not_count_for_the_size():
    kept = budget()
    kept.trained(100.0)
    kept.spent(1.9, examples=1024, evaluating=0.1, once=1.8)
    assert kept.spending().size == 1024
    assert kept.expected(1024) == pytest.approx(0.1)


def test_a_trial_is_forgotten_with_the_first_measurement():
    kept = budget()
    kept.trained(10.0)
    kept.guess(99.0)
    assert kept.expected(1) == 99.0
    kept.spent(0.1, examples=100, evaluating=0.1)
    assert kept.expected(1) == pytest.approx(0.001)


def test_a_trial_alone_is_charged():
    kept = budget()
    kept.trained(10.0)
    kept.guess(0.01)
    kept.spent(0.5)
    spending = kept.spending()
    assert (spending.seconds, spending.measurements, spending.size) == (0.5, 0, SMALLEST)


def test_the_size_grows_where_there_is_time():
    kept, sizes = run([1.0] * 5 + [100.0] * 20, each=0.001)
    assert sizes[4] < SIZE
    assert sizes[-1] == SIZE
    assert kept.spending().share <= 0.02


def test_one_slow_measurement_does_not_change_the_size():
    kept, sizes = run([10.0] * 5, each=0.0001)
    assert sizes == [SIZE] * 5
    kept.trained(10.0)
    kept.spent(5.0, examples=SIZE, evaluating=5.0)
    assert kept.spending().size == SIZE


def test_one_long_pause_does_not_change_the_size():
    kept, _ = run([10.0] * 5, each=0.001)
    before = kept.spending().size
    kept.trained(10_000.0)
    measure(kept, 0.001, 0.0)
    assert kept.spending().size == before


def test_a_clock_that_goes_back_counts_as_nothing():
    kept = budget()
    kept.trained(-5.0)
    kept.spent(-5.0, examples=10, evaluating=-5.0)
    assert (kept.spending().training_seconds, kept.spending().seconds, kept.spending().share) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("share", "size", "smallest"),
    [(0.0, 10, 1), (-0.1, 10, 1), (1.1, 10, 1), (float("nan"), 10, 1), (0.1, 0, 1), (0.1, 10, 0)],
)
def test_what_cannot_be_right(share, size, smallest):
    with pytest.raises(UsageError):
        Budget(share, size=size, smallest=smallest)


def test_fewer_examples_than_were_wanted_are_planned_for():
    kept, _ = run([10.0] * 3, each=0.0001)
    kept.at_most(60)
    assert (kept.size, kept.smallest, kept.spending().size) == (60, 60, 60)
    kept.at_most(1000)
    assert kept.size == 60


def test_an_evaluation_that_is_left_out_is_charged_too():
    kept = budget()
    kept.trained(10.0)
    kept.idle(0.05)
    assert (kept.spending().seconds, kept.spending().measurements) == (0.05, 0)
    assert kept.allowance == pytest.approx(0.13)


def test_a_small_set_is_its_own_smallest_size():
    assert Budget(0.02, size=40, smallest=128).smallest == 40


@given(
    epochs=st.lists(st.floats(0.01, 100.0), min_size=1, max_size=60),
    each=st.floats(1e-7, 1e-2),
    fixed=st.floats(0.0, 0.05),
    share=st.floats(0.001, 1.0),
)
def test_no_more_is_overspent_than_one_measurement_was_underrated(epochs, each, fixed, share):
    """With steady times only the first look is a guess: a fixed time and eight examples."""
    kept, sizes = run(epochs, each=each, fixed=fixed, share=share)
    spending = kept.spending()
    assert spending.seconds <= share * spending.training_seconds + fixed + 8 * each + 1e-9
    assert all(size <= SIZE for size in sizes)


@given(
    epochs=st.lists(st.floats(0.01, 100.0), min_size=2, max_size=40),
    each=st.floats(1e-6, 1e-2),
    cut=st.integers(1, 39),
)
def test_the_same_times_give_the_same_plan_also_after_a_restart(epochs, each, cut):
    whole, sizes = run(epochs, each=each)
    first, begun = run(epochs[:cut], each=each)
    second = budget()
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    for seconds in epochs[cut:]:
        second.trained(seconds)
        begun.append(measure(second, each, 0.0) if second.due else 0)
    assert begun == sizes
    assert second.state_dict() == whole.state_dict()


def test_a_state_of_another_size_is_brought_within_bounds():
    kept, _ = run([10.0], each=1e-6)
    other = Budget(0.02, size=40, smallest=10)
    other.load_state_dict(kept.state_dict())
    assert other.spending().size == 40
