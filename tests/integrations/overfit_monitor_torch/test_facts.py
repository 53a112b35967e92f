"""Facts are read from real models, optimizers, losses and loaders; unknown stays None."""

from __future__ import annotations

import functools

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402
from torch.nn.utils.parametrizations import weight_norm  # noqa: E402
from torch.utils.data import (  # noqa: E402
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SubsetRandomSampler,
    TensorDataset,
)

from overfit_monitor import Facts  # noqa: E402
from overfit_monitor_torch import read_facts, watch  # noqa: E402
from overfit_monitor_torch.hooks import InputSeen, look_at  # noqa: E402


class Tied(nn.Module):
    """Owns a parameter directly, uses one layer twice, and ties the output to the embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))
        self.embed = nn.Embedding(10, 4)
        self.body = nn.Linear(4, 4)
        self.again = self.body
        self.out = nn.Linear(4, 10, bias=False)
        self.out.weight = self.embed.weight


class Frozen(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.base = nn.Linear(4, 8).requires_grad_(requires_grad=False)
        self.head = nn.Linear(8, 2)


# (name, kind, trainable parameters, width, rate)
LAYERS = [
    (
        nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.25), nn.Linear(8, 2)),
        [("0", "linear", 40, 8, None), ("2", "dropout", 0, None, 0.25), ("3", "linear", 18, 2, None)],
    ),
    (
        nn.Sequential(nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.Dropout2d(0.1), nn.Flatten(), nn.Linear(6, 2)),
        [
            ("0", "conv", 60, 6, None),
            ("1", "norm", 12, None, None),
            ("2", "dropout", 0, None, 0.1),
            ("4", "linear", 14, 2, None),
        ],
    ),
    (nn.LSTM(3, 5), [("LSTM", "recurrent", 4 * 5 * (3 + 5 + 2), 5, None)]),
    (
        nn.Sequential(nn.GRU(3, 5, num_layers=2, dropout=0.3)),
        [("0", "recurrent", 15 * (3 + 5 + 2) + 15 * (5 + 5 + 2), 5, None), ("0.dropout", "dropout", 0, None, 0.3)],
    ),
    (
        nn.Sequential(nn.MultiheadAttention(4, 2, dropout=0.1), nn.LayerNorm(4)),
        [
            ("0", "attention", 3 * 4 * 4 + 3 * 4 + 4 * 4 + 4, 4, None),
            ("0.dropout", "dropout", 0, None, 0.1),
            ("1", "norm", 8, None, None),
        ],
    ),
    (
        Tied(),
        [
            ("Tied", "other", 3, None, None),
            ("embed", "embedding", 40, 4, None),
            ("body", "linear", 20, 4, None),
            ("out", "linear", 0, 10, None),
        ],
    ),
    (Frozen(), [("base", "linear", 0, 8, None), ("head", "linear", 18, 2, None)]),
    (nn.Sequential(weight_norm(nn.Linear(4, 8))), [("0", "linear", 8 + 32 + 8, 8, None)]),
    (nn.Sequential(nn.LayerNorm(4, elementwise_affine=False), nn.Linear(4, 1)), [("1", "linear", 5, 1, None)]),
]


@pytest.mark.parametrize(("model", "rows"), LAYERS, ids=[type(m).__name__ + str(i) for i, (m, _) in enumerate(LAYERS)])
def test_layers(model, rows):
    facts = read_facts(model)
    assert [(x.name, x.kind, x.parameters, x.width, x.rate) for x in facts.layers] == rows
    assert facts.framework == "torch"
    assert facts.parameters == sum(p.numel() for p in model.parameters() if p.requires_grad)


def test_lazy_layers_have_no_size_until_the_model_has_run():
    model = nn.Sequential(nn.LazyLinear(3))
    assert read_facts(model).parameters == 0
    model(torch.zeros(1, 4))
    assert read_facts(model).parameters == 15


def parameters():
    return [nn.Parameter(torch.zeros(2, 2))]


OPTIMIZERS = [
    (lambda p: torch.optim.SGD(p, lr=0.1), ("SGD", 0.1, 0.0, False)),
    (lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=5e-4), ("SGD", 0.1, 5e-4, False)),
    (lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.1), ("Adam", 0.01, 0.1, False)),
    (torch.optim.AdamW, ("AdamW", 0.001, 0.01, True)),
    (lambda p: torch.optim.NAdam(p, decoupled_weight_decay=True), ("NAdam", 0.002, 0.0, True)),
    (torch.optim.RMSprop, ("RMSprop", 0.01, 0.0, False)),
    (lambda p: torch.optim.LBFGS(p, lr=1.0), ("LBFGS", 1.0, None, None)),
    (
        lambda p: torch.optim.AdamW(
            [{"params": p, "weight_decay": 0.0}, {"params": parameters(), "weight_decay": 0.3}], lr=0.02
        ),
        ("AdamW", 0.02, 0.3, True),
    ),
    (lambda p: torch.optim.AdamW(p, lr=torch.tensor(0.5)), ("AdamW", 0.5, 0.01, True)),
]


@pytest.mark.parametrize(("make", "expected"), OPTIMIZERS)
def test_optimizer(make, expected):
    facts = read_facts(nn.Linear(1, 1), optimizer=make(parameters())).optimizer
    assert (facts.name, facts.learning_rate, facts.weight_decay, facts.decoupled) == expected


def test_adam_with_the_decoupled_flag():
    try:
        optimizer = torch.optim.Adam(parameters(), weight_decay=0.1, decoupled_weight_decay=True)
    except TypeError:
        pytest.skip("this PyTorch has no Adam(decoupled_weight_decay=...)")
    assert read_facts(nn.Linear(1, 1), optimizer=optimizer).optimizer.decoupled is True


def test_an_optimizer_nobody_knows():
    class Mine(torch.optim.Optimizer):
        def __init__(self, params):
            super().__init__(params, {"lr": 0.1, "weight_decay": 0.2})

    facts = read_facts(nn.Linear(1, 1), optimizer=Mine(parameters())).optimizer
    assert (facts.name, facts.weight_decay, facts.decoupled) == ("Mine", 0.2, None)


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [
        (nn.CrossEntropyLoss(), ("CrossEntropyLoss", True, 0.0)),
        (nn.CrossEntropyLoss(label_smoothing=0.1), ("CrossEntropyLoss", True, 0.1)),
        (nn.BCEWithLogitsLoss(), ("BCEWithLogitsLoss", True, None)),
        (nn.MSELoss(), ("MSELoss", False, None)),
        (nn.KLDivLoss(), ("KLDivLoss", None, None)),
        (functional.cross_entropy, ("cross_entropy", True, None)),
        (functools.partial(functional.cross_entropy, label_smoothing=0.2), ("cross_entropy", True, 0.2)),
        (functional.mse_loss, ("mse_loss", False, None)),
    ],
)
def test_loss(criterion, expected):
    facts = read_facts(nn.Linear(1, 1), criterion=criterion).loss
    assert (facts.name, facts.classification, facts.label_smoothing) == expected


class Stream(IterableDataset):
    def __iter__(self):
        return iter(range(10))

    def __len__(self):
        raise AssertionError("a stream must not be asked for its length")


DATA = TensorDataset(torch.zeros(100, 2))


@pytest.mark.parametrize(
    ("loader", "expected"),
    [
        (DataLoader(DATA, batch_size=32), (100, 32, 4)),
        (DataLoader(DATA, batch_size=32, drop_last=True), (100, 32, 3)),
        (DataLoader(DATA, batch_sampler=BatchSampler(RandomSampler(DATA), 10, drop_last=False)), (100, 10, 10)),
        (DataLoader(DATA, batch_size=20, sampler=SubsetRandomSampler(range(40))), (40, 20, 2)),
        (DataLoader(Stream(), batch_size=5), (None, 5, None)),
        (DATA, (100, None, None)),
        (None, (None, None, None)),
    ],
)
def test_data(loader, expected):
    facts = read_facts(nn.Linear(1, 1), train_data=loader, val_data=DataLoader(DATA)).data
    assert (facts.n_train, facts.batch_size, facts.steps_per_epoch) == expected
    assert facts.n_val == 100


@pytest.mark.parametrize(
    ("model", "input_dim", "image"),
    [
        (nn.Sequential(nn.Conv2d(1, 2, 3)), None, True),
        (nn.Sequential(nn.BatchNorm2d(1), nn.Conv2d(1, 2, 3)), 4, True),
        (nn.Sequential(nn.Conv1d(1, 2, 3)), 3, False),
        (nn.Embedding(5, 2), 2, False),
        (nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), None, None),
        (nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), 4, True),
        (nn.Linear(4, 2), 2, False),
    ],
)
def test_images_are_known_by_the_first_layer_or_the_input(model, input_dim, image):
    assert read_facts(model, seen=None if input_dim is None else InputSeen(input_dim)).data.image is image


def test_without_loaders_the_first_epoch_is_counted(task):
    monitor = watch(task.model, optimizer=task.optimizer, criterion=task.criterion, strict=True)
    assert monitor.facts.data.n_train is None
    for _ in monitor.epochs(2):
        task.train_epoch()
        task.validate()
    data = monitor.facts.data
    assert (data.n_train, data.n_val, data.batch_size, data.steps_per_epoch, data.image) == (72, 200, 32, 3, False)
    assert monitor.facts.early_stopping is True
    assert not task.model._forward_pre_hooks


@pytest.mark.parametrize(("kept", "known"), [(True, True), (False, None)])
def test_a_loop_of_its_own_is_stopped_early_where_its_best_weights_come_back(task, kept, known):
    monitor = watch(task.model, optimizer=task.optimizer, strict=True, restore_best_weights=kept)
    monitor.log(step=0, train={"loss": 1.0}, val={"loss": 1.0})
    assert monitor.facts.early_stopping is known
    assert monitor.facts.optimizer.name == "Adam"
    assert monitor.facts.loss is None


def test_facts_that_were_given_are_kept(task):
    from overfit_monitor import Monitor

    given = Facts(framework="torch")
    monitor = watch(task.model, monitor=Monitor(facts=given))
    monitor.log(step=0, train={"loss": 1.0}, val={"loss": 1.0})
    assert monitor.facts.model_copy(update={"unmeasured": ()}) == given


# inputs of a batch -> kind, columns, unscaled, constant
SEEN = [
    (torch.randn(64, 4), ("tabular", 4, 0, 0)),
    (torch.randn(64, 4) * torch.tensor([1.0, 50.0, 0.01, 1.0]), ("tabular", 4, 1, 0)),
    (torch.randn(64, 4) + torch.tensor([0.0, 300.0, 0.0, 0.0]), ("tabular", 4, 1, 0)),
    (torch.cat([torch.randn(64, 3), torch.full((64, 1), 9.0)], dim=1), ("tabular", 4, 0, 1)),
    (torch.randn(8, 4) * 100.0, ("tabular", 4, None, None)),  # too few rows to tell
    (torch.randint(0, 9, (64, 12)), ("text", None, None, None)),
    (torch.randn(64, 12, 3), ("sequence", None, None, None)),
    (torch.randn(4, 3, 8, 8), ("image", None, None, None)),
]


@pytest.mark.parametrize(("inputs", "told"), SEEN, ids=lambda value: str(value) if isinstance(value, tuple) else "")
def test_a_batch_tells_what_it_is(inputs, told):
    assert look_at(inputs)[1:] == told


class BasicBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(4, 4)


def test_more_of_the_model_and_the_optimizer_is_read():
    model = nn.Sequential(BasicBlock(), BasicBlock(), nn.Linear(4, 3))
    model[0].requires_grad_(requires_grad=False)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1, momentum=0.8)
    before = read_facts(model, optimizer=optimizer, criterion=nn.CrossEntropyLoss())
    assert before.residual_blocks == ("0", "1")
    assert before.pretrained is True
    assert before.data.classes == 3
    assert (before.optimizer.momentum, before.optimizer.schedule) == (0.8, "none")
    torch.optim.lr_scheduler.StepLR(optimizer, 10)
    assert read_facts(model, optimizer=optimizer).optimizer.schedule == "set by a scheduler"
    assert read_facts(nn.Linear(4, 1), criterion=nn.BCEWithLogitsLoss()).data.classes == 2
    assert read_facts(nn.Linear(4, 1), criterion=nn.MSELoss()).data.classes is None


def test_a_watched_training_tells_that_its_columns_are_unscaled(task):
    monitor = watch(task.model, optimizer=task.optimizer, criterion=nn.CrossEntropyLoss(), strict=True)
    for _ in monitor.epochs(1):
        task.model.train()(torch.randn(64, 20) * 1000.0)
        task.model.eval()
        with torch.no_grad():
            monitor.log(step=0, train={"loss": 1.0}, val={"loss": 1.0})
    assert monitor.facts.data.unscaled == 20


class RandomFlip:
    def __repr__(self):
        return "Compose(RandomHorizontalFlip(p=0.5), ToTensor())"


class Plain:
    def __repr__(self):
        return "Compose(ToTensor(), Normalize())"


@pytest.mark.parametrize(("transform", "told"), [(RandomFlip(), True), (Plain(), False), (None, None)])
def test_augmentation_is_seen_in_a_transform_below_loaders_and_subsets(transform, told):
    data = TensorDataset(torch.zeros(8, 2), torch.arange(8) % 2)
    data.transform = transform
    loader = DataLoader(torch.utils.data.Subset(data, range(4)), batch_size=2)
    assert read_facts(nn.Linear(2, 2), train_data=loader).data.augmented is told


def test_the_balance_of_classes_is_read_from_targets_in_memory():
    data = TensorDataset(torch.zeros(10, 2), torch.tensor([3] * 7 + [4] * 2 + [6]))
    known = {"criterion": nn.CrossEntropyLoss(), "train_data": DataLoader(data, batch_size=5)}
    assert read_facts(nn.Linear(2, 7), **known).data.smallest_class == pytest.approx(0.1)
    assert read_facts(nn.Linear(2, 7), train_data=data).data.smallest_class is None
