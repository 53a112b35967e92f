"""Real processes over gloo: one judgement, one journal, one stop, and no hang when one of them fails.

Each case starts two or four processes; nothing else shows what they do. They are copies of one that has imported
PyTorch already, which takes each of them seconds otherwise.
"""

from __future__ import annotations

import json
import os
import warnings
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
import torch.distributed as dist  # noqa: E402
import torch.multiprocessing as mp  # noqa: E402
from torch import nn  # noqa: E402

from overfit_monitor import Monitor  # noqa: E402
from overfit_monitor.journal import FILE_NAME, observations, read_journal  # noqa: E402
from overfit_monitor_torch import watch  # noqa: E402
from overfit_monitor_torch.distributed import Share, reduced  # noqa: E402
from overfit_monitor_torch.models import unwrapped  # noqa: E402

pytestmark = pytest.mark.skipif(not dist.is_available(), reason="this PyTorch has no torch.distributed")

N_TRAIN, N_VAL = 46, 101  # neither can be divided by 2 or 4


def data():
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(N_TRAIN + N_VAL, 10, generator=generator)
    targets = (inputs[:, 0] + torch.randn(len(inputs), generator=generator) > 0).long()
    return (inputs[:N_TRAIN], targets[:N_TRAIN]), (inputs[N_TRAIN:], targets[N_TRAIN:])


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 2))


class Training:
    """The training of one rank: full batches of its own part, gradients averaged by DDP."""

    def __init__(self, rank, world, *, shard=None, **settings):
        wrap = shard or (nn.parallel.DistributedDataParallel if world > 1 else nn.Sequential)
        self.model = wrap(network())
        self.optimizer = torch.optim.Adam(self.model.parameters(), 0.02)
        self.criterion = nn.CrossEntropyLoss()
        train, val = data()
        self.train = [part[rank::world] for part in train]
        self.val = [part[rank::world] for part in val]
        self.monitor = watch(
            self.model, optimizer=self.optimizer, criterion=self.criterion, patience=8, strict=True, **settings
        )

    def epoch(self, *, validates=True):
        self.model.train()
        self.optimizer.zero_grad()
        self.criterion(self.model(self.train[0]), self.train[1]).backward()
        self.optimizer.step()
        self.model.eval()
        if validates:
            with torch.no_grad():
                for start in range(0, len(self.val[0]), 16):
                    # The inner model, since a rank with fewer batches must not wait in a collective of DDP.
                    inner = unwrapped(self.model)
                    self.criterion(inner(self.val[0][start : start + 16]), self.val[1][start : start + 16])

    def outputs(self):
        self.model.eval()
        with torch.no_grad():
            return self.model(data()[1][0]).clone()

    def result(self, epochs):
        weights = torch.cat([value.flatten() for value in self.model.state_dict().values()])
        return {
            "epochs": epochs,
            "stop": self.monitor.should_stop,
            "best": self.monitor.best_step,
            "restored": self.monitor.restored_step,
            "verdict": self.monitor.diagnosis.verdict,
            "weights": weights.double().sum().item(),
        }


def together(rank, world, folder):
    training = Training(rank, world, run_dir=folder / "run", keep_weights="disk" if world == 2 else "memory")
    epochs = [training.epoch() for _ in training.monitor.epochs(100)]
    return training.result(len(epochs))


def without_validation_data(rank, world, folder):
    training = Training(rank, world, run_dir=folder / "run")
    epochs = [training.epoch(validates=rank == 0) for _ in training.monitor.epochs(100)]
    return training.result(len(epochs))


def logged_by_hand(rank, world, folder):
    with watch(network(), run_dir=folder / "run", patience=2, strict=True) as monitor:
        for step in range(10):
            monitor.log(step=step, val={"loss": 1.0 + 0.1 * step + rank}, val_losses=[1.0 + 0.1 * step + rank] * 2)
            if monitor.should_stop:
                break
        return {"step": step, "best": monitor.best_step, "value": monitor.diagnosis.best_value}


def broken():
    raise ValueError("the data of this rank are broken")


def sharded(rank, world, folder, *, first_version=False):
    training = Training(rank, 1, run_dir=folder / "run", shard=_fsdp1 if first_version else _fsdp2)
    kept = []
    for _ in training.monitor.epochs(100):
        training.epoch()
        kept.append(training.outputs())
    best = training.monitor.best_step
    same = torch.equal(training.outputs(), kept[best])
    return {
        "same": same,
        "best": best,
        "restored": training.monitor.restored_step,
        "nbytes": training.monitor._best.nbytes,
    }


