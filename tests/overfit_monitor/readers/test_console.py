"""Lines as frameworks and people print them, and what is read from each."""

import math

import pytest

from overfit_monitor.errors import UnreadableError
from overfit_monitor.readers.console import ConsoleLog, grouped, rows_of
from overfit_monitor.readers.console_line import header_split, said

KERAS_2 = """Epoch 1/3
 1/10 [==>...........................] - ETA: 3s - loss: 0.9\r\
10/10 [==============================] - 2s 15ms/step - loss: 0.5 - acc: 0.7 - val_loss: 0.6 - val_acc: 0.8
Epoch 00001: val_loss improved from inf to 0.60000, saving model to m.h5
Epoch 2/3
10/10 [==============================] - 2s 15ms/step - loss: 0.4 - acc: 0.7 - val_loss: 0.7 - val_acc: 0.8
Epoch 00002: val_loss did not improve from 0.60000
Epoch 3/3
 5/10 [=======>......................] - ETA: 1s - loss: 0.35 - acc: 0.7"""
LIGHTNING = (
    "Epoch 0:   0%|          | 0/50 [00:00<?, ?it/s]\r"
    "Epoch 0: 100%|██████████| 50/50 [00:01<00:00, 45.11it/s, v_num=0, train_loss=0.500]\r"
    "Validation DataLoader 0: 100%|███| 10/10 [00:00<00:00, 99it/s]\r"
    "Epoch 0: 100%|██████████| 50/50 [00:01<00:00, 45.11it/s, v_num=0, train_loss=0.500, val_loss=0.600]\r"
    "Epoch 1:  40%|████      | 20/50 [00:01<00:00, 45.11it/s, v_num=0, train_loss=0.450, val_loss=0.600]\r"
    "Epoch 1: 100%|██████████| 50/50 [00:01<00:00, 45.11it/s, v_num=0, train_loss=0.400, val_loss=0.550]\r"
    "Epoch 2:  40%|████      | 20/50 [00:01<00:00, 45.11it/s, v_num=0, train_loss=0.350, val_loss=0.550]\r"
)
HUGGING_FACE = """{'loss': 0.5, 'grad_norm': 1.2, 'learning_rate': 5e-05, 'epoch': 1.0}
{'eval_loss': 0.6, 'eval_runtime': 1.2, 'epoch': 1.0}
 50%|#####     | 10/20 [00:01<00:01, 9.1it/s]{'loss': '0.4', 'learning_rate': '4e-05', 'epoch': '2.0'}
{'eval_loss': 0.7, 'epoch': 2.0}
{'train_runtime': 3.0, 'train_loss': 0.45, 'epoch': 2.0}
"""
MNIST = """Train Epoch: 1 [0/60000 (0%)]\tLoss: 2.300039
Train Epoch: 1 [640/60000 (1%)]\tLoss: 0.5

Test set: Average loss: 0.6, Accuracy: 9888/10000 (99%)

Train Epoch: 2 [0/60000 (0%)]\tLoss: 0.4
Test set: Average loss: 0.7, Accuracy: 9898/10000 (99%)
"""
TUTORIAL = """Epoch 0/24
----------
train Loss: 0.5 Acc: 0.6
val Loss: 0.6 Acc: 0.7

Epoch 1/24
----------
train Loss: 0.4 Acc: 0.65
val Loss: 0.7 Acc: 0.75
"""
COQUI = """\x1b[4m\x1b[1m > EPOCH: 0/1000\x1b[0m
\x1b[1m > TRAINING (2026-02-11 01:08:02) \x1b[0m
\x1b[1m   --> TIME: 2026-02-11 01:08:34 -- STEP: 50/24940 -- GLOBAL_STEP: 50\x1b[0m
     | > loss: 0.5  (0.55)
     | > step_time: 0.2354  (0.23540449142456055)
\x1b[1m > EVALUATION \x1b[0m
  \x1b[1m--> EVAL PERFORMANCE\x1b[0m
     | > avg_loader_time:\x1b[91m 0.0117 \x1b[0m(+0)
     | > avg_loss:\x1b[92m 0.6 \x1b[0m(-2.12)
\x1b[4m\x1b[1m > EPOCH: 1/1000\x1b[0m
\x1b[1m > TRAINING (2026-02-11 02:08:02) \x1b[0m
     | > loss: 0.4  (0.45)
  \x1b[1m--> EVAL PERFORMANCE\x1b[0m
     | > avg_loss: 0.7 \x1b[0m(+0.1)
"""
BARS = """Epoch 1 [train]: 100%|██| 5/5 [00:00<00:00, 9it/s, loss=0.5]
Epoch 1 [val]: 100%|██| 2/2 [00:00<00:00, 9it/s, loss=0.6]
Epoch 2 [train]: 100%|██| 5/5 [00:00<00:00, 9it/s, loss=0.4]
Epoch 2 [val]: 100%|██| 2/2 [00:00<00:00, 9it/s, loss=0.7]
"""
FASTAI = (
    "epoch     train_loss  valid_loss  accuracy  time    \n0  0.5  0.6  0.85  00:12  \n1  0.4  0.7  0.87  00:12  \n"
)
TWICE = [(0.5, 0.6), (0.4, 0.7)]
LOGS = {
    "Keras 2": (KERAS_2, TWICE),
    "Lightning": (LIGHTNING, [(0.5, 0.6), (0.4, 0.55)]),
    "Hugging Face": (HUGGING_FACE, TWICE),
    "PyTorch's MNIST": (MNIST, TWICE),
    "PyTorch's tutorial": (TUTORIAL, TWICE),
    "Coqui": (COQUI, TWICE),
    "two bars": (BARS, TWICE),
    "fastai": (FASTAI, TWICE),
    "in pipes": ("| epoch | train loss | val loss |\n|---|---|---|\n| 1 | 0.5 | 0.6 |\n| 2 | 0.4 | 0.7 |", TWICE),
    "nanoGPT": (
        "step 0: train loss 0.5, val loss 0.6\niter 0: loss 9.9, time 3ms\nstep 250: train loss 0.4, val loss 0.7",
        TWICE,
    ),
    "a logger": (
        "2026-02-27 17:27:43,786 INFO train.py:33 - epoch 3 train loss 0.5 val loss 0.6\n"
        "2026-02-27 17:28:43,786 INFO train.py:33 - epoch 4 train loss 0.4 val loss 0.7",
        TWICE,
    ),
    "brackets": ("[Epoch 3/10] loss=0.5, val_loss=0.6\n[Epoch 4/10] loss=0.4, val_loss=0.7", TWICE),
    "labels": ("Train: loss 0.5 acc 9% | Val: loss 0.6 acc 88%\nTrain: loss 0.4 acc 91% | Val: loss 0.7 acc 8%", TWICE),
    "nothing counted": ("train loss: 0.5\nval loss: 0.6\ntrain loss: 0.4\nval loss: 0.7\n", TWICE),
    "objects": (
        'INFO {"epoch": 1, "train_loss": 0.5, "val_loss": 0.6}\nINFO {"epoch": 2, "train_loss": 0.4, "val_loss": 0.7}',
        TWICE,
    ),
    "the best so far": (
        "Epoch: 1, Train Loss: 0.5000, Val Loss: 0.6000, Best Val Loss: 0.6\n"
        "Epoch: 2, Train Loss: 0.4000, Val Loss: 0.7000, Best Val Loss: 0.6",
        TWICE,
    ),
    "MMEngine": (
        "2023/01/01 10:00:00 - mmengine - INFO - Epoch(train) [1][50/100]  lr: 1.0e-03  eta: 0:10:00  loss: 0.5\n"
        "2023/01/01 10:00:00 - mmengine - INFO - Epoch(val) [1][100/100]    loss: 0.6  data_time: 0.1\n"
        "2023/01/01 10:00:00 - mmengine - INFO - Epoch(train) [2][50/100]  lr: 1.0e-03  eta: 0:10:00  loss: 0.4\n"
        "2023/01/01 10:00:00 - mmengine - INFO - Epoch(val) [2][100/100]    loss: 0.7  data_time: 0.1\n",
        TWICE,
    ),
}  # fmt: skip


