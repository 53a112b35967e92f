"""Facts that the user writes beside a log: read, completed, and what is wrong in them named."""

import json
from importlib.util import find_spec

import pytest

from overfit_monitor import Facts, UsageError
from overfit_monitor.cli import main
from overfit_monitor.facts import DataFacts, OptimizerFacts
from overfit_monitor.facts_file import completed, load_facts

YAML = find_spec("yaml") is not None
TEXTS = {
    "facts.yaml": "framework: torch\noptimizer: {name: AdamW, learning_rate: 0.001}\ndata:\n  steps_per_epoch: 20\n",
    "facts.toml": 'framework = "torch"\noptimizer = {name = "AdamW", learning_rate = 0.001}\n'
    "data.steps_per_epoch = 20\n",
    "facts.json": '{"framework": "torch", "optimizer": {"name": "AdamW", "learning_rate": 0.001},'
    ' "data": {"steps_per_epoch": 20}, "loss": null}',
}


@pytest.fixture(autouse=True)
def _needs_yaml(request):
    if "yaml" in str(request.node.callspec.params if hasattr(request.node, "callspec") else "") and not YAML:
        pytest.skip("pyyaml is not installed")


@pytest.mark.parametrize("name", TEXTS)
def test_three_formats_say_the_same(tmp_path, name):
    path = tmp_path / name
    path.write_text(TEXTS[name])
    optimizer = OptimizerFacts(name="AdamW", learning_rate=0.001)
    assert load_facts(path) == Facts(framework="torch", optimizer=optimizer, data=DataFacts(steps_per_epoch=20))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("f.yaml", "data: {n_trian: 3}", "unknown field of data 'n_trian'. Did you mean 'n_train'"),
        ("f.yaml", "optimiser: {name: SGD}", "unknown parameter 'optimiser'. Did you mean 'optimizer'"),
        ("f.yaml", "data: {n_train: many}", "data.n_train must be a valid integer"),
        ("f.yaml", "- 1", "facts must be names with values"),
        ("f.yaml", "a: [", "no valid YAML"),
        ("f.toml", "a = ", "no valid TOML"),
        ("f.json", "{", "no valid JSON"),
        ("missing.yaml", None, "No such file"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, name, text, message):
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError, match=message) as error:
        load_facts(path)
    assert str(path) in str(error.value)


def test_what_is_given_completes_what_a_log_tells():
    known = Facts(framework="keras", data=DataFacts(n_train=100, n_val=20))
    given = Facts(early_stopping=True, data=DataFacts(n_val=30))
    assert completed(known, given) == Facts(
        framework="keras", early_stopping=True, data=DataFacts(n_train=100, n_val=30)
    )


def test_advice_for_a_log_is_sized_by_the_facts(tmp_path, capsys):
    log = tmp_path / "history.csv"
    rows = [f"{i},{1 / (1 + i)},{1 / (1 + i) + max(0.0, 0.02 * (i - 12))}" for i in range(40)]
    log.write_text("\n".join(["epoch,loss,val_loss", *rows]))
    (tmp_path / "facts.toml").write_text("early_stopping = true\n" + TEXTS["facts.toml"])
    assert main(["check", str(log), "--format", "json", "--facts", str(tmp_path / "facts.toml")]) == 1
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    advised = {one["id"]: one for one in run["recommendations"]}
    assert "early_stopping" not in advised
    assert advised["weight_decay"]["change"] == {"weight_decay": 1.9}  # 1 / (2 x 0.001 x 13 x 20 steps)
    assert main(["check", str(log), "--facts", str(tmp_path / "no.toml")]) == 2


@pytest.mark.skipif(YAML, reason="pyyaml is installed")
def test_yaml_without_its_package_says_what_to_install(tmp_path):
    (tmp_path / "facts.yaml").write_text(TEXTS["facts.yaml"])
    with pytest.raises(UsageError, match=r"overfit-monitor\[yaml\]"):
        load_facts(tmp_path / "facts.yaml")