def sharded_by_the_first_version(rank, world, folder):
    return sharded(rank, world, folder, first_version=True)


def _fsdp1(model):
    from torch.distributed.fsdp import FullyShardedDataParallel

    return FullyShardedDataParallel(model, device_id=torch.device("cpu"))


def _fsdp2(model):
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    return fully_shard(model, mesh=init_device_mesh("cpu", (dist.get_world_size(),)))


def one_leaves_its_loop(rank, world, folder):
    monitor, epochs = watch(network(), run_dir=folder / "run", patience=5), 0
    for epoch in monitor.epochs(10):
        if rank == 1 and epoch == 2:
            break
        monitor.log(step=epoch, val={"loss": 1.0 + epoch})
        epochs += 1
    return {"epochs": epochs, "stop": monitor.should_stop}


def one_raises(rank, world, folder):
    steps = 0
    try:
        with watch(network(), run_dir=folder / "run", patience=1) as monitor:
            for step in range(10):
                if rank == 1 and step == 3:
                    broken()
                monitor.log(step=step, val={"loss": 1.0 + step})
                steps += 1
    except ValueError:
        return {"raised": True}
    return {"steps": steps, "stop": monitor.should_stop}


def one_is_killed_in_its_epoch(rank, world, folder):
    monitor = watch(network(), run_dir=folder / "run", criterion=nn.CrossEntropyLoss())
    monitor._ranks._longest = timedelta(seconds=8)
    for epoch in monitor.epochs(4):
        if rank == 1 and epoch == 2:
            os._exit(0)
        monitor.log(step=epoch, val={"loss": 1.0})
    return {"epochs": epoch + 1, "stop": monitor.should_stop}


def one_is_not_watched(rank, world, folder):
    if rank == 1:
        dist.barrier()
        return {}
    monitor = watch(network(), run_dir=folder / "run", patience=1)
    monitor._ranks._first = timedelta(seconds=1)
    for step in range(5):
        monitor.log(step=step, val={"loss": 1.0 + step})
    dist.barrier()
    return {"stop": monitor.should_stop, "verdict": monitor.diagnosis.verdict}


def continued(rank, world, folder):
    with watch(network(), run_dir=folder / "run", patience=3, strict=True) as monitor:
        before = monitor.monitor.state_dict()["observed"]
        for step in range(before, 9):
            monitor.log(step=step, val={"loss": 1.0 + 0.1 * step})
            if monitor.should_stop:
                break
    return {"before": before, "step": step, "best": monitor.best_step}


def apart(rank, world, folder):
    monitor = watch(network(), distributed=False, patience=1, strict=True)
    for step in range(3 + rank):
        monitor.log(step=step, val={"loss": 1.0})
    return {"stop": monitor.should_stop, "n": monitor.monitor.state_dict()["observed"]}


def process(rank, case, world, folder):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        result = case(rank, world, folder)
    told = [str(w.message) for w in told if "overfit-monitor" in str(w.message)]
    (folder / f"rank-{rank}.json").write_text(json.dumps(result | {"told": told}))
    dist.destroy_process_group()


def run(case, world, folder):
    mp.get_context("forkserver").set_forkserver_preload(["pytest", "torch.distributed.fsdp", "overfit_monitor_torch"])
    mp.start_processes(process, (case, world, folder), nprocs=world, start_method="forkserver")
    files = [folder / f"rank-{rank}.json" for rank in range(world)]
    return [json.loads(file.read_text()) for file in files if file.exists()]


def logged(folder):
    return observations(read_journal(folder / "run" / FILE_NAME))


@pytest.mark.parametrize("world", [2, 4])
def test_ranks_judge_and_stop_as_one_and_as_one_process_would(world, tmp_path):
    results = run(together, world, tmp_path)
    assert all(result == results[0] for result in results)
    assert results[0]["stop"]
    assert results[0]["restored"] == results[0]["best"] == results[0]["epochs"] - 9
    rows = logged(tmp_path)
    assert len(rows) == results[0]["epochs"]
    alone = Training(0, 1, run_dir=tmp_path / "alone")
    for _ in alone.monitor.epochs(3):
        alone.epoch()
    expected = observations(read_journal(tmp_path / "alone" / FILE_NAME))
    for row, other in zip(rows, expected, strict=False):
        # The parts of the training set differ by one example, so its mean is that of all only by their counts.
        assert row.val["loss"] == pytest.approx(other.val["loss"], rel=0.02)
        assert row.sampling.n == other.sampling.n == N_VAL
    first = rows[0]
    assert first.train["loss"] == pytest.approx(expected[0].train["loss"], rel=1e-6)