def read(tmp_path, text, name="train.log"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8", newline="")
    assert ConsoleLog().recognizes(path, path.read_bytes()[:4096])
    (run,) = ConsoleLog().read([path], tmp_path)
    return run


@pytest.mark.parametrize("name", LOGS)
def test_losses(tmp_path, name):
    text, expected = LOGS[name]
    run = read(tmp_path, text)
    train = [o.train["loss"] for o in run.observations if "loss" in o.train]
    val = [o.val["loss"] for o in run.observations if "loss" in o.val]
    assert list(zip(train, val, strict=True)) == expected


def test_a_bar_that_never_got_to_its_end_does_not_count():
    (*_, last) = rows_of(LIGHTNING)
    assert last["epoch"] == 1
    assert [row["epoch"] for row in rows_of(KERAS_2)] == [1, 2]


def test_boosting_counts_in_brackets():
    rows = list(rows_of("[0]\ttrain-rmse:0.5\teval-rmse:0.6\n[1]\ttrain-rmse:0.4\teval-rmse:0.7\n"))
    assert rows[1] == {"step": 1.0, "train-rmse": 0.4, "eval-rmse": 0.7}


LINES = [
    # line, values
    ("Epoch 3 | lr 1e-4 | train_loss: 1.2e-3", {"lr": 1e-4, "train_loss": 1.2e-3}),
    ("valid_loss: inf, loss=-Infinity", {"valid_loss": math.inf, "loss": -math.inf}),
    ("loss: .5 val_loss: 5.", {"loss": 0.5, "val_loss": 5.0}),
    ("Accuracy: 85.3%", {"Accuracy": 85.3}),
    ("val_loss improved from 0.5 to 0.4", {}),
    ("EarlyStopping: best val_loss 0.4, patience 3", {}),
    ("'val_loss' reached 0.30 (best 0.30)", {}),
    ("saving epoch=3-val_loss=0.25.ckpt", {}),
    ("loss took 0.5s", {}),
    ("17:27:43,786 [rank: 0] 2024-01-01", {"rank": 0.0}),
    ("val loss 0.4 (0.5)", {"val loss": 0.4}),
    ("loss: 0.5 - val_loss: 0.6 - acc: 0.7", {"loss": 0.5, "val_loss": 0.6, "acc": 0.7}),
    ("Val: loss 0.6 acc 0.7", {"val/loss": 0.6, "val/acc": 0.7}),
    ("epochs 1e400", {}),
]  # fmt: skip


@pytest.mark.parametrize(("line", "values"), LINES)
def test_what_a_line_says(line, values):
    assert said(line).values == values


@pytest.mark.parametrize(
    ("line", "epoch", "step"),
    [
        ("Epoch 3/10", 3, None),
        ("[Epoch 3/10][Step 100/600] loss 0.5", 3, 100),
        ("Epoch: 00012: loss 0.5", 12, None),
        ("epoch=3 loss=0.5", 3, None),
        ("iter 250: loss 1.9", None, 250),
        ("Epoch(val) [7][100/100] acc: 0.1", 7, None),
        ("Epoch 0.5", None, None),
        ("loss 3", None, None),
    ],
)
def test_where_a_line_stands(line, epoch, step):
    told = said(line)
    assert (told.epoch, told.step) == (epoch, step)


@pytest.mark.parametrize(
    ("line", "split"),
    [
        (" > EVALUATION ", "val"),
        ("  --> EVAL PERFORMANCE", "val"),
        (" > TRAINING (2026-02-11 01:08:02) ", "train"),
        ("Validation:", "val"),
        ("Train Size: 799", None),
        ("training the model with care", None),
        ("", None),
    ],
)
def test_headers_of_a_section(line, split):
    assert header_split(line) == split


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("train.log", TUTORIAL, True),
        ("slurm-1.out", TUTORIAL, True),
        ("nohup", TUTORIAL, True),
        ("train.log.1", TUTORIAL, True),
        ("train.py", TUTORIAL, False),
        ("README.md", TUTORIAL, False),
        ("requirements.txt", "numpy==1.26\nscipy==1.12\n", False),
        ("notes.txt", "val loss 0.5 is what we had\n", False),
        ("train.log", "\0" + TUTORIAL, False),
        ("sizes.log", "Train Size: 799\nVal Size: 200\nEpoch 1\nEpoch 2\n", False),
    ],
)
def test_recognizes(tmp_path, name, text, expected):
    assert ConsoleLog().recognizes(tmp_path / name, text.encode()) is expected


