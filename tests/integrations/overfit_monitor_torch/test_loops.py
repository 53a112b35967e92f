"""The training loops that people write: each is watched right, and trains bit for bit as it does alone."""

from __future__ import annotations

import contextlib

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402
from torch.utils.data import DataLoader, IterableDataset, TensorDataset  # noqa: E402

from overfit_monitor import UsageError  # noqa: E402
from overfit_monitor.journal import FILE_NAME, observations, read_journal  # noqa: E402
from overfit_monitor_torch import ProbeSettings, metered, watch  # noqa: E402

EPOCHS = 4
GENERATOR = torch.Generator().manual_seed(0)
INPUTS = torch.randn(110, 6, generator=GENERATOR)
TARGETS = (INPUTS[:, 0] + torch.randn(110, generator=GENERATOR) > 0).long()
TRAIN = TensorDataset(INPUTS[:70], TARGETS[:70])
VAL = TensorDataset(INPUTS[70:], TARGETS[70:])


class Stream(IterableDataset):
    """Training data without a length."""

    def __iter__(self):
        yield from (TRAIN[i] for i in range(len(TRAIN)))


class Parts(nn.Module):
    """A loss that returns its parts, as detection models do."""

    def forward(self, outputs, targets):
        main = functional.cross_entropy(outputs, targets)
        norm = 0.01 * outputs.square().mean()
        return {"loss": main + norm, "main": main, "norm": norm}


class Loop:
    """A plain loop over batches of 16, with an uneven last one; keeps its own means.

    A subclass changes what makes it special; ``monitor`` is None where it runs alone.
    """

    criterion_type = nn.CrossEntropyLoss
    data = TRAIN

    def __init__(self):
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 2))
        self.optimizer = torch.optim.Adam(self.model.parameters(), 0.01)
        self.criterion = self.criterion_type()
        self.means = {"train": [], "val": []}

    def watched(self, **settings):
        return watch(
            self.model,
            optimizer=self.optimizer,
            criterion=self.criterion,
            train_data=DataLoader(self.data, batch_size=16),
            probe=ProbeSettings(budget=None),
            restore_best_weights=False,
            patience=100,
            strict=True,
            **settings,
        )

    def run(self, monitor):
        torch.manual_seed(1)
        for _ in monitor.epochs(EPOCHS) if monitor else range(EPOCHS):
            self.means["train"].append(self.train())
            self.means["val"].append(self.validate())

    def train(self):
        self.model.train()
        total = 0.0
        for number, (inputs, targets) in enumerate(DataLoader(self.data, batch_size=16)):
            total += self.step(number, inputs, targets) * len(inputs)
        return total / len(TRAIN)

    def step(self, number, inputs, targets):
        self.optimizer.zero_grad()
        loss = self.loss(inputs, targets)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def loss(self, inputs, targets):
        return self.criterion(self.model(inputs), targets)

    def validate(self):
        self.model.eval()
        with torch.no_grad():
            losses = [self.loss(*batch).item() * len(batch[0]) for batch in DataLoader(VAL, batch_size=16)]
        return sum(losses) / len(VAL)


class Plain(Loop):
    pass


class Accumulating(Loop):
    def step(self, number, inputs, targets):
        loss = self.loss(inputs, targets)
        (loss / 3).backward()
        if number % 3 == 2:
            self.optimizer.step()
            self.optimizer.zero_grad()
        return loss.item()


class AccumulatingInPlace(Loop):
    def step(self, number, inputs, targets):
        loss = self.loss(inputs, targets)
        value = loss.item()
        loss /= 3
        loss.backward()
        if number % 3 == 2:
            self.optimizer.step()
            self.optimizer.zero_grad()
        return value


class Scaled(Loop):
    """Automatic mixed precision with a gradient scaler."""

    def __init__(self):
        super().__init__()
        self.scaler = torch.amp.GradScaler("cpu")

    def loss(self, inputs, targets):
        with torch.autocast("cpu", torch.bfloat16):
            return self.criterion(self.model(inputs), targets)

    def step(self, number, inputs, targets):
        self.optimizer.zero_grad()
        loss = self.loss(inputs, targets)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss.item()


class Compiled(Loop):
    def __init__(self):
        super().__init__()
        self.compiled = torch.compile(self.model, backend="eager")

    def loss(self, inputs, targets):
        return self.criterion(self.compiled(inputs), targets)


class Functional(Loop):
    criterion_type = staticmethod(lambda: metered(functional.cross_entropy))


class InParts(Loop):
    criterion_type = Parts

    def loss(self, inputs, targets):
        return self.criterion(self.model(inputs), targets)["loss"]


class Inference(Loop):
    def validate(self):
        self.model.eval()
        with torch.inference_mode():
            losses = [self.loss(*batch).item() * len(batch[0]) for batch in DataLoader(VAL, batch_size=16)]
        return sum(losses) / len(VAL)


class Streaming(Loop):
    data = Stream()