def test_a_rank_without_validation_data_goes_along(tmp_path):
    results = run(without_validation_data, 2, tmp_path)
    assert results[0] == results[1]
    assert results[0]["stop"]
    assert {row.sampling.n for row in logged(tmp_path)} == {(N_VAL + 1) // 2}


def test_values_logged_by_hand_are_averaged(tmp_path):
    results = run(logged_by_hand, 2, tmp_path)
    assert results[0] == results[1] == {"step": 2, "best": 0, "value": 1.5, "told": []}
    assert [row.val["loss"] for row in logged(tmp_path)] == pytest.approx([1.5, 1.6, 1.7])
    assert [row.sampling.n for row in logged(tmp_path)] == [4, 4, 4]


@pytest.mark.parametrize(("case", "share"), [(sharded, 0.5), (sharded_by_the_first_version, 1.0)])
@pytest.mark.filterwarnings("ignore:FullyShardedDataParallel:FutureWarning")
def test_sharded_models_restore_their_best_weights(case, share, tmp_path):
    results = run(case, 2, tmp_path)
    assert all(result["same"] and result["restored"] == result["best"] for result in results)
    whole = sum(value.nbytes for value in network().state_dict().values())
    assert [result["nbytes"] for result in results] == pytest.approx([share * whole] * 2, rel=0.01)


def test_a_rank_that_leaves_its_loop_leaves_the_others_training(tmp_path):
    first, second = run(one_leaves_its_loop, 2, tmp_path)
    assert (first["epochs"], first["stop"], second["epochs"]) == (10, False, 2)
    assert "rank 1 left with its loop was left half-way" in first["told"][0]


def test_a_rank_that_raises_leaves_the_others_training(tmp_path):
    first, second = run(one_raises, 2, tmp_path)
    assert second["raised"]
    assert (first["steps"], first["stop"]) == (10, False)  # nobody stops alone: the others would wait for him
    assert len(first["told"]) == 1
    assert "rank 1 left with ValueError: the data of this rank are broken" in first["told"][0]


def test_a_rank_that_is_gone_costs_one_wait(tmp_path):
    (first,) = run(one_is_killed_in_its_epoch, 2, tmp_path)
    assert (first["epochs"], first["stop"]) == (4, False)
    assert len(first["told"]) == 1
    assert "rank 1 brought nothing to evaluation 3: it is late" in first["told"][0]


def test_a_rank_that_is_not_watched_is_told(tmp_path):
    first, _ = run(one_is_not_watched, 2, tmp_path)
    assert not first["stop"]
    assert len(first["told"]) == 1
    assert "was it watched? Pass distributed=False" in first["told"][0]


def test_a_run_that_only_rank_0_can_read_is_continued_by_all(tmp_path):
    with Monitor(run_dir=tmp_path / "run", sinks={}, patience=3) as monitor:
        for step in range(2):
            monitor.log(step=step, val={"loss": 1.0 + 0.1 * step})
    results = run(continued, 2, tmp_path)
    assert [result["before"] for result in results] == [2, 0]
    assert [row.step for row in logged(tmp_path)] == [0, 1, 2, 3]


def test_ranks_that_are_to_be_judged_apart(tmp_path):
    assert [result["n"] for result in run(apart, 2, tmp_path)] == [3, 4]


def test_means_over_ranks_by_hand():
    found = reduced(
        [
            Share(4, {"loss": (1.0, 30)}, {"loss": (2.0, 5)}, 0.1, (0.1, 0.2), np.array([1.0, 3.0])),
            Share(4, {"loss": (2.0, 10), "kl": (5.0, 10)}, {}, 0.1, (0.05, 0.1), None, np.array([0.5])),
            Share(4, {}, {"loss": (3.0, 15)}, 0.1, None, np.array([4.0])),
        ]
    )
    assert found.train == {"loss": (1.25, 40.0), "kl": (5.0, 10.0)}
    assert found.val == {"loss": (2.75, 20.0)}
    assert (found.step, found.rate, found.rates) == (4, 0.1, (0.05, 0.2))
    assert found.val_losses.tolist() == [1.0, 3.0, 4.0]
    assert found.probe_losses.tolist() == [0.5]


def test_per_example_losses_that_a_rank_lacks_are_lacking():
    shares = [Share(0, {}, {"loss": (1.0, 2)}, val_losses=np.ones(2)), Share(0, {}, {"loss": (1.0, 2)})]
    assert reduced(shares).val_losses is None


def test_alone_there_are_no_ranks():
    assert not dist.is_initialized()
    assert watch(network())._ranks is None
    assert Path(FILE_NAME).exists() is False
