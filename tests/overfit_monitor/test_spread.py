"""The same work in one process and in several gives the same, in the order of the items."""

import os
from functools import partial

import pytest

from overfit_monitor.check import check
from overfit_monitor.errors import UsageError
from overfit_monitor.spread import _in_order, spread


def square(item):
    return item * item


def die_at(number, item):
    if item == number:
        os._exit(9)
    return item


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_results_come_in_the_order_of_the_items(jobs):
    assert list(spread(square, range(100), jobs=jobs, died=square)) == [item * item for item in range(100)]


def test_an_item_that_kills_its_process_costs_itself_only():
    found = list(spread(partial(die_at, 5), range(12), jobs=2, died=lambda item: f"lost {item}"))
    assert found == [*range(5), "lost 5", *range(6, 12)]


@pytest.mark.parametrize(("wrong", "told"), [({"jobs": 0}, "jobs must be at least 1"), ({"engine": "rai"}, "'ray'")])
def test_what_cannot_be_right_is_told(wrong, told):
    with pytest.raises(UsageError, match=told):
        spread(square, [1, 2], died=square, **wrong)


def test_an_item_that_a_cluster_lost_is_done_again_by_itself():
    def result(item):
        if item % 2:
            raise ConnectionError
        return item

    found = _in_order(lambda item: item, result, range(600), (ConnectionError,), lambda item: -item)
    assert list(found) == [-item if item % 2 else item for item in range(600)]


@pytest.fixture
def folder(tmp_path):
    """Ten runs, two of them of one name, and a file without one."""
    for number in range(9):
        folder = tmp_path / f"run{number % 3}"
        folder.mkdir(exist_ok=True)
        rise = 0.02 * (number % 2)
        rows = [f"{i},{1 / (i + 1)!r},{1 / (i + 1) + rise * i!r}" for i in range(40)]
        (folder / f"log{number}.csv").write_text("\n".join(["epoch,loss,val_loss", *rows]))
    (tmp_path / "run0" / "log0.tsv").write_text("epoch\tloss\tval_loss\n0\t1\t1\n")  # the same name, another suffix
    (tmp_path / "run1" / "empty.csv").write_text("")
    return tmp_path


def test_a_check_in_two_processes_is_that_in_one(folder):
    one, two = check([folder], jobs=1), check([folder], jobs=2)
    assert one == two
    assert len(one.runs) == 10
    assert len({run.run for run in one.runs}) == 10
    assert len(one.errors) == 1


def test_dask_gives_the_same(folder):
    """The cluster is in this process: what is asked is whether a client that is there is used, and gives the same."""
    distributed = pytest.importorskip("distributed", reason="the engine 'dask' needs distributed")
    with distributed.Client(processes=False, n_workers=1, threads_per_worker=2, dashboard_address=None) as client:
        assert check([folder], engine="dask") == check([folder])
        assert client.status == "running"  # it is not ours to close