def test_the_first_metric_may_stand_far_behind_the_head(tmp_path):
    assert read(tmp_path, "building the model\n" * 2000 + TUTORIAL).name == "train"


def test_what_hugging_face_scripts_print_at_the_end_is_no_curve(tmp_path):
    run = read(
        tmp_path,
        "  Num Epochs = 3\n"
        "  0%|          | 0/9 [00:00<?, ?it/s]{'loss': 0.9, 'epoch': 0.67}\n"
        "{'eval_loss': 0.8, 'epoch': 1.0}\n"
        "{'loss': 0.7, 'epoch': 1.33}\n"
        "{'eval_loss': 0.6, 'epoch': 2.0}\n"
        "***** train metrics *****\n  epoch = 2.0\n  train_loss = 0.85\n  train_runtime = 0:01:43.00\n"
        "***** eval metrics *****\n  epoch = 2.0\n  eval_loss = 0.55\n",
    )
    assert [(o.step, o.train, o.val) for o in run.observations] == [
        (1, {"loss": 0.9}, {"loss": 0.8}),
        (2, {"loss": 0.7}, {"loss": 0.6}),
    ]


def test_how_many_epochs_there_will_be_is_no_epoch():
    text = "Epochs: 500\nval loss 0.5\nTotal epochs: 7, loss: 0.3, val loss 0.2\nepochs 3/9\nval loss 0.4\n"
    assert [row.get("epoch") for row in rows_of(text)] == [None, 7, 3]


