"""The train probe measures what it should, says why where it cannot, and keeps its budget."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402
from torch.utils.data import (  # noqa: E402
    DataLoader,
    Dataset,
    IterableDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
)

from overfit_monitor import UsageError  # noqa: E402
from overfit_monitor_torch.part import FixedPart  # noqa: E402
from overfit_monitor_torch.probe import TrainProbe  # noqa: E402


class Clock:
    """Time passes only when told."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def data(n=300, classes=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(n, 5, generator=generator)
    return TensorDataset(inputs, torch.randint(classes, (n,), generator=generator))


def net(classes=3):
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(5, 16), nn.BatchNorm1d(16), nn.Dropout(0.5), nn.Linear(16, classes))


def probe_of(model, dataset, **given):
    return TrainProbe(model, **({"criterion": nn.CrossEntropyLoss(), "train_data": dataset, "budget": None} | given))


def test_it_measures_the_loss_of_each_example_in_eval_mode():
    model, dataset = net(), data()
    measured = probe_of(model, DataLoader(dataset, batch_size=32, shuffle=True), size=100).measure()
    inputs, targets = dataset[[int(name) for name in measured.names]]
    with torch.no_grad():
        expected = functional.cross_entropy(model.eval()(inputs), targets, reduction="none")
    np.testing.assert_allclose(measured.losses, expected.numpy(), rtol=1e-5)
    assert measured.labels.tolist() == targets.tolist()
    assert len(set(measured.names)) == 100


def test_the_seed_decides_which_examples_and_they_stay_the_same():
    model, dataset = net(), data()
    first, again, other = (probe_of(model, dataset, size=50, seed=seed) for seed in (0, 0, 1))
    one = first.measure()
    assert again.measure().names == one.names == first.measure().names
    assert set(other.measure().names) != set(one.names)


@pytest.mark.parametrize(
    ("criterion", "targets"),
    [
        (nn.CrossEntropyLoss(), "class"),
        (nn.CrossEntropyLoss(label_smoothing=0.1), "class"),
        (nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 5.0])), "class"),
        (nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 5.0]), label_smoothing=0.1), "class"),
        (nn.CrossEntropyLoss(ignore_index=1), "class"),
        (functional.cross_entropy, "class"),
        (functools.partial(functional.cross_entropy, weight=torch.tensor([1.0, 2.0, 5.0])), "class"),
        (nn.CrossEntropyLoss(), "share"),
        (nn.MSELoss(), "share"),
        (nn.L1Loss(), "share"),
        (nn.BCEWithLogitsLoss(pos_weight=torch.tensor([1.0, 2.0, 3.0])), "share"),
        (functional.smooth_l1_loss, "share"),
    ],
)
def test_the_mean_is_the_criterion_of_all_examples_at_once(criterion, targets):
    model, dataset = net().eval(), data()
    inputs, classes = dataset.tensors
    known = classes if targets == "class" else torch.rand(len(inputs), 3)
    measured = probe_of(model, TensorDataset(inputs, known), criterion=criterion).measure()
    with torch.no_grad():
        assert measured.losses.mean() == pytest.approx(float(criterion(model(inputs), known)), rel=1e-5)
    assert (measured.labels is None) is (targets == "share")


@pytest.mark.parametrize(("reduction", "expected"), [("sum", 3.0), ("mean", 1.0), ("none", 1.0)])
def test_what_the_criterion_adds_up_is_added_up(reduction, expected):
    dataset = TensorDataset(torch.zeros(4, 5), torch.ones(4, 3))
    model = nn.Linear(5, 3)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    measured = probe_of(model, dataset, criterion=nn.MSELoss(reduction=reduction)).measure()
    assert measured.losses.tolist() == [expected] * 4


def test_ignored_positions_weigh_nothing():
    """As in a language model: padding is no part of the mean."""

    class Words(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Embedding(7, 7)

        def forward(self, words):
            return self.layer(words).transpose(1, 2)

    words, model, criterion = torch.randint(7, (20, 9)), Words(), nn.CrossEntropyLoss(ignore_index=0)
    measured = probe_of(model, TensorDataset(words, words), criterion=criterion).measure()
    assert measured.losses.mean() == pytest.approx(float(criterion(model(words), words).detach()), rel=1e-5)


def test_the_criterion_keeps_its_reduction_and_its_hooks_do_not_run():
    criterion, calls = nn.CrossEntropyLoss(), []
    criterion.register_forward_hook(lambda *_: calls.append(1))
    probe_of(net(), data(), criterion=criterion).measure()
    assert (criterion.reduction, calls) == ("mean", [])


class Mappings(Dataset):
    def __init__(self, dataset):
        self.dataset = dataset

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, index):
        inputs, label = self.dataset[index]
        return {"inputs": inputs, "labels": label}


