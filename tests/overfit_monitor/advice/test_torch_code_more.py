"""The PyTorch code of the rules that change more than one line, run as it stands and seen to work."""

import math

import pytest

from overfit_monitor.advice import CATALOGUE
from overfit_monitor.advice.wording import KERAS_HEADING
from overfit_monitor.facts import DataFacts, Facts, LayerFacts, LossFacts, OptimizerFacts
from overfit_monitor.records import Finding
from overfit_monitor.testing.sample_runs import OVERFIT, dense_network, runs_against, table_network, text_network

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

RULES = {rule.id: rule for rule in CATALOGUE}


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def run(id, facts, diagnosis=OVERFIT, **names):
    answer = RULES[id]().advise(diagnosis, facts)
    exec(compile(answer.code.split(KERAS_HEADING)[0], id, "exec"), names)
    return answer, names


def dense(depth=2, rate=None):
    layers = [nn.Linear(8, 32), nn.ReLU()]
    for _ in range(depth - 1):
        layers += [nn.Linear(32, 32), nn.ReLU()]
    layers += [] if rate is None else [nn.Dropout(rate)]
    return nn.Sequential(*layers, nn.Linear(32, 3))


def facts_of(model, **known):
    kinds = {nn.Linear: "linear", nn.Dropout: "dropout", nn.Embedding: "embedding", nn.Conv2d: "conv"}
    layers = tuple(
        LayerFacts(
            name=name,
            kind=kinds[type(layer)],
            parameters=sum(p.numel() for p in layer.parameters()),
            width=getattr(layer, "out_features", None),
            rate=getattr(layer, "p", None),
        )
        for name, layer in model.named_modules()
        if type(layer) in kinds
    )
    base = dense_network().model_dump() | {"layers": layers}
    return Facts(**{**base, **known})


def step(model, optimizer, criterion=None, x=None):
    x = torch.randn(16, 8) if x is None else x
    loss = (criterion or nn.CrossEntropyLoss())(model.train()(x), torch.randint(0, 3, (16,)))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    assert torch.isfinite(loss)
    return loss


def test_weights_are_averaged_in_eval_mode_and_only_there():
    model = dense()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    answer, names = run("weight_averaging", facts_of(model), model=model, optimizer=optimizer)
    for _ in range(20):
        step(model, optimizer)
    live = model[0].weight.clone()
    model.eval()
    assert names["averaging"].in_place
    assert not torch.equal(model[0].weight, live)
    model.train()
    assert torch.equal(model[0].weight, live)
    assert answer.change == {"weight_averaging": pytest.approx(0.929)}  # 1 - 1 / (2 x 7 steps), two digits of the rest


def test_mixup_has_the_losses_of_both_and_leaves_validation_alone():
    class Same(nn.Module):
        def forward(self, x):
            self.seen = x
            return x

    model, criterion = Same(), nn.CrossEntropyLoss()
    run("mixup", facts_of(dense()), model=model, criterion=criterion)
    x, y = torch.eye(3) * 5.0, torch.arange(3)
    torch.manual_seed(3)
    model.train()
    logits = model(x)
    loss = criterion(logits.requires_grad_(), y)
    mixed = model.seen
    assert not torch.equal(mixed, x)
    # each row is share * x[i] + (1 - share) * x[order[i]], and the loss weighs both labels alike
    shares = mixed / 5.0
    by_hand = -(shares * torch.log_softmax(mixed, 1)).sum(1).mean()
    assert loss.item() == pytest.approx(by_hand.item(), rel=1e-5)
    model.eval()
    with torch.no_grad():
        assert criterion(model(x), y).item() == pytest.approx(nn.functional.cross_entropy(x, y).item())


def test_label_smoothing_is_in_training_only_and_stays_readable():
    criterion = nn.CrossEntropyLoss()
    run("label_smoothing", facts_of(dense()), criterion=criterion)
    logits, y = torch.randn(4, 3, requires_grad=True), torch.arange(4) % 3
    smoothed = nn.functional.cross_entropy(logits, y, label_smoothing=0.1)
    assert criterion(logits, y).item() == pytest.approx(smoothed.item())
    with torch.no_grad():
        assert criterion(logits, y).item() == pytest.approx(nn.functional.cross_entropy(logits, y).item())
    assert criterion.label_smoothing == 0.1


