"""Tables in the very form in which frameworks and people write them."""

import math

import pytest

from overfit_monitor.errors import UnreadableError
from overfit_monitor.readers.base import HEAD_BYTES
from overfit_monitor.readers.csv_table import LONGEST_LINE, CsvTable
from overfit_monitor.readers.pairing import Names

KERAS = "epoch,accuracy,loss,val_accuracy,val_loss\n0,0.5,1.25,0.4,1.5\n1,0.75,1.0,NA,NA\n2,0.8,0.5,0.5,nan\n"
LIGHTNING = "epoch,step,train_loss,val_loss\n0,48,,0.75\n0,49,0.5,\n1,97,,0.625\n1,99,0.25,\n"
YOLO = (
    "                  epoch,         train/box_loss,         train/cls_loss,           val/box_loss,"
    "           val/cls_loss,                 lr/pg0\n"
    "                      1,                    1.5,                    2.5,                   1.25,"
    "                    2.0,                   0.01\n"
)


def read(tmp_path, content, *, name="log.csv", names=None):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (run,) = CsvTable(names).read([path], tmp_path)
    return run


def curves(run):
    return [(o.step, o.train.get("loss"), o.val.get("loss")) for o in run.observations]


def test_keras_csv_logger(tmp_path):
    first, second, third = read(tmp_path, KERAS).observations
    assert (first.step, first.train, first.val) == (0, {"accuracy": 0.5, "loss": 1.25}, {"accuracy": 0.4, "loss": 1.5})
    assert (second.train, second.val) == ({"accuracy": 0.75, "loss": 1.0}, {})
    assert third.val["loss"] != third.val["loss"]


def test_lightning_writes_two_rows_an_epoch(tmp_path):
    assert curves(read(tmp_path, LIGHTNING)) == [(0, 0.5, 0.75), (1, 0.25, 0.625)]


def test_yolo_pads_its_columns_and_logs_no_total(tmp_path):
    run = read(tmp_path, YOLO)
    (only,) = run.observations
    assert only.train == {"box_loss": 1.5, "cls_loss": 2.5, "loss": 4.0}
    assert only.val == {"box_loss": 1.25, "cls_loss": 2.0, "loss": 3.25}
    assert only.learning_rate == 0.01
    assert run.notes == ("no total loss was logged: 'loss' is the sum of box_loss and cls_loss.",)


@pytest.mark.parametrize(
    "content",
    [
        "epoch,train_loss,val_loss\n1,0.5,0.75\n",
        "epoch;train_loss;val_loss\n1;0.5;0.75\n",
        "epoch;train_loss;val_loss\n1;0,5;0,75\n",
        "epoch\ttrain_loss\tval_loss\n1\t0.5\t0.75\n",
        "Epoch, Train Loss, Val Loss\r\n1, 0.5, 0.75\r\n",
        '"epoch","train_loss","val_loss"\n"1","0.5","0.75"',
        "\ufeffepoch,train_loss,val_loss\n1,0.5,0.75\n",
        "\n\nepoch,train_loss,val_loss\n\n1,0.5,0.75\n\n",
        ",trainLoss,valLoss\n1,0.5,0.75\n",
    ],
)
def test_written_by_hand(tmp_path, content):
    assert curves(read(tmp_path, content)) == [(1, 0.5, 0.75)]


def test_a_resumed_log_keeps_its_order(tmp_path):
    content = "epoch,loss,val_loss\n31,3,3\n32,2,2\nepoch,loss,val_loss\n31,1,1\n"
    assert curves(read(tmp_path, content)) == [(31, 3, 3), (32, 2, 2), (31, 1, 1)]


def test_values_that_overflow_are_infinite(tmp_path):
    assert curves(read(tmp_path, "loss,val_loss\n1e24,-1e999\n")) == [(0, 1e24, float("-inf"))]


def test_words_between_numbers_are_noted_with_their_place(tmp_path):
    run = read(tmp_path, "loss,val_loss\n1,2\n1,oops\n1,again\n")
    assert curves(run) == [(0, 1, 2), (1, 1, None), (2, 1, None)]
    assert run.notes == ("column 'val_loss', line 3: 'oops' is no number, 2 such cell(s) taken as empty.",)