def test_a_function_for_the_losses_takes_any_batch():
    def losses(model, batch):
        return functional.cross_entropy(model(batch["inputs"]), batch["labels"], reduction="none")

    model, dataset = net(), data()
    plain = probe_of(model, dataset).measure()
    mapped = probe_of(model, Mappings(dataset), criterion=None, loss_fn=losses).measure()
    assert mapped.losses.tolist() == plain.losses.tolist()
    assert mapped.labels.tolist() == plain.labels.tolist()


def test_plain_data_stands_in_for_augmented_data():
    model, dataset = net(), data()
    augmented = TensorDataset(dataset.tensors[0] + 1.0, dataset.tensors[1])
    measured = probe_of(model, augmented, probe_data=dataset).measure()
    assert measured.losses.tolist() == probe_of(model, dataset).measure().losses.tolist()


def test_only_what_the_loader_trains_on_is_drawn():
    train = [index for index in range(300) if index % 3]
    sampled = DataLoader(data(), batch_size=32, sampler=SubsetRandomSampler(train))
    assert {int(name) for name in probe_of(net(), sampled).measure().names} == set(train)
    assert len(probe_of(net(), DataLoader(Subset(data(), train))).measure().names) == 200


class OwnSampler(torch.utils.data.Sampler):
    def __iter__(self):
        return iter(range(7))

    def __len__(self):
        return 7


class Stream(IterableDataset):
    def __iter__(self):
        return iter([])


class Endless(Dataset):
    def __getitem__(self, index):
        return torch.zeros(5), 0


class FSDPModule:
    """Named as the class that ``fully_shard`` makes a model's class of."""


class Sharded(FSDPModule, nn.Linear):
    pass


class Composite(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.MSELoss()

    def forward(self, output, target):
        return self.inner(output, target)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"train_data": None}, "there is no train_data"),
        ({"train_data": Stream()}, "Stream cannot be read by index"),
        ({"train_data": DataLoader(Stream())}, "Stream cannot be read by index"),
        ({"train_data": Endless()}, "Endless has no length"),
        ({"train_data": TensorDataset(torch.zeros(0, 5))}, "is empty"),
        ({"train_data": DataLoader(data(), batch_size=None)}, "leaves batches to its data set"),
        ({"train_data": DataLoader(data(), sampler=OwnSampler())}, "which examples the loader's OwnSampler takes"),
        ({"criterion": None}, "there is no criterion"),
        ({"criterion": lambda output, target: output.mean()}, "no reduction to leave out"),
        ({"criterion": Composite()}, "Composite has no reduction to leave out"),
        ({"model": nn.Sequential(Sharded(5, 3))}, "sharded"),
    ],
)
def test_what_cannot_be_measured_has_its_reason_at_once(given, reason):
    probe = probe_of(**({"model": net(), "dataset": data()} | given))
    assert reason in probe.reason
    assert probe.measure() is None


class Triples(Endless):
    def __getitem__(self, index):
        return torch.zeros(5), torch.zeros(5), 0

    def __len__(self):
        return 10


class Summed(nn.Module):
    """Has the attribute, and does not mind it."""

    reduction = "mean"

    def forward(self, output, target):
        return output.mean()


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"train_data": Triples()}, "not a pair of input and target"),
        ({"train_data": Mappings(data())}, "not a pair of input and target"),
        ({"criterion": Summed()}, "no value for each example"),
        ({"model": nn.Bilinear(5, 5, 3)}, "TypeError"),
        ({"model": nn.Sequential(net(), nn.Flatten(0), nn.Unflatten(0, (-1, 1)))}, "ValueError"),
    ],
)
def test_what_does_not_fit_has_its_reason_at_the_first_try(given, reason):
    probe = probe_of(**({"model": net(), "dataset": data()} | given))
    assert probe.reason is None
    assert probe.measure() is None
    assert reason in probe.reason