def test_tokens_are_dropped_whole():
    model = nn.Sequential(nn.Embedding(10, 4), nn.Flatten(), nn.Linear(20, 3))
    run("token_dropout", facts_of(model, data=DataFacts(kind="text")), model=model)
    tokens = torch.randint(0, 10, (200, 5))
    vectors = model[0].train()(tokens)
    gone = (vectors == 0).all(-1)
    assert gone.float().mean().item() == pytest.approx(0.1, abs=0.03)
    assert torch.allclose(vectors[~gone], model[0].weight[tokens][~gone] / 0.9)
    assert torch.equal(model[0].eval()(tokens), model[0].weight[tokens])


def test_inputs_are_standardized_by_the_training_set():
    x = torch.randn(64, 8) * torch.logspace(-2, 3, 8) + 40.0
    x[:, 3] = 1234.567  # its mean in single precision is another number
    model = nn.Sequential(nn.Identity())
    data = DataFacts(kind="tabular", unscaled=7, features=8, constant=1)
    loader = DataLoader(TensorDataset(x, torch.zeros(64)), batch_size=16)
    run("standardize_inputs", facts_of(dense(), data=data), model=model, train_loader=loader)
    out = model(x)
    assert torch.allclose(out.mean(0), torch.zeros(8), atol=1e-3)
    assert torch.allclose(out.std(0)[[0, 1, 2, 4, 5, 6, 7]], torch.ones(7), atol=1e-3)
    assert out[:, 3].abs().max() < 1e-3
    assert model(x + 1.0)[:, 3].abs().max() < 2.0


def test_the_l1_penalty_is_its_gradient_on_the_first_layer():
    model = dense()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    answer, _ = run("l1_penalty", facts_of(model, data=table_network().data), model=model)
    before = model[0].weight.detach().clone()
    loss = model(torch.zeros(4, 8)).sum() * 0.0
    optimizer.zero_grad()
    loss.backward()
    assert torch.allclose(model[0].weight.grad, answer.change["l1"] * before.sign())
    assert torch.equal(model[2].weight.grad, torch.zeros_like(model[2].weight))
    step(model, optimizer)


def test_hidden_layers_are_normalized():
    model = dense(depth=4)
    run("normalization", facts_of(model), model=model)
    assert sum(isinstance(m, nn.LayerNorm) for m in model.modules()) == 4
    step(model, torch.optim.SGD(model.parameters(), lr=0.1))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(8, 8)

    def forward(self, x):
        return x + self.body(x)


def test_blocks_are_skipped_at_rates_that_grow_and_their_mean_stays():
    model = nn.Sequential(*[Block() for _ in range(4)])
    facts = text_network().model_copy(update={"residual_blocks": ("0", "1", "2", "3")})
    run("stochastic_depth", facts, model=model)
    x = torch.randn(1, 8).expand(20_000, 8)
    model.train()
    out = model[3](x)
    skipped = (out == x).all(1).float().mean().item()
    assert skipped == pytest.approx(0.1, abs=0.01)
    assert torch.allclose(out.mean(0), model[3].eval()(x[:1])[0], atol=0.05)


def test_a_temperature_is_fitted_to_logits_that_are_three_times_too_large():
    logits = torch.randn(4000, 3) * 1.5
    labels = torch.distributions.Categorical(logits=logits).sample()
    loader = DataLoader(TensorDataset(3.0 * logits, labels), batch_size=500)
    (diagnosis, *_) = runs_against(RULES["temperature"])
    _, names = run("temperature", dense_network(), diagnosis, model=nn.Identity(), val_loader=loader)
    assert names["temperature"] == pytest.approx(3.0, rel=0.1)


def test_the_learning_rate_is_lowered_in_every_group():
    model = dense()
    optimizer = torch.optim.SGD([{"params": [p], "lr": 0.1} for p in model.parameters()], lr=0.1)
    facts = facts_of(model, optimizer=OptimizerFacts(name="SGD", learning_rate=0.1))
    answer, _ = run("learning_rate", facts, OVERFIT.model_copy(update={"best_step": 1}), optimizer=optimizer)
    assert answer.change == {"learning_rate": 0.03}
    assert {group["lr"] for group in optimizer.param_groups} == {0.03}


