"""The snippets of the README run as they stand, and its links lead somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def data():
    import numpy as np

    rng = np.random.default_rng(0)
    x = rng.normal(size=(240, 8)).astype("float32")
    return x, (x[:, 0] + rng.normal(size=240) > 0).astype("int64")


def test_the_pytorch_snippet(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    x, y = map(torch.from_numpy, data())
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(8, 128), torch.nn.ReLU(), torch.nn.Linear(128, 2))
    names = {
        "torch": torch,
        "model": model,
        "optimizer": torch.optim.Adam(model.parameters(), lr=0.01),
        "criterion": torch.nn.CrossEntropyLoss(),
        "train_loader": [(x[:40], y[:40])],
        "val_loader": [(x[40:], y[40:])],
    }
    exec(SNIPPETS[0], names)
    names["monitor"].close()
    assert names["monitor"].diagnosis.verdict == "overfitting"
    assert (tmp_path / "runs/exp1/overfit-monitor.jsonl").exists()


def test_the_keras_snippet(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    keras = pytest.importorskip("keras")
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    x, y = data()
    model = keras.Sequential([keras.layers.Dense(128, activation="relu"), keras.layers.Dense(2)])
    model.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    exec(SNIPPETS[1], {"model": model, "x": x, "y": y})
    assert (tmp_path / "runs/exp1/overfit-monitor.jsonl").exists()


@pytest.mark.parametrize("page", [path.relative_to(ROOT) for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]])
def test_every_link_leads_somewhere(page):
    text = (ROOT / page).read_text()
    targets = [t.split("#")[0] for t in re.findall(r"\]\(([^)]+)\)", text) if not t.startswith("http")]
    assert [t for t in targets if t and not (ROOT / page).parent.joinpath(t).exists()] == []
