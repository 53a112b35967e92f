"""How much time extra measurements may take, as a share of the time that training took."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final, NamedTuple, final

from overfit_monitor.errors import UsageError
from overfit_monitor.state import Stateful

# Nothing is worth being measured in less than a millisecond; below that the first look would be over budget at once.
FIRST_SECONDS: Final = 1e-3
# The size is doubled only where that takes at most this part of what comes in, so that it does not go back and forth.
_GROWTH: Final = 0.7
# A running measurement may take twice what was expected: stopping it would change its size for a passing disturbance.
_PATIENCE: Final = 2.0
# The size is doubled as well where all examples together take less than this part of the time that is the same anyway.
_FREE: Final = 1 / 3
# A tenth is kept back for what the clock of the measurements does not see, as the call that reads it.
_USED: Final = 0.9
_REMEMBERED: Final = 5


class Spending(NamedTuple):
    """What the extra measurements took so far.

    Attributes:
        size: Examples in a measurement as it is planned now.
        interval: Evaluations from one measurement to the next as it is planned now; 1 is every one.
        evaluations: Evaluations seen.
        measurements: Those at which something was measured.
        seconds: Time that the measurements took.
        training_seconds: Time that everything else took.
    """

    size: int
    interval: int
    evaluations: int
    measurements: int
    seconds: float
    training_seconds: float

    @property
    def share(self) -> float:
        """Time of the measurements over the time of everything else; 0 before there is any."""
        return self.seconds / self.training_seconds if self.training_seconds > 0 else 0.0


@dataclass(slots=True)
class _State:
    size: int
    evaluations: int = 0
    measurements: int = 0
    seconds: float = 0.0
    training_seconds: float = 0.0
    guessed: bool = False
    between: list[float] = field(default_factory=list)
    fixed: list[float] = field(default_factory=list)
    each: list[float] = field(default_factory=list)


@final
class Budget(Stateful):
    """Keeps the time of extra measurements below a share of the time of training.

    At every evaluation what may be spent grows by nine tenths of ``share`` of the time since the last one; the rest
    is for what its clock does not see. A measurement takes
    place when that covers what it is expected to take, a fixed time and a time for each example, both the
    medians of the last five measurements. If one measurement at each evaluation is too much, it is made smaller,
    by halves and down to ``smallest``; if that is still too much, evaluations are left out. What was overspent is
    saved afterwards. Only the given times decide, so that the same times give the same plan.

    Args:
        share: Time of the measurements over the time of everything else, above 0 and at most 1; None sets no limit.
        size: Examples that are wanted in a measurement, at least 1.
        smallest: Fewest examples in a measurement that evaluations are left out for, at least 1.

    Raises:
        UsageError: An argument cannot be right.

    Example:
        >>> budget = Budget(0.02, size=1024, smallest=128)
        >>> budget.trained(10.0)
        >>> round(budget.limit, 3), budget.due
        (0.18, True)
        >>> budget.spent(0.4, examples=1024, evaluating=0.4)
        >>> budget.spending().size, budget.due
        (256, False)
    """

    state: _State

    def __init__(self, share: float | None, *, size: int, smallest: int) -> None:
        if share is not None and not 0.0 < share <= 1.0:
            raise UsageError(f"budget must be a share above 0 and at most 1, or None for no limit, but got {share!r}.")
        if size < 1 or smallest < 1:
            raise UsageError(f"size and smallest must be at least 1 but got {size!r} and {smallest!r}.")
        self.share = share
        self.size = size
        self.smallest = min(smallest, size)
        self.state = _State(size=size)
        # What the planned size is expected to take, so that an evaluation that is left out costs next to nothing.
        self._expected = 0.0

    @property
    def known(self) -> bool:
        """Whether it is known what an example takes."""
        return bool(self.state.each)

    @property
    def each(self) -> float:
        """Seconds that one more example is expected to take, 0 before it is known."""
        return median(self.state.each) if self.known else 0.0

    @property
    def allowance(self) -> float:
        """Seconds that may be spent now; below 0 where too much was spent."""
        if self.share is None:
            return math.inf
        return _USED * self.share * self.state.training_seconds - self.state.seconds

    @property
    def limit(self) -> float:
        """Seconds after which a measurement that begins now has to end."""
        return max(self.allowance, _PATIENCE * self._expected) if self.known else self.allowance

    @property
    def due(self) -> bool:
        """Whether something may be measured at this evaluation."""
        return self.allowance >= (self._expected if self.known else FIRST_SECONDS)

    def expected(self, examples: int) -> float:
        """Return the seconds that a measurement of so many examples is expected to take, 0 before the first."""
        if not self.known:
            return 0.0
        return self._fixed + self.each * examples

    def trained(self, seconds: float) -> None:
        """Take in an evaluation.

        Args:
            seconds: Time since the last one without that of the measurements, at least 0.
        """
        state = self.state
        state.evaluations += 1
        state.training_seconds += max(0.0, seconds)
        _remember(state.between, max(0.0, seconds))

    def guess(self, each: float) -> None:
        """Take in what an example takes in a small trial; the first whole measurement replaces it.

        Args:
            each: Seconds for each example.
        """
        if not self.known:
            self.state.each, self.state.guessed = [max(0.0, each)], True
            self._expected = self.expected(self.state.size)

    def idle(self, seconds: float) -> None:
        """Take in the time that an evaluation at which nothing was measured took all the same."""
        self.state.seconds += max(0.0, seconds)

    def spent(self, seconds: float, *, examples: int = 0, evaluating: float = 0.0, once: float = 0.0) -> None:
        """Take in a measurement, and plan the next.

        Args:
            seconds: Time that it took in all.
            examples: Examples that it measured; 0 where it came to none.
            evaluating: Part of the time that grows with the number of examples.
            once: Part of the time that will not be needed again, as for loading examples that are kept.
        """
        state = self.state
        state.seconds += max(0.0, seconds)
        if examples:
            if state.guessed:
                state.fixed, state.each, state.guessed = [], [], False
            state.measurements += 1
            _remember(state.each, max(0.0, evaluating) / examples)
        if self.known:
            # Also where it came to nothing: else the next would be tried too early again.
            _remember(state.fixed, max(0.0, seconds - evaluating - once))
            self._settle()

    def at_most(self, examples: int) -> None:
        """Plan for so many examples at most, because there turned out to be no more; at least 1."""
        self.size, self.smallest = min(self.size, examples), min(self.smallest, examples)
        self.state.size = min(self.state.size, examples)
        self._expected = self.expected(self.state.size)

    def spending(self) -> Spending:
        """Return what was spent so far and what is planned."""
        state = self.state
        expected, comes_in = self.expected(state.size), self._comes_in()
        interval = 1 if expected <= comes_in else math.ceil(expected / comes_in) if comes_in > 0 else state.evaluations
        return Spending(
            size=state.size,
            interval=max(1, interval),
            evaluations=state.evaluations,
            measurements=state.measurements,
            seconds=state.seconds,
            training_seconds=state.training_seconds,
        )

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state that `state_dict` returned; the size stays within what is wanted here."""
        super().load_state_dict(state)
        self.state.size = max(self.smallest, min(self.size, self.state.size))
        self._expected = self.expected(self.state.size)

    @property
    def _fixed(self) -> float:
        return median(self.state.fixed) if self.state.fixed else 0.0

    def _comes_in(self) -> float:
        """Return the seconds that may be spent for each evaluation."""
        if self.share is None:
            return math.inf
        return _USED * self.share * median(self.state.between) if self.state.between else 0.0

    def _settle(self) -> None:
        state, comes_in, fixed, each = self.state, self._comes_in(), self._fixed, self.each
        # Fewer examples save little where most of the time is the same for any number.
        while state.size > self.smallest and fixed + each * state.size > comes_in and each * state.size > fixed:
            state.size = max(self.smallest, state.size // 2)
        while state.size < self.size and (
            fixed + 2 * each * state.size <= _GROWTH * comes_in or each * state.size < fixed * _FREE
        ):
            state.size = min(self.size, 2 * state.size)
        self._expected = fixed + each * state.size


@final
class Measuring:
    """The clock of one measurement, taken in parts of which the last one stays within the budget's limit.

    Args:
        budget: What allows it, and what it is charged to.
        clock: Returns seconds.

    Attributes:
        examples: Examples measured so far.
    """

    def __init__(self, budget: Budget, clock: Callable[[], float]) -> None:
        self.examples = 0
        self._budget = budget
        self._clock = clock
        self._limit = budget.limit
        self._evaluating = 0.0
        self._once = 0.0
        self._begin = clock()

    @property
    def over(self) -> bool:
        """Whether its time is over."""
        return self._clock() - self._begin >= self._limit

    @property
    def wanted(self) -> bool:
        """Whether more examples are wanted."""
        return self.examples < self._budget.state.size

    def fits(self, examples: int) -> bool:
        """Return whether so many examples more are wanted at once, and whether there is time for them."""
        if self.examples and self.examples + examples > self._budget.state.size:
            return False
        each = self._evaluating / self.examples if self.examples else self._budget.each
        return self._clock() - self._begin + each * examples <= self._limit

    @contextmanager
    def evaluating(self, examples: int) -> Iterator[None]:
        """Count the time of a part with so many examples."""
        begin = self._clock()
        yield
        self._evaluating += self._clock() - begin
        self.examples += examples

    @contextmanager
    def once(self) -> Iterator[None]:
        """Count time that will not be needed again."""
        begin = self._clock()
        yield
        self._once += self._clock() - begin

    def end(self) -> None:
        """Charge the time to the budget, also after an error."""
        seconds = self._clock() - self._begin
        self._budget.spent(seconds, examples=self.examples, evaluating=self._evaluating, once=self._once)


def _remember(values: list[float], value: float) -> None:
    values.append(value)
    del values[:-_REMEMBERED]
