"""A training that is interrupted after any batch and goes on elsewhere says what the uninterrupted one says."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.utils.data import TensorDataset  # noqa: E402

from overfit_monitor.journal import FILE_NAME, observations, read_journal  # noqa: E402
from overfit_monitor_torch import ProbeSettings, watch  # noqa: E402

EPOCHS, BATCHES = 7, 6  # of an epoch 4 batches train and 2 validate
GENERATOR = torch.Generator().manual_seed(0)
INPUTS = torch.randn(90, 5, generator=GENERATOR)
TARGETS = (INPUTS[:, 0] + torch.randn(90, generator=GENERATOR) > 0).long()


class Interrupted(Exception):
    pass


class Training:
    """A training that can be left after any batch and taken up there."""

    def __init__(self, folder):
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(5, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 2))
        self.optimizer = torch.optim.Adam(self.model.parameters(), 0.05)
        self.scheduler = torch.optim.lr_scheduler.StepLR(self.optimizer, 9, 0.8)
        self.criterion = nn.CrossEntropyLoss()
        self.monitor = watch(
            self.model,
            optimizer=self.optimizer,
            criterion=self.criterion,
            train_data=TensorDataset(INPUTS[:40], TARGETS[:40]),
            probe=ProbeSettings(budget=None),
            run_dir=folder,
            patience=3,
            strict=True,
        )

    def fit(self, start=(0, 0), *, leave_after=None):
        first, batch = start
        for epoch in self.monitor.epochs(EPOCHS, start=first):
            for number in range(batch, BATCHES):
                self.train(number) if number < 4 else self.validate(number - 4)
                if leave_after == (epoch, number):
                    return self.checkpoint()
            batch = 0
        return None

    def train(self, number):
        self.model.train()
        self.optimizer.zero_grad()
        here = slice(number, 40, 4)
        self.criterion(self.model(INPUTS[here]), TARGETS[here]).backward()
        self.optimizer.step()
        self.scheduler.step()

    def validate(self, number):
        self.model.eval()
        here = slice(40 + 30 * number, 70 + 20 * number)  # 30 examples, and 20
        with torch.no_grad():
            self.criterion(self.model(INPUTS[here]), TARGETS[here])

    def checkpoint(self):
        file = io.BytesIO()
        parts = (self.model, self.optimizer, self.scheduler, self.monitor)
        torch.save([part.state_dict() for part in parts], file)
        return file.getvalue()

    def load(self, checkpoint):
        states = torch.load(io.BytesIO(checkpoint), weights_only=True)
        for part, state in zip((self.model, self.optimizer, self.scheduler, self.monitor), states, strict=True):
            part.load_state_dict(state)

    def said(self):
        return repr((self.monitor.diagnosis, self.monitor.should_stop, self.monitor.best_step))


def journal(folder):
    return repr(observations(read_journal(folder / FILE_NAME)))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    torch.set_num_threads(1)  # as in the tests: sums depend on it
    folder = tmp_path_factory.mktemp("whole")
    training = Training(folder)
    training.fit()
    return training, journal(folder)


@settings(max_examples=20)  # each of them trains
@given(epoch=st.integers(0, EPOCHS - 1), batch=st.integers(0, BATCHES - 1))
def test_left_after_any_batch(whole, tmp_path_factory, epoch, batch):
    uninterrupted, expected = whole
    folder = tmp_path_factory.mktemp("run")
    first = Training(folder)
    saved = first.fit(leave_after=(epoch, batch))
    if saved is None:
        return  # it had stopped before
    first.monitor.close()
    second = Training(folder)
    second.load(saved)
    # After the last batch of an epoch most loops go on with the next epoch, though this one was not closed yet.
    second.fit((epoch + 1, 0) if batch == BATCHES - 1 else (epoch, batch + 1))
    assert second.said() == uninterrupted.said()
    assert journal(folder) == expected
    assert second.monitor.restored_step == uninterrupted.monitor.restored_step
    weights = [{name: value.tolist() for name, value in t.model.state_dict().items()} for t in (second, uninterrupted)]
    assert weights[0] == weights[1]


def test_the_run_that_is_compared_with_stops_and_measures_everything(whole):
    training, written = whole
    assert training.monitor.should_stop
    assert "probe=Probe(" in written
    assert "sampling=Sampling(n=50" in written
    assert "learning_rates=(0.0" in written


def test_an_epoch_that_begins_anew_drops_nothing_that_was_not_seen(tmp_path):
    first = Training(tmp_path)
    for _ in first.monitor.epochs(1):
        saved = first.checkpoint()
        for number in range(BATCHES):
            first.train(number) if number < 4 else first.validate(number - 4)
    second = Training(tmp_path)
    second.load(saved)
    second.fit()
    third = Training(tmp_path / "other")
    third.fit()
    assert second.said() == third.said()
