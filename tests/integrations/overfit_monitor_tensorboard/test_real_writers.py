"""Logs written by the frameworks themselves, read by us and by TensorBoard alike."""

import warnings

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from overfit_monitor import Monitor
from overfit_monitor_tensorboard.events import EventReader, event_files, read_folder


def read(root):
    return {run.name: run for run in EventReader().read(sorted(root.rglob("*tfevents*")), root)}


def verdicts(root):
    return {name: Monitor(**run.settings).replay(run.observations).verdict for name, run in read(root).items()}


def as_tensorboard(folder):
    """Return every scalar curve of a folder as TensorBoard's own accumulator reads it."""
    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0}).Reload()
    curves = {tag: [(e.step, e.value) for e in accumulator.Scalars(tag)] for tag in accumulator.Tags()["scalars"]}
    for tag in accumulator.Tags()["tensors"]:
        if accumulator.SummaryMetadata(tag).plugin_data.plugin_name == "scalars":
            curves[tag] = [(e.step, float(make_ndarray(e.tensor_proto))) for e in accumulator.Tensors(tag)]
    return curves


def same(folder):
    ours = read_folder(event_files(folder))
    assert ours.notes == []
    assert ours.curves == as_tensorboard(folder)
    return set(ours.curves)


@pytest.fixture
def writer(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # imports TensorFlow, where it is installed
        tensorboard = pytest.importorskip("torch.utils.tensorboard")
    with tensorboard.SummaryWriter(str(tmp_path / "exp")) as writer:
        yield writer


def test_torch(writer, logs, tmp_path):
    for step, (train, val) in enumerate(zip(logs.falling, logs.turning, strict=True)):
        writer.add_scalar("Loss/train", train, step)
        writer.add_scalar("Loss/test", val, step, new_style=True)
        writer.add_text("note", "text", step)
    writer.add_histogram("weights", np.array([0.1, 0.2]), 0)
    writer.flush()
    assert same(tmp_path / "exp") == {"Loss/train", "Loss/test"}
    assert verdicts(tmp_path) == {"exp": "overfitting"}


def test_torch_add_scalars(writer, logs, tmp_path):
    for step, (train, val) in enumerate(zip(logs.falling, logs.turning, strict=True)):
        writer.add_scalars("Loss/epoch", {"train": train, "val": val}, step)
        writer.add_scalar("lr", 0.1, step)
    writer.close()
    assert sorted(p.name for p in (tmp_path / "exp").iterdir() if p.is_dir()) == ["Loss_epoch_train", "Loss_epoch_val"]
    assert same(tmp_path / "exp" / "Loss_epoch_val") == {"Loss/epoch"}
    assert verdicts(tmp_path) == {"exp": "overfitting"}
    assert read(tmp_path)["exp"].observations[0].learning_rate == pytest.approx(0.1)


def test_torch_and_our_own_sink_are_one_run(writer, logs, tmp_path):
    from overfit_monitor_tensorboard.writer import event_sink

    run_dir = tmp_path / "exp"
    with Monitor(run_dir, sinks={"tensorboard": event_sink(run_dir)}, strict=True) as monitor:
        for step, (train, val) in enumerate(zip(logs.falling, logs.turning, strict=True)):
            writer.add_scalar("loss/train", train, step)
            writer.add_scalar("loss/val", val, step)
            monitor.log(step=step, train={"loss": train}, val={"loss": val})
    writer.flush()
    assert len(event_files(run_dir)) == 1
    assert verdicts(tmp_path) == {"exp": "overfitting"}


def test_a_torch_writer_that_was_restarted(writer, logs, tmp_path):
    from torch.utils.tensorboard import SummaryWriter

    for step in range(40):
        writer.add_scalar("Loss/train", logs.falling[step], step)
        writer.add_scalar("Loss/val", logs.turning[step], step)
    writer.close()
    with SummaryWriter(str(tmp_path / "exp"), purge_step=20, filename_suffix=".again") as again:
        for step in range(20, 60):
            again.add_scalar("Loss/train", logs.falling[step], step)
            again.add_scalar("Loss/val", logs.level[step], step)
    observations = read(tmp_path)["exp"].observations
    assert [o.step for o in observations] == list(range(60))
    expected = logs.turning[:20] + logs.level[20:]
    assert [o.val["loss"] for o in observations] == pytest.approx(expected)


@pytest.fixture
def tf():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("tensorflow")


def test_tf_summary(tf, logs, tmp_path):
    for part, curve in {"train": logs.falling, "validation": logs.turning}.items():
        writer = tf.summary.create_file_writer(str(tmp_path / "exp" / part))
        with writer.as_default():
            for step, value in enumerate(curve):
                tf.summary.scalar("epoch_loss", value, step=step)
                tf.summary.histogram("weights", [value], step=step)
        writer.close()
        assert same(tmp_path / "exp" / part) == {"epoch_loss"}
    assert verdicts(tmp_path) == {"exp": "overfitting"}


# Keras asks numpy for its variables in the way of numpy 1.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_keras_callback(tf, tmp_path):
    """The callback's own folders, tags and record style, from a real fit."""
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(0)
    inputs, targets = tf.random.normal((32, 4)), tf.random.normal((32, 1))
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    callback = keras.callbacks.TensorBoard(str(tmp_path / "exp"), write_graph=False)
    split = {"validation_data": (inputs[:8], targets[:8])}
    history = model.fit(inputs, targets, epochs=3, verbose=0, callbacks=[callback], **split).history
    assert {"epoch_loss", "epoch_mae"} <= same(tmp_path / "exp" / "train")
    assert "epoch_loss" in same(tmp_path / "exp" / "validation")
    (run,) = read(tmp_path).values()
    assert run.name == "exp"
    epochs = [o for o in run.observations if "loss" in o.train]
    assert [o.val["loss"] for o in epochs] == pytest.approx(history["val_loss"])
    assert [o.train["loss"] for o in epochs] == pytest.approx(history["loss"])
    assert [o.val["mae"] for o in epochs] == pytest.approx(history["val_mae"])
