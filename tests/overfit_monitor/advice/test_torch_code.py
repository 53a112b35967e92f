"""The PyTorch code of every recommendation, run as it stands and read back."""

import itertools

import pytest

from overfit_monitor.advice import CATALOGUE
from overfit_monitor.advice.wording import KERAS_HEADING
from overfit_monitor.facts import DataFacts, Facts, LayerFacts, LossFacts, OptimizerFacts
from overfit_monitor.testing.sample_runs import OVERFIT

torch = pytest.importorskip("torch")
RULES = {rule.id: rule for rule in CATALOGUE}


def network(*, norm=False, rate=None):
    hidden = [torch.nn.BatchNorm1d(32)] if norm else []
    drop = [] if rate is None else [torch.nn.Dropout(rate)]
    return torch.nn.Sequential(
        torch.nn.Linear(8, 32), *hidden, torch.nn.ReLU(), torch.nn.Linear(32, 32), torch.nn.ReLU(), *drop,
        torch.nn.Linear(32, 3),
    )  # fmt: skip


def facts_of(model, optimizer=None, **known):
    kinds = {torch.nn.Linear: "linear", torch.nn.BatchNorm1d: "norm", torch.nn.Dropout: "dropout"}
    found = [
        LayerFacts(
            name=name,
            kind=kinds[type(layer)],
            parameters=sum(p.numel() for p in layer.parameters()),
            width=getattr(layer, "out_features", None),
            rate=getattr(layer, "p", None),
        )
        for name, layer in model.named_modules()
        if type(layer) in kinds
    ]
    if optimizer is not None:
        known["optimizer"] = OptimizerFacts(
            name=type(optimizer).__name__,
            learning_rate=optimizer.param_groups[0]["lr"],
            weight_decay=max(group["weight_decay"] for group in optimizer.param_groups),
            decoupled=isinstance(optimizer, torch.optim.AdamW),
        )
    return Facts(framework="torch", layers=tuple(found), **known)


def run(id, facts, **names):
    answer = RULES[id]().advise(OVERFIT, facts)
    code = answer.code.split(KERAS_HEADING)[0]
    exec(compile(code, id, "exec"), names)
    return answer, names


def trained_step(model, optimizer, criterion=None):
    """One step of training goes through, and its loss is a number."""
    x, y = torch.randn(16, 8), torch.randint(0, 3, (16,))
    loss = (criterion or torch.nn.CrossEntropyLoss())(model.train()(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    assert torch.isfinite(loss)


def decays(model, optimizer):
    """Weight decay by the name of the parameter; each is in exactly one group."""
    names = {id(p): name for name, p in model.named_parameters()}
    found = [(names[id(p)], group["weight_decay"]) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(name for name, _ in found) == sorted(names.values())
    return dict(found)


def test_early_stopping_stops_and_brings_the_best_weights_back():
    model = torch.nn.Linear(1, 1)
    epoch_seen = itertools.count()
    losses = [abs(i - 5) / 10 for i in range(60)]

    def train_one_epoch(model):
        with torch.no_grad():
            model.weight.fill_(float(next(epoch_seen)))
        return 0.1

    def validate(model):
        return losses[int(model.weight.item())]

    answer, names = run(
        "early_stopping",
        Facts(framework="torch"),
        model=model,
        epochs=60,
        train_one_epoch=train_one_epoch,
        validate=validate,
    )
    assert names["epoch"] == 5 + answer.change["patience"]
    assert model.weight.item() == 5.0


@pytest.mark.parametrize(
    ("make", "value"),
    [
        (lambda model: torch.optim.AdamW(model.parameters(), lr=0.001, betas=(0.8, 0.9)), 2.7),
        (lambda model: torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9), 0.0027),
    ],
    ids=["AdamW", "SGD"],
)
def test_weight_decay_is_raised_in_place_without_bias_and_norm(make, value):
    model = network(norm=True)
    optimizer = make(model)
    before = {key: v for key, v in optimizer.param_groups[0].items() if key not in ("params", "weight_decay")}
    answer, _ = run("weight_decay", facts_of(model, optimizer, data=DataFacts(steps_per_epoch=7)), optimizer=optimizer)
    assert answer.change == {"weight_decay": value}
    assert decays(model, optimizer) == {name: value if p.ndim > 1 else 0.0 for name, p in model.named_parameters()}
    for group in optimizer.param_groups:
        assert before.items() <= group.items()
    trained_step(model, optimizer)


@pytest.mark.parametrize("known", [True, False])
def test_adam_becomes_adamw(known):
    model = network(norm=True)
    adam = torch.optim.Adam(model.parameters(), lr=0.002, weight_decay=1e-4)
    facts = facts_of(model, adam) if known else Facts()
    answer, names = run("weight_decay", facts, model=model, optimizer=adam)
    optimizer = names["optimizer"]
    assert type(optimizer).__name__ == answer.change["optimizer"]
    assert {group["lr"] for group in optimizer.param_groups} == {0.002}
    assert decays(model, optimizer) == {name: 0.3 if p.ndim > 1 else 0.0 for name, p in model.named_parameters()}
    trained_step(model, optimizer)


def test_label_smoothing_keeps_the_rest_of_the_loss():
    criterion = torch.nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0]))
    facts = Facts(framework="torch", loss=LossFacts(name="CrossEntropyLoss", classification=True, label_smoothing=0.0))
    run("label_smoothing", facts, criterion=criterion)
    x, y = torch.randn(16, 3), torch.randint(0, 3, (16,))
    wanted = torch.nn.functional.cross_entropy(x, y, weight=criterion.weight, label_smoothing=0.1)
    assert criterion(x, y) == wanted


