"""The two ways in which a run fails a test; both are assertions."""


class OverfittingError(AssertionError):
    """A run is at or above what makes it fail."""


class CouldNotJudgeError(AssertionError):
    """Nothing could be said about a run; that is no pass."""