@pytest.mark.parametrize(
    ("last", "kept"),
    [
        ("3,0.25,0.8125", 0.8125),  # whole: as long as the others
        ("3,0.25,0.8", None),
        ("3,0.25,0.8\n", 0.8),  # what has an end is taken at its word
        ("3,0.25,1e-0", None),
        ("3,0.25,", None),
        ("3,0.25,nan", math.nan),
    ],
)
def test_a_number_at_the_very_end_may_lack_digits(tmp_path, last, kept):
    run = read(tmp_path, f"epoch,loss,val_loss\n0,1,1.5625\n1,0.75,1.125\n2,0.5,0.9375\n{last}")
    assert [o.train["loss"] for o in run.observations] == [1.0, 0.75, 0.5, 0.25]
    assert run.observations[-1].val == pytest.approx({} if kept is None else {"loss": kept}, nan_ok=True)
    assert (kept is None and last[-1] != ",") == any("may lack digits: left out." in note for note in run.notes)


def test_a_last_line_cut_off_is_left_out_and_noted(tmp_path):
    run = read(tmp_path, "epoch,loss,val_loss\n0,3,4\n1,2,3\n2,0.0")
    assert curves(run) == [(0, 3, 4), (1, 2, 3)]
    assert run.notes == ("line 4 cut off after 2 of 3 cells: left out.",)


def test_many_short_lines_are_counted(tmp_path):
    run = read(tmp_path, "epoch,loss,val_loss\n0,3,4\n" + "1,2\n" * 5)
    assert run.notes[-1] == "2 more line(s) with too few cells: left out."
    assert len(run.notes) == 4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "line 1: the file is empty"),
        (" \n \n", "line 1: the file is empty"),
        ("epoch,loss,val_loss\n", "line 1: a header and no row that could be read"),
        ("epoch,loss,val_loss\n1,2", "line 2: a header and no row that could be read (line 2 cut off after 2 of 3"),
        ("1,2,3\n4,5,6\n", "line 1: numbers where the header should name the columns"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "line 1: a git-lfs pointer"),
        ("loss,val_loss\n1,2\n\0\0\n", "line 3: binary data"),
        ('loss,val_loss\n1,"2\n' + "1,2\n" * 50_000, "field larger than field limit"),
        ("loss,val_loss\n1," + "2" * LONGEST_LINE, f"line 2: longer than {LONGEST_LINE} bytes"),
        (",".join(f"val_loss{i}" for i in range(2000)) + "\n", "2000 columns look like metrics"),
    ],
)
def test_what_cannot_be_read_is_one_line_with_file_and_place(tmp_path, content, message):
    with pytest.raises(UnreadableError) as caught:
        read(tmp_path, content)
    assert str(caught.value).startswith(f"{tmp_path / 'log.csv'}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_users_own_names(tmp_path):
    content = "a,b,c\n1,2,3\n"
    (only,) = read(tmp_path, content, names=Names(val="b", train="c")).observations
    assert (only.train, only.val) == ({"b": 3.0}, {"b": 2.0})


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("log.csv", KERAS, True),
        ("log.txt", KERAS, True),
        ("log", LIGHTNING, True),
        ("results.csv", YOLO, True),
        ("empty.csv", "", True),
        ("empty.txt", "", False),
        ("pointer.csv", "version https://git-lfs.github.com/spec/v1\n", True),
        ("pointer.bin", "version https://git-lfs.github.com/spec/v1\n", False),
        ("iris.csv", "sepal_length,species\n5.1,setosa\n", False),
        ("summary.csv", "model,accuracy\nresnet,0.9\n", False),
        ("console.txt", "Epoch 1/5, loss: 3, val_loss: 4\nEpoch 2/5, loss: 2, val_loss: 3\n", False),
        ("binary.csv", "\0\1\2", False),
    ],
)
def test_recognizes(tmp_path, name, content, expected):
    assert CsvTable().recognizes(tmp_path / name, content.encode()[:HEAD_BYTES]) is expected


@pytest.mark.parametrize(
    ("cell", "value"), [("85.3%", 85.3), ("1_0", None), ("%", None), ("5 %", 5.0), ("1e400", float("inf"))]
)
def test_cells_that_people_write(tmp_path, cell, value):
    run = read(tmp_path, f"loss,val_loss\n1,{cell}\n2,3\n")
    assert curves(run) == [(0, 1, value), (1, 2, 3)]


def test_a_validation_that_was_never_a_number_is_said_to_have_failed(tmp_path):
    run = read(tmp_path, "epoch,loss,val_loss\n0,3,nan\n1,2,nan\n")
    assert run.notes == ("'val_loss' holds nothing but nan while 'loss' has numbers: what failed is the validation.",)
    assert read(tmp_path, "epoch,loss,val_loss\n0,nan,nan\n").notes == ()
    assert read(tmp_path, "epoch,loss,val_loss\n0,3,nan\n1,2,1\n").notes == ()