def test_a_probe_that_was_asked_for_raises():
    with pytest.raises(TypeError):
        probe_of(nn.Bilinear(5, 5, 3), data(), asked=True).measure()
    with pytest.raises(UsageError, match=r"shape \(128,\)"):
        probe_of(net(), data(), loss_fn=lambda model, batch: model(batch[0])).measure()


def test_an_error_after_the_first_measurement_is_raised():
    model = net()
    probe = probe_of(model, data())
    probe.measure()
    model.append(nn.Linear(99, 1))
    with pytest.raises(RuntimeError):
        probe.measure()


@pytest.fixture
def one_process(tmp_path):
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


def test_a_data_parallel_model_is_measured_without_collective_operations(one_process, monkeypatch):
    model = net()
    expected = probe_of(model, data()).measure().losses.tolist()
    wrapped = nn.parallel.DistributedDataParallel(model)
    monkeypatch.setattr(wrapped, "forward", lambda *_: pytest.fail("the wrapper synchronizes"))
    assert probe_of(wrapped, data()).measure().losses.tolist() == expected
    assert probe_of(nn.DataParallel(model), data()).measure().losses.tolist() == expected


@pytest.mark.parametrize("given", [{"size": 1}, {"size": 2.5}, {"loss_fn": 3}, {"budget": 0.0}, {"budget": 2.0}])
def test_arguments_that_cannot_be_right(given):
    with pytest.raises(UsageError):
        probe_of(net(), data(), **given)


def test_a_model_that_is_not_initialized_yet_waits():
    model = nn.Sequential(nn.LazyLinear(3))
    probe = probe_of(model, data())
    state = torch.get_rng_state()
    assert probe.measure() is None
    assert torch.equal(torch.get_rng_state(), state)
    assert nn.parameter.is_lazy(model[0].weight)
    model(torch.zeros(1, 5))
    assert len(probe.measure().losses) == 300


def test_augmentation_is_drawn_once():
    class Noisy(Dataset):
        def __len__(self):
            return 40

        def __getitem__(self, index):
            return torch.randn(5) + np.random.rand(), 0

    model = net()
    probe = probe_of(model, Noisy())
    first = probe.measure().losses.tolist()
    torch.manual_seed(9)
    assert probe.measure().losses.tolist() == first
    assert probe_of(model, Noisy()).measure().losses.tolist() == first  # also after a restart


def test_a_model_that_draws_in_eval_mode_draws_the_same_each_time():
    class Drawing(nn.Module):
        def forward(self, inputs):
            return inputs[:, :3] + torch.randn(len(inputs), 3)

    probe = probe_of(Drawing(), data())
    assert probe.measure().losses.tolist() == probe.measure().losses.tolist()


def test_a_model_that_writes_into_its_input_does_not_change_what_is_kept():
    probe = probe_of(nn.Sequential(nn.ReLU(inplace=True), nn.Linear(5, 3)), data())
    assert probe.measure().losses.tolist() == probe.measure().losses.tolist()


def test_a_loader_s_collate_function_makes_the_batches():
    def collate(examples):
        inputs, targets = torch.utils.data.default_collate(examples)
        return 2 * inputs, targets

    model, dataset = net(), data()
    doubled = TensorDataset(2 * dataset.tensors[0], dataset.tensors[1])
    measured = probe_of(model, DataLoader(dataset, batch_size=32, collate_fn=collate)).measure()
    assert measured.losses.tolist() == probe_of(model, DataLoader(doubled, batch_size=32)).measure().losses.tolist()


def test_memory_ends_the_part():
    part = FixedPart(data(), size=300, seed=0, kept_bytes=1000)  # 20 bytes of input and 8 of label each
    assert part.load(out_of_time=lambda: False)
    assert (part.full, part.length(0), len(part)) == (True, math.ceil(1000 / 28), 36)
    assert not part.load(out_of_time=lambda: False)


def test_the_budget_plans_for_what_fits_into_memory(monkeypatch):
    monkeypatch.setattr(TrainProbe.__init__.__globals__["FixedPart"].__init__, "__kwdefaults__", {"kept_bytes": 1000})
    probe = probe_of(net(), data())
    assert [len(probe.measure().losses) for _ in range(2)] == [36, 36]
    assert probe.report().size == 36


