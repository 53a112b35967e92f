"""Training with the probe is bit for bit training without it."""

from __future__ import annotations

import copy
import itertools
import random
import sys
import types

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.utils.data import DataLoader, Dataset  # noqa: E402

from overfit_monitor_torch.probe import TrainProbe  # noqa: E402
from overfit_monitor_torch.undisturbed import autocast_type, device_of, same_random_state, undisturbed  # noqa: E402


class Augmented(Dataset):
    """Draws from every global generator, from its own, and counts its reads."""

    def __init__(self, shape, n=48):
        generator = torch.Generator().manual_seed(3)
        self.inputs = torch.randn(n, *shape, generator=generator)
        self.targets = torch.randint(3, (n,), generator=generator)
        self.own = {"torch": torch.Generator().manual_seed(4), "numpy": [np.random.default_rng(5)]}
        self.legacy = np.random.RandomState(6)
        self.plain = random.Random(7)
        self.reads = 0
        self.file = None

    def __len__(self):
        return len(self.inputs)

    def __getitem__(self, index):
        self.file = self.file or object()
        self.reads += 1
        noise = random.random() + np.random.rand() + self.own["numpy"][0].random() + self.legacy.rand()
        noise += self.plain.random() + self.reads / 1000
        drawn = torch.randn(1) + torch.randn(1, generator=self.own["torch"])
        return self.inputs[index] + 0.1 * (noise + drawn), self.targets[index]


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(6, 8, num_layers=2, dropout=0.3, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, inputs):
        return self.head(self.lstm(inputs)[0][:, -1])