def test_label_smoothing_replaces_a_function():
    facts = Facts(framework="torch", loss=LossFacts(name="cross_entropy", classification=True))
    _, names = run("label_smoothing", facts, criterion=torch.nn.functional.cross_entropy)
    assert names["criterion"].label_smoothing == 0.1


@pytest.mark.parametrize(
    ("norm", "known", "places"),
    [(False, True, ["2", "4"]), (True, True, ["3", "5"]), (False, False, ["4"])],
    ids=["plain", "norm", "unknown"],
)
def test_dropout_is_put_in_front_of_dense_layers(norm, known, places):
    model = network(norm=norm)
    run("dropout", facts_of(model) if known else Facts(), model=model)
    found = {name: layer.p for name, layer in model.named_modules() if isinstance(layer, torch.nn.Dropout)}
    assert found == {f"{place}.0": 0.3 for place in places}
    x = torch.randn(64, 8)
    assert not torch.equal(model.train()(x), model(x))
    assert torch.equal(model.eval()(x), model(x))
    trained_step(model, torch.optim.SGD(model.parameters(), lr=0.1))


def test_dropout_is_raised():
    model = network(rate=0.1)
    run("dropout", facts_of(model), model=model)
    assert model[4].p == 0.3


def test_smaller_model_halves_the_hidden_layers_only():
    model = network(rate=0.1)
    run("smaller_model", facts_of(model, data=DataFacts(n_train=50)), model=model)
    assert [(m.in_features, m.out_features) for m in model if isinstance(m, torch.nn.Linear)] == [
        (8, 16),
        (16, 16),
        (16, 3),
    ]
    trained_step(model, torch.optim.SGD(model.parameters(), lr=0.1))


def test_images_are_shifted_in_training_only():
    model = torch.nn.Identity()
    run("augmentation", Facts(framework="torch", data=DataFacts(image=True)), model=model)
    images = torch.zeros(64, 1, 20, 20)
    images[:, :, 10, 10] = 1.0
    shifted = model.train()(images)
    assert shifted.shape == images.shape
    rows = {tuple(place) for place in shifted.nonzero()[:, 2:].tolist()}
    assert rows <= {(y, x) for y in range(8, 13) for x in range(8, 13)}
    assert len(rows) > 5
    assert torch.equal(model.eval()(images), images)


def test_inputs_are_noisy_in_training_only():
    model = torch.nn.Identity()
    run("input_noise", Facts(framework="torch", data=DataFacts(image=False)), model=model)
    x = torch.zeros(100, 100)
    assert model.train()(x).std().item() == pytest.approx(0.1, rel=0.05)
    assert torch.equal(model.eval()(x), x)


def test_more_data_doubles_the_examples():
    old, new = (torch.utils.data.TensorDataset(torch.randn(20, 8)) for _ in range(2))
    loader = torch.utils.data.DataLoader(old, batch_size=5)
    _, names = run("more_data", Facts(framework="torch"), train_loader=loader, new_examples=new)
    assert len(names["train_loader"].dataset) == 40
    assert len(list(names["train_loader"])) == 8