def test_loading_goes_on_where_time_ended():
    whole, piecewise = (FixedPart(data(), size=300, seed=0) for _ in range(2))
    while whole.load(out_of_time=lambda: False):
        pass
    loads = [piecewise.load(out_of_time=lambda: True) for _ in range(300)]
    assert sum(loads) == len(whole.batches) == 3
    for one, other in zip(whole.batches, piecewise.batches, strict=True):
        assert torch.equal(one[0], other[0])


class Timed(nn.Module):
    """Takes a time for each call and each example."""

    def __init__(self, clock, *, each, fixed=0.0):
        super().__init__()
        self.clock, self.each, self.fixed = clock, each, fixed
        self.layer = nn.Linear(5, 3)

    def forward(self, inputs):
        self.clock.now += self.fixed + self.each * len(inputs)
        return self.layer(inputs)


def run(epoch_seconds, evaluations=200, *, n=2000, **timed):
    clock = Clock()
    probe = probe_of(Timed(clock, **timed), DataLoader(data(n), batch_size=64), budget=0.02, clock=clock)
    sizes = []
    for _ in range(evaluations):
        clock.now += epoch_seconds
        measured = probe.measure()
        sizes.append(0 if measured is None else len(measured.losses))
    return probe.report(), sizes


def test_where_there_is_time_all_is_measured_every_time():
    report, sizes = run(10.0, each=1e-4)
    assert sizes == [1024] * 200
    assert (report.size, report.interval, report.measurements) == (1024, 1, 200)
    assert report.share == pytest.approx(0.01024, rel=0.01)


def test_a_smaller_size_keeps_the_budget():
    report, sizes = run(10.0, each=5e-4)  # 0.18 s allow 360 examples
    assert sizes[0] == 320  # the first ends with the batch that the time is good for
    assert set(sizes[1:]) <= {0, 256}
    assert sizes[1:].count(256) >= 198
    assert report.share <= 0.02


def test_a_longer_interval_keeps_the_budget():
    report, sizes = run(10.0, each=5e-3)  # 0.18 s allow 36 examples
    assert set(sizes) == {0, 128}
    assert report.interval == 4
    assert 50 <= sizes.count(128) <= 64
    assert report.share <= 0.02


def test_one_slow_measurement_changes_nothing_for_long():
    clock = Clock()
    model = Timed(clock, each=1e-4)
    probe = probe_of(model, DataLoader(data(2000), batch_size=64), budget=0.02, clock=clock)
    sizes = []
    for evaluation in range(60):
        clock.now += 10.0
        model.each = 1e-3 if evaluation == 10 else 1e-4
        measured = probe.measure()
        sizes.append(0 if measured is None else len(measured.losses))
    assert sizes[:10] == sizes[-40:-30] == [1024] * 10
    assert probe.report().share <= 0.02


def test_the_told_time_of_training_counts():
    clock = Clock()
    probe = probe_of(Timed(clock, each=1e-4), data(2000), budget=0.02, clock=clock)
    clock.now += 1000.0
    assert probe.measure(seconds=0.01) is None
    assert probe.report().training_seconds == 0.01


def test_the_plan_goes_on_after_a_restart():
    def measure(probe, clock, evaluations):
        told = []
        for _ in range(evaluations):
            clock.now += 10.0
            measured = probe.measure()
            told.append(None if measured is None else measured.losses.tolist())
        return told

    def fresh(clock):
        torch.manual_seed(0)
        return probe_of(Timed(clock, each=5e-3), data(2000), budget=0.02, clock=clock)

    clock = Clock()
    whole = measure(fresh(clock), clock, 40)
    first, second = fresh(clock), fresh(clock)
    begun = measure(first, clock, 17)
    second.load_state_dict(first.state_dict())
    second.begin()
    assert begun + measure(second, clock, 23) == whole


def test_a_slow_data_set_is_loaded_bit_by_bit():
    clock = Clock()

    class Slow(Dataset):
        def __len__(self):
            return 2000

        def __getitem__(self, index):
            clock.now += 0.01
            return torch.full((5,), float(index)), 0

    probe = probe_of(Timed(clock, each=1e-5), Slow(), budget=0.02, clock=clock)
    sizes = []
    for _ in range(100):
        clock.now += 10.0
        measured = probe.measure()
        sizes.append(0 if measured is None else len(measured.losses))
        assert probe.report().seconds <= 0.02 * probe.report().training_seconds + 0.011
    assert sizes[-1] == 1024
    assert sorted(sizes) == sizes