class Plain(nn.Module):
    """PyTorch's own layers are not compiled by themselves."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 3)

    def forward(self, inputs):
        return self.layer(inputs) + 1.0


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(6, 2, 16, dropout=0.2, batch_first=True)
        self.head = nn.Linear(6, 3)

    def forward(self, inputs):
        return self.head(self.layer(inputs).mean(1))


class Counting(nn.Module):
    """Writes to a buffer and replaces another, in eval mode too."""

    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("latest", torch.zeros(()))

    def forward(self, inputs):
        self.calls += 1
        self.latest = inputs.detach().mean()
        return inputs + 0.01 * self.calls + self.latest


class Frozen(nn.BatchNorm1d):
    """Stays in eval mode whatever the model is put to, and counts how often it is asked."""

    asked = 0

    def train(self, mode=True):
        self.asked += 1
        return super().train(False)


def mlp():
    return nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 3))


def frozen():
    return nn.Sequential(nn.Linear(6, 16), Frozen(16), nn.Dropout(0.5), nn.Linear(16, 3))


def cnn():
    body = nn.Sequential(nn.Conv2d(2, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Dropout2d(0.2))
    return nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))


def normed():
    weight = nn.utils.parametrizations.weight_norm(nn.Linear(6, 16))
    spectral = nn.utils.parametrizations.spectral_norm(nn.Linear(16, 16))
    return nn.Sequential(weight, spectral, nn.Dropout(0.3), nn.Linear(16, 3))


def lazy():
    return nn.Sequential(nn.LazyLinear(16), nn.LazyBatchNorm1d(), nn.Dropout(0.5), nn.LazyLinear(3))


def counting():
    return nn.Sequential(nn.Linear(6, 16), Counting(), nn.Dropout(0.5), nn.Linear(16, 3))


def averaged():
    return nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16, momentum=None), nn.RReLU(), nn.Linear(16, 3))


MODELS = {
    "mlp": (mlp, (6,)),
    "frozen": (frozen, (6,)),
    "cnn": (cnn, (2, 8, 8)),
    "lstm": (Recurrent, (4, 6)),
    "transformer": (Transformer, (4, 6)),
    "weight and spectral norm": (normed, (6,)),
    "lazy": (lazy, (6,)),
    "counting": (counting, (6,)),
    "averaged": (averaged, (6,)),
}


def seed(value=11):
    torch.manual_seed(value)
    random.seed(value)
    np.random.seed(value)


def global_state():
    legacy = np.random.get_state()
    return (torch.get_rng_state().tolist(), random.getstate(), (legacy[0], legacy[1].tolist(), *legacy[2:]))


def own_state(dataset):
    numbers = dataset.legacy.get_state()
    return (
        dataset.own["torch"].get_state().tolist(),
        dataset.own["numpy"][0].bit_generator.state,
        (numbers[1].tolist(), numbers[2]),
        dataset.plain.getstate(),
        dataset.reads,
        dataset.file is None,
    )


def flat(value):
    """Return nested state as comparable plain values; equal only bit for bit."""
    if isinstance(value, torch.Tensor):
        return value.dtype, value.detach().flatten().view(torch.uint8).tolist() if value.numel() else []
    if isinstance(value, dict):
        return {name: flat(part) for name, part in value.items()}
    return [flat(part) for part in value] if isinstance(value, (list, tuple)) else value


def whole_state(model, optimizer, dataset):
    return {
        "weights": flat(dict(model.state_dict())),
        "gradients": flat([p.grad for p in model.parameters()]),
        "modes": [part.training for part in model.modules()],
        "optimizer": flat(optimizer.state_dict()),
        "global": global_state(),
        "own": own_state(dataset),
        "grad mode": torch.is_grad_enabled(),
        "autocast": (torch.is_autocast_enabled("cpu"), torch.is_autocast_cache_enabled()),
    }


def train(make, shape, *, probed, epochs=3, workers=0, amp=True, every=3, spoil=None):
    """Train on shuffled, augmented data, probing within the epoch and at its end; return everything there is."""
    seed()
    dataset, model = Augmented(shape), make()
    loader = DataLoader(dataset, batch_size=8, shuffle=True, num_workers=workers)
    criterion = nn.CrossEntropyLoss()
    model(torch.zeros(2, *shape))  # lazy layers
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    probe = TrainProbe(model, criterion=criterion, train_data=loader, size=20, budget=None, asked=True)
    assert probe._part.batch_size == 8
    states = []
    for _ in range(epochs):
        model.train()
        for step, (inputs, targets) in enumerate(loader):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=amp):
                loss = criterion(model(inputs).float(), targets)
            optimizer.zero_grad()
            loss.backward()
            if probed and step % every == 0:
                measured(probe, spoil, autocast=torch.bfloat16 if amp else None)
            optimizer.step()
        model.eval()
        if probed:
            measured(probe, spoil)
        states.append(whole_state(model, optimizer, dataset))
    return states


def measured(probe, spoil, **given):
    if spoil is None:
        assert len(probe.measure(**given).losses) == 20
        return
    with spoil(probe) as kind, pytest.raises(kind):
        probe.measure(**given)


@pytest.mark.parametrize("kind", MODELS)
def test_training_is_bit_for_bit_the_same(kind):
    make, shape = MODELS[kind]
    # On processors without AVX-512 PyTorch has no recurrent layers in bfloat16.
    amp = kind != "lstm" or torch.ops.mkldnn._is_mkldnn_bf16_supported()
    assert train(make, shape, probed=True, amp=amp) == train(make, shape, probed=False, amp=amp)


def test_training_with_worker_processes_is_bit_for_bit_the_same():
    plain, probed = (train(mlp, (6,), probed=probed, workers=1, epochs=2) for probed in (False, True))
    assert probed == plain


def test_the_comparison_would_see_a_difference():
    """A measurement without protection differs in generators, statistics of batch norm, and weights."""

    def careless(self, **_):
        for _ in range(20):
            self._model(torch.stack([self._part._dataset[0][0]] * 2))
        return type("Losses", (), {"losses": range(20)})

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(TrainProbe, "measure", careless)
        one = train(mlp, (6,), probed=True)
    other = train(mlp, (6,), probed=False)
    assert {name for name in one[-1] if one[-1][name] != other[-1][name]} >= {"weights", "global", "own", "optimizer"}


class Spoiled:
    """Raises in the middle of a measurement."""

    def __init__(self, probe, where, error):
        self.probe, self.where, self.error = probe, where, error
        self.patched = pytest.MonkeyPatch()
        self.calls = 0

    def __call__(self, *args, **kwargs):
        self.calls += 1
        torch.rand(1)
        random.random()
        np.random.rand()
        if self.calls >= 2:
            raise self.error("spoiled")
        return self.original(*args, **kwargs)

    def __enter__(self):
        part = self.probe._part
        part.forget()
        owner, name = {
            "data": (part._dataset, "noise"),
            "collate": (part, "_collate"),
            "model": (self.probe._model[-1], "forward"),
            "criterion": (nn.functional, "cross_entropy"),
        }[self.where]
        self.original = getattr(owner, name, None)
        if self.where == "data":
            return self._spoil_data(part)
        self.patched.setattr(owner, name, self, raising=False)
        return self.error

    def _spoil_data(self, part):
        inner = part._dataset
        error = self.error

        class Broken(Dataset):
            def __getitem__(self, index):
                if inner.reads % 5 == 4:
                    raise error("spoiled")
                return inner[index]

        wrapped = Broken()
        wrapped.inner = inner
        self.patched.setattr(part, "_dataset", wrapped)
        return self.error

    def __exit__(self, *_):
        self.patched.undo()


@pytest.mark.parametrize("error", [RuntimeError, MemoryError, torch.OutOfMemoryError, KeyboardInterrupt])
@pytest.mark.parametrize("where", ["data", "collate", "model", "criterion"])
def test_an_error_in_the_middle_leaves_everything_as_it_was(where, error):
    def spoil(probe):
        return Spoiled(probe, where, error)

    plain, spoiled = (train(mlp, (6,), probed=probed, spoil=spoil) for probed in (False, True))
    assert spoiled == plain


def test_an_error_in_the_user_s_function_leaves_everything_as_it_was():
    dataset = Augmented((6,))
    model = mlp()

    def losses(model, batch):
        model.train()(batch[0])
        raise RuntimeError("spoiled")

    probe = TrainProbe(model, train_data=dataset, loss_fn=losses, budget=None)
    optimizer = torch.optim.SGD(model.parameters())
    before = whole_state(model, optimizer, dataset)
    with pytest.raises(RuntimeError, match="spoiled"):
        probe.measure()
    assert whole_state(model, optimizer, dataset) == before


def test_it_measures_again_after_an_error():
    probe = TrainProbe(mlp(), criterion=nn.CrossEntropyLoss(), train_data=Augmented((6,)), budget=None, asked=True)
    first = probe.measure().losses.tolist()
    with Spoiled(probe, "data", RuntimeError) as error, pytest.raises(error):
        probe.measure()
    assert probe.measure().losses.tolist() == first


def test_the_cache_of_autocast_is_not_poisoned():
    """A weight cast without a gradient, taken from the cache by the next forward pass, would not be trained."""
    model, criterion = nn.Linear(6, 3), nn.CrossEntropyLoss()
    probe = TrainProbe(model, criterion=criterion, train_data=Augmented((6,)), budget=None, asked=True)
    inputs, targets = torch.randn(4, 6), torch.tensor([0, 1, 2, 0])

    def gradient(between):
        model.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            between()
            criterion(model(inputs).float(), targets).backward()
        return model.weight.grad

    plain = gradient(lambda: None)
    assert torch.equal(gradient(lambda: probe.measure(autocast=torch.bfloat16)), plain)
    assert torch.is_autocast_cache_enabled()
    with undisturbed(model, autocast=torch.bfloat16):
        assert not torch.is_autocast_cache_enabled()  # only some versions of PyTorch keep casts without a gradient


def test_the_cache_of_autocast_is_not_read():
    """A weight cast before the optimizer's step is out of date."""
    model = nn.Linear(6, 3)
    probe = TrainProbe(model, criterion=nn.CrossEntropyLoss(), train_data=Augmented((6,)), budget=None, asked=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        model(torch.randn(4, 6))
        with torch.no_grad():
            model.weight.zero_()
            model.bias.zero_()
        losses = probe.measure(autocast=torch.bfloat16).losses
    np.testing.assert_allclose(losses, np.log(3), rtol=1e-2)


@pytest.mark.parametrize("ambient", [True, False])
@pytest.mark.parametrize("asked", [torch.bfloat16, None])
def test_autocast_is_as_the_caller_says(ambient, asked):
    seen = []

    def losses(model, batch):
        seen.append(autocast_type(torch.device("cpu")))
        return model(batch[0]).float().sum(1)

    probe = TrainProbe(mlp(), train_data=Augmented((6,)), loss_fn=losses, budget=None)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=ambient):
        probe.measure(autocast=asked)
        assert autocast_type(torch.device("cpu")) == (torch.bfloat16 if ambient else None)
    assert set(seen) == {asked}