@pytest.mark.parametrize(
    ("last", "kept"), [("0.7000", [0.9, 0.8, 0.7]), ("0.7", [0.9, 0.8]), ("0.", [0.9, 0.8]), ("0.7\n", [0.9, 0.8, 0.7])]
)
def test_a_number_at_the_very_end_may_lack_digits(tmp_path, last, kept):
    run = read(tmp_path, f"epoch 1 val loss 0.9000 (3s)\nepoch 2 val loss 0.8000 (3s)\nepoch 3 val loss {last}")
    assert [o.val["loss"] for o in run.observations] == kept
    assert len(run.notes) == (len(kept) < 3)


def test_a_console_without_a_metric_is_refused(tmp_path):
    path = tmp_path / "x.log"
    path.write_text("Epoch 1/50\n", encoding="utf-8")
    with pytest.raises(UnreadableError, match="no line tells a metric"):
        list(ConsoleLog().read([path], tmp_path))


def test_rows_without_a_count_are_put_together_until_a_name_comes_again():
    assert grouped([{"a": 1.0}, {"b": 2.0}, {"a": 3.0}]) == [{"a": 1.0, "b": 2.0}, {"a": 3.0}]
    assert grouped([{"a": 1.0, "epoch": 1.0}, {"b": 2.0}]) == [{"a": 1.0, "epoch": 1.0}, {"b": 2.0}]


@pytest.mark.parametrize(
    "text", ["[" * 200_000, "loss " * 200_000, "1/" * 200_000, "\x1b[" * 100_000, "(" * 9999 + "loss 1"]
)
def test_hostile_lines_take_no_time(text):
    assert list(rows_of(text)) == []
