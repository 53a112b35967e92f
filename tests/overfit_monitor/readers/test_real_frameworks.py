"""Logs that the frameworks themselves write, each in a process of its own."""

import os
import subprocess
import sys

import pytest

from overfit_monitor.readers import read_runs

TRAIN = [1.0, 0.5, 0.25]
VAL = [1.5, 1.0, 0.75]
LOOP = f"for step, (train, val) in enumerate(zip({TRAIN}, {VAL})):\n"


def run(script, folder):
    """Run a script in a folder, without anything of this process but what is installed."""
    quiet = {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    store = {"MLFLOW_ALLOW_FILE_STORE": "true", "DVCLIVE_NO_UPDATES": "1", "DO_NOT_TRACK": "1"}
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        cwd=folder,
        env=os.environ | quiet | store,
        check=False,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    return result.stdout + result.stderr


def losses(found, split):
    return [values["loss"] for o in found.observations if "loss" in (values := getattr(o, split))]


def the_run(folder):
    (found,), problems = read_runs([folder])
    assert problems == []
    assert losses(found, "train") == pytest.approx(TRAIN)
    assert losses(found, "val") == pytest.approx(VAL)
    return found


def test_wandb_offline(tmp_path):
    pytest.importorskip("wandb")
    script = (
        "import wandb\nrun = wandb.init(project='p', config={'lr': 0.1})\n"
        f"{LOOP}    run.log({{'epoch': step, 'train/loss': train, 'val/loss': val, 'x': float('nan')}})\n"
        "run.summary['best'] = 3\nrun.finish()\n"
    )
    run(script, tmp_path)
    assert the_run(tmp_path).reader == "wandb"


def test_mlflow(tmp_path):
    pytest.importorskip("mlflow")
    pytest.importorskip("alembic")  # mlflow-skinny leaves out what the database needs
    script = (
        "import mlflow\nfor uri in ('files', 'sqlite:///database/mlflow.db'):\n    mlflow.set_tracking_uri(uri)\n"
        "    mlflow.set_experiment('e')\n    with mlflow.start_run(run_name='first'):\n"
        "        mlflow.log_param('lr', 0.1)\n"
        f"        {LOOP}            mlflow.log_metrics({{'train_loss': train, 'val_loss': val}}, step=step)\n"
        "            mlflow.log_metric('train/acc', 1, step=step)\n"
    )
    (tmp_path / "database").mkdir()
    run(script, tmp_path)
    for folder, reader in (("files", "mlflow"), ("database", "mlflow-sqlite")):
        found = the_run(tmp_path / folder)
        assert (found.name, found.reader) == ("first", reader)


def test_dvclive(tmp_path):
    pytest.importorskip("dvclive")
    script = (
        "from dvclive import Live\nwith Live('dvclive', save_dvc_exp=False, dvcyaml=None) as live:\n    "
        f"{LOOP}        live.log_metric('train/loss', train)\n"
        "        live.log_metric('val/loss', val, timestamp=True)\n        live.next_step()\n"
    )
    run(script, tmp_path)
    assert the_run(tmp_path).reader == "dvclive"


LIGHTNING = """
import torch, lightning
from lightning.pytorch.loggers import CSVLogger
class Model(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
    def loss(self, batch):
        return (self.layer(batch) ** 2).mean()
    def training_step(self, batch, _):
        loss = self.loss(batch)
        self.log("train_loss", loss, on_step=True, on_epoch=True)
        return loss
    def validation_step(self, batch, _):
        self.log("val_loss", self.loss(batch))
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)
data = torch.utils.data.DataLoader(torch.ones(8, 1), batch_size=2)
trainer = lightning.Trainer(
    max_epochs=3, logger=CSVLogger("."), accelerator="cpu", log_every_n_steps=2, num_sanity_val_steps=0,
    enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
)
trainer.fit(Model(), data, data)
"""


def test_lightning(tmp_path):
    pytest.importorskip("lightning")
    run(LIGHTNING, tmp_path)
    (found,), problems = read_runs([tmp_path])
    assert problems == []
    assert found.name == "lightning_logs/version_0/metrics"
    assert found.places.keys() == {"train_loss_epoch", "val_loss"}
    assert [observation.step for observation in found.observations] == [0, 1, 2]
    assert len(losses(found, "train")) == len(losses(found, "val")) == 3


KERAS = """
import os
os.environ["KERAS_BACKEND"] = "torch"
import contextlib, keras, numpy, json
model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
model.compile("sgd", "mse", metrics=["mae"])
x = numpy.ones((8, 1))
for verbose in (1, 2):
    os.makedirs(f"console/{verbose}")
    with open(f"console/{verbose}/train.log", "w") as file, contextlib.redirect_stdout(file):
        log = keras.callbacks.CSVLogger(f"log{verbose}.csv")
        fit = model.fit(x, x, epochs=3, validation_data=(x, x), callbacks=[log], verbose=verbose)
    json.dump(fit.history, open(f"history{verbose}.json", "w"))
"""


def test_keras(tmp_path):
    pytest.importorskip("keras")
    pytest.importorskip("torch")
    run(KERAS, tmp_path)
    runs, problems = read_runs([tmp_path])
    assert problems == []
    by_name = {found.name: found for found in runs}
    assert by_name.keys() == {name for v in (1, 2) for name in (f"log{v}", f"history{v}", f"console/{v}/train")}
    for v in (1, 2):
        printed, exact = by_name[f"console/{v}/train"], by_name[f"history{v}"]
        for split in ("train", "val"):
            assert losses(by_name[f"log{v}"], split) == pytest.approx(losses(exact, split))
            assert losses(printed, split) == pytest.approx(losses(exact, split), abs=1e-3, rel=1e-3)


HUGGING_FACE = """
import json, torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments
examples = [{"input_ids": torch.arange(4) + i % 3, "labels": i % 2} for i in range(16)]
config = BertConfig(vocab_size=9, hidden_size=4, num_hidden_layers=1, num_attention_heads=1, intermediate_size=4)
for name, validation in (("one", examples), ("two", {"a": examples, "b": examples[:8]})):
    arguments = TrainingArguments(
        name, num_train_epochs=3, eval_strategy="epoch", logging_steps=3, save_strategy="no", report_to=[],
        use_cpu=True, per_device_train_batch_size=4,
    )
    model = BertForSequenceClassification(config)
    trainer = Trainer(model, arguments, train_dataset=examples, eval_dataset=validation)
    metrics = trainer.train().metrics
    trainer.save_state()
    json.dump(trainer.state.log_history, open(f"{name}/history.json", "w"))
    if name == "one":
        trainer.log_metrics("train", metrics)
        trainer.log_metrics("eval", trainer.evaluate())
"""


def test_hugging_face(tmp_path):
    """Four steps an epoch and a line every three, so that training is logged at fractions of epochs."""
    pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    pytest.importorskip("torch")
    printed = run(HUGGING_FACE, tmp_path)
    (tmp_path / "console").mkdir()
    (tmp_path / "console/train.log").write_text(printed.partition("{'loss'")[1] + printed.partition("{'loss'")[2])
    runs, problems = read_runs([tmp_path])
    assert problems == []
    by_name = {found.name: found for found in runs}
    assert by_name.keys() == {
        "console/train",
        *(f"{n}/{f}" for n in ("one", "two") for f in ("history", "trainer_state")),
    }
    exact = by_name["one/trainer_state"]
    assert exact.places.keys() == {"loss", "eval_loss"}
    assert (len(losses(exact, "train")), len(losses(exact, "val"))) == (4, 3)
    assert losses(by_name["one/history"], "val") == losses(exact, "val")
    console = [o for o in by_name["console/train"].observations if o.step <= 3][:3]
    assert [o.step for o in console] == [1, 2, 3]
    assert [o.val["loss"] for o in console] == pytest.approx(losses(exact, "val"), rel=1e-3)
    two = by_name["two/trainer_state"]
    assert (two.places["loss"].metric, [len(o.val) for o in two.observations if o.val]) == ("a_loss", [2, 2, 2])
    assert any("compared with 'eval_a_loss', the first of 2" in note for note in two.notes)