def test_within_inference_mode_the_model_keeps_no_inference_tensors():
    class Caching(nn.Module):
        table = None

        def forward(self, inputs):
            if self.table is None:
                self.table = torch.arange(6.0)
            return (inputs * self.table)[:, :3]

    model = Caching()
    probe = TrainProbe(model, criterion=nn.CrossEntropyLoss(), train_data=Augmented((6,)), budget=None, asked=True)
    with torch.inference_mode():
        probe.measure()
        assert torch.is_inference_mode_enabled()
    assert not model.table.is_inference()
    model(torch.zeros(2, 6, requires_grad=True)).sum().backward()


@pytest.mark.parametrize("modes", list(itertools.product([True, False], repeat=3)))
def test_the_mode_of_every_submodule_stays(modes):
    model = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(6))
    for part, mode in zip(model.modules(), modes, strict=True):
        part.training = mode
    inside = []
    with undisturbed(model):
        inside = [part.training for part in model.modules()]
        model.train()
    assert inside == [False] * 3
    assert tuple(part.training for part in model.modules()) == modes


def test_an_overridden_train_is_not_called():
    model = frozen()
    before = model[1].asked
    with undisturbed(model):
        pass
    assert model[1].asked == before


def test_gradients_stay_and_none_are_made():
    model = nn.Linear(6, 3)
    model(torch.ones(1, 6)).sum().backward()
    kept = model.weight.grad
    copied = copy.deepcopy(kept)
    with undisturbed(model):
        assert not model(torch.ones(1, 6)).requires_grad
    assert model.weight.grad is kept
    assert torch.equal(kept, copied)