def test_the_schedule_ends_at_zero():
    model = dense()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    facts = facts_of(model, optimizer=OptimizerFacts(name="AdamW", learning_rate=0.01, schedule="none"))
    noisy = OVERFIT.model_copy(update={"findings": (Finding(id="noisy_validation", severity="info", message=""),)})
    answer, names = run("schedule", facts, noisy, optimizer=optimizer)
    assert answer.change == {"schedule": "cosine", "epochs": 20}  # 1.5 x 13
    for _ in range(names["epochs"]):
        optimizer.step()
        names["schedule"].step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.0, abs=1e-9)


def test_batches_are_halved():
    data = TensorDataset(torch.randn(100, 8))
    facts = facts_of(dense(), data=DataFacts(batch_size=64, steps_per_epoch=2))
    _, names = run("batch_size", facts, train_loader=DataLoader(data, batch_size=64))
    assert names["train_loader"].batch_size == 32
    assert len(names["train_loader"]) == 4


def test_the_first_half_is_frozen():
    model = nn.Sequential(*[nn.Linear(8, 8) for _ in range(4)])
    run("freeze_layers", facts_of(model, pretrained=True), model=model)
    assert [layer.weight.requires_grad for layer in model] == [False, False, True, True]


def test_copies_leave_validation():
    x = torch.arange(20.0).reshape(10, 2)
    train_set, val_set = TensorDataset(x[:6], torch.zeros(6)), TensorDataset(x[4:], torch.zeros(6))
    (diagnosis, *_) = runs_against(RULES["remove_duplicates"])
    facts = dense_network().model_copy(update={"data": DataFacts(duplicates=2)})
    _, names = run("remove_duplicates", facts, diagnosis, train_set=train_set, val_set=val_set)
    assert [row[0].tolist() for row in names["val_set"]] == x[6:].tolist()


def test_the_validation_set_grows():
    sets = {name: TensorDataset(torch.arange(float(n))) for name, n in (("train_set", 1000), ("val_set", 100))}
    finding = Finding(id="noisy_validation", severity="warning", message="", evidence={"examples_factor": 4.0})
    diagnosis = OVERFIT.model_copy(update={"findings": (finding,)})
    facts = dense_network().model_copy(update={"data": DataFacts(n_val=100)})
    answer, names = run("larger_validation_set", facts, diagnosis, **sets)
    assert answer.change == {"n_val": 400}
    assert (len(names["val_set"]), len(names["train_set"])) == (400, 700)


@pytest.mark.parametrize("classification", [True, False])
def test_decay_and_dropout_come_together_for_a_classification(classification):
    model = dense()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.001)
    facts = facts_of(
        model,
        optimizer=OptimizerFacts(name="AdamW", learning_rate=0.001, weight_decay=0.01, decoupled=True),
        loss=LossFacts(name="CrossEntropyLoss", classification=classification),
    )
    if not classification:
        assert RULES["weight_decay_with_dropout"]().advise(OVERFIT, facts) is None
        return
    answer, _ = run("weight_decay_with_dropout", facts, model=model, optimizer=optimizer)
    assert answer.change == {"weight_decay": 5.5, "dropout": 0.2}
    assert [m.p for m in model.modules() if isinstance(m, nn.Dropout)] == [0.2, 0.2]
    assert {g["weight_decay"] for g in optimizer.param_groups} == {5.5, 0.0}
    step(model, optimizer)


def test_less_regularization_halves_what_is_strong():
    model = dense(rate=0.5)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.4)
    known = OptimizerFacts(name="AdamW", learning_rate=0.01, weight_decay=0.4, decoupled=True)
    diagnosis = OVERFIT.model_copy(update={"verdict": "underfitting"})
    run("less_regularization", facts_of(model, optimizer=known), diagnosis, model=model, optimizer=optimizer)
    assert model[4].p == 0.25
    assert optimizer.param_groups[0]["weight_decay"] == 0.05


def test_a_larger_model_for_one_that_underfits():
    model = dense()
    facts = facts_of(model, data=DataFacts(n_train=5000))
    diagnosis = OVERFIT.model_copy(update={"verdict": "underfitting", "best_step": 39})
    run("larger_model", facts, diagnosis, model=model)
    assert [m.out_features for m in model.modules() if isinstance(m, nn.Linear)] == [64, 64, 3]
    _, names = run("train_longer", facts, diagnosis, epochs=40)
    assert names["epochs"] == 80
    assert math.isfinite(step(model, torch.optim.SGD(model.parameters(), lr=0.1)).item())
