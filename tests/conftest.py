"""What every test is held to."""

import logging
import os
import signal

import hypothesis
import pytest

from .chromium import chromium

# How long an example takes, or drawing one, says more of the machine than of the code.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
    # For networks as small as those of the tests more threads only wait for each other; also in child processes.
    os.environ.setdefault(name, "1")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's `&` and nohup have it ignored, by child processes too: whoever tests Ctrl-C would wait forever.
    signal.signal(signal.SIGINT, signal.default_int_handler)


class _Errors(logging.Handler):
    """Keeps what the package logs as an error."""

    def __init__(self):
        super().__init__(logging.ERROR)
        self.messages = []

    def emit(self, record):
        self.messages.append(record.getMessage())


@pytest.fixture(autouse=True)
def no_unexpected_fault():
    """Fail where a part of the monitor was switched off and no test waited for the warning.

    Warnings are errors in the tests, and `Guard` turns a warning that is an error into a log record.

    Yields:
        These records, for a test that waits for them and clears the list.
    """
    errors = _Errors()
    logger = logging.getLogger("overfit_monitor")
    # The demo silences it, and frameworks that configure logging disable every logger that is there already.
    logging.disable(logging.NOTSET)
    logger.disabled, logger.propagate = False, True
    logger.setLevel(logging.INFO)
    logger.addHandler(errors)
    yield errors.messages
    logger.removeHandler(errors)
    assert not errors.messages


@pytest.fixture(scope="module")
def browser():
    """Give a browser to the tests of a module."""
    with chromium() as launched:
        yield launched