def test_a_graph_that_waits_for_its_backward_can_still_run():
    model, criterion = mlp(), nn.CrossEntropyLoss()
    probe = TrainProbe(model, criterion=criterion, train_data=Augmented((6,)), budget=None, asked=True)
    loss = criterion(model(torch.randn(8, 6)), torch.zeros(8, dtype=torch.long))
    probe.measure()
    loss.backward()
    assert model[0].weight.grad is not None


def test_buffers_that_need_no_putting_back_are_not_written():
    model = mlp()
    versions = [buffer._version for buffer in model.buffers()]
    TrainProbe(model, criterion=nn.CrossEntropyLoss(), train_data=Augmented((6,)), budget=None, asked=True).measure()
    assert [buffer._version for buffer in model.buffers()] == versions


def test_what_is_not_started_is_not_seeded():
    """``torch.manual_seed`` would also seed accelerators that are started later."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(torch, "manual_seed", lambda _seed: pytest.fail("seeds what is not in use"))
        with undisturbed(mlp()) as state:
            state.seed(0)


def test_the_generators_of_every_device_of_a_kind_are_put_back(monkeypatch):
    """As there is no such device here, a table stands in for its generators."""
    states = {0: torch.tensor([1]), 1: torch.tensor([2])}
    module = types.SimpleNamespace(
        device_count=lambda: len(states),
        get_rng_state=lambda index: states[index].clone(),
        set_rng_state=lambda state, index: states.__setitem__(index, state),
    )
    monkeypatch.setattr(torch, "get_device_module", lambda kind: {"made": module}[kind])
    with same_random_state({"cpu", "meta", "made"}):
        states[0], states[1] = torch.tensor([8]), torch.tensor([9])
    assert [int(state) for state in states.values()] == [1, 2]


def test_nothing_is_compiled_for_it():
    pytest.importorskip("torch._dynamo")
    compiled = []

    def backend(graph, _inputs):
        compiled.append(graph)
        return graph.forward

    model, data = Plain(), Augmented((6,))
    model.compile(backend=backend)
    probe = TrainProbe(model, criterion=nn.CrossEntropyLoss(), train_data=data, budget=None, asked=True)
    model(data.inputs[:4])
    assert "torch._dynamo" in sys.modules
    assert len(compiled) == 1
    probe.measure()
    assert len(compiled) == 1
    model(data.inputs[:4])
    assert len(compiled) == 1


@pytest.mark.parametrize("mode", [True, False])
def test_statistics_stay_even_if_the_user_s_function_trains(mode):
    """Batch normalization writes its statistics behind the back of the version counter."""
    model = mlp()

    def losses(model, batch):
        return model.train(mode)(batch[0]).sum(1)

    before = flat(dict(model.state_dict()))
    TrainProbe(model, train_data=Augmented((6,)), loss_fn=losses, budget=None).measure()
    assert flat(dict(model.state_dict())) == before


def test_the_device_is_that_of_the_first_tensor():
    assert device_of(nn.ReLU()) == torch.device("cpu")
    assert device_of(nn.ReLU(), nn.Linear(1, 1, device="meta")) == torch.device("meta")