class Closure(Loop):
    """L-BFGS calls the loss several times a step."""

    def __init__(self):
        super().__init__()
        self.optimizer = torch.optim.LBFGS(self.model.parameters(), lr=0.1, max_iter=2)
        self.calls = []

    def step(self, number, inputs, targets):
        def closure():
            self.optimizer.zero_grad()
            loss = self.loss(inputs, targets)
            self.calls.append((loss.item(), len(inputs)))
            loss.backward()
            return loss

        self.optimizer.step(closure)
        return 0.0

    def train(self):
        self.calls.clear()
        super().train()
        return sum(loss * n for loss, n in self.calls) / sum(n for _, n in self.calls)


LOOPS = [
    *(Plain, Accumulating, AccumulatingInPlace, Scaled, Compiled, Functional, InParts, Inference, Streaming, Closure)
]


def flat(model):
    return torch.cat([value.flatten() for value in model.state_dict().values()])


def logged(folder):
    return observations(read_journal(folder / FILE_NAME))


@pytest.mark.parametrize("kind", LOOPS, ids=lambda kind: kind.__name__)
def test_a_loop_is_watched_right_and_trains_as_it_does_alone(kind, tmp_path):
    alone, loop = kind(), kind()
    alone.run(None)
    state = torch.get_rng_state()
    loop.run(loop.watched(run_dir=tmp_path))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(flat(loop.model), flat(alone.model))
    assert loop.means == alone.means
    rows = logged(tmp_path)
    assert [row.train["loss"] for row in rows] == pytest.approx(loop.means["train"], rel=1e-6)
    assert [row.val["loss"] for row in rows] == pytest.approx(loop.means["val"], rel=1e-6)


def test_what_is_known_of_each_loop(tmp_path):
    told = {}
    for kind in LOOPS:
        loop = kind()
        monitor = loop.watched(run_dir=tmp_path / kind.__name__)
        loop.run(monitor)
        told[kind.__name__] = (
            monitor.diagnosis.gap.like_for_like is not None,
            logged(tmp_path / kind.__name__)[-1].sampling is not None,
        )
    probed_and_sampled = {name for name, known in told.items() if known == (True, True)}
    assert probed_and_sampled == {"Plain", "Accumulating", "AccumulatingInPlace", "Scaled", "Compiled", "Functional",
                                  "Inference", "Closure"}  # fmt: skip
    assert told["Streaming"] == (False, True)


def test_parts_are_logged_by_name(tmp_path):
    loop = InParts()
    loop.run(loop.watched(run_dir=tmp_path))
    row = logged(tmp_path)[-1]
    assert row.val["loss"] == pytest.approx(row.val["main"] + row.val["norm"])
    assert set(row.train) == {"loss", "main", "norm"}


def test_steps_with_a_validation_now_and_then(tmp_path):
    loop, steps = Plain(), 0
    with loop.watched(run_dir=tmp_path) as monitor:
        batches = DataLoader(TRAIN, batch_size=16)
        for _ in range(3):
            for inputs, targets in batches:
                loop.model.train()
                loop.step(steps, inputs, targets)
                steps += 1
                if steps % 4 == 0:
                    loop.validate()
                    monitor.log(step=steps)
    rows = logged(tmp_path)
    assert [row.step for row in rows] == [4, 8, 12]
    assert all(row.train and row.val and row.sampling.n == len(VAL) for row in rows)


def test_two_networks_with_their_own_monitors(tmp_path, caplog):
    """A generator and a discriminator with their own optimizer, loss and verdict."""
    torch.manual_seed(0)
    nets = {"generator": nn.Linear(3, 6), "discriminator": nn.Linear(6, 1)}
    losses = {name: nn.BCEWithLogitsLoss() for name in nets}
    optimizers = {name: torch.optim.SGD(net.parameters(), 0.1) for name, net in nets.items()}
    with contextlib.ExitStack() as stack:
        monitors = {
            name: stack.enter_context(
                watch(net, optimizer=optimizers[name], criterion=losses[name], name=name, run_dir=tmp_path, patience=1)
            )
            for name, net in nets.items()
        }
        for epoch in range(3):
            for mode in (True, False):
                for net in nets.values():
                    net.train(mode)
                fake = nets["generator"](torch.randn(8, 3))
                ones, zeros = torch.ones(8, 1), torch.zeros(8, 1)
                both, labels = torch.cat((INPUTS[:8], fake.detach())), torch.cat((ones, zeros))
                of_d = losses["discriminator"](nets["discriminator"](both), labels)
                if mode:
                    of_d.backward()
                    optimizers["discriminator"].step()
                of_g = losses["generator"](nets["discriminator"](fake), ones)
                if mode:
                    of_g.backward()
                    optimizers["generator"].step()
                for optimizer in optimizers.values():
                    optimizer.zero_grad()
            for name, loss in (("generator", of_g), ("discriminator", of_d)):
                monitors[name].log(step=epoch)
                assert logged(tmp_path / name)[-1].val["loss"] == pytest.approx(loss.item())
    assert {name: monitor.diagnosis.run for name, monitor in monitors.items()} == {name: name for name in nets}
    assert all("overfit-monitor: generator: " in m or ": discriminator: " in m for m in caplog.messages)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", 3, "/"])
def test_names_that_are_none(name):
    with pytest.raises(UsageError, match="name must be the name of a folder"):
        watch(nn.Linear(1, 1), name=name)
