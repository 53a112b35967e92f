"""What watching a PyTorch loop costs a training step, beside the bare loop and other ways to keep the mean loss.

usage: python benchmarks/overhead.py [--seconds 20] [--device cpu] [--steps 0.1 0.3 1 3] [--warm-up 1000]

One thread, one network for each length of step. The same training step runs bare, watched (loss module and optimizer
hooked by `watch`), with ``loss.item()`` added up by hand, with `torchmetrics.MeanMetric` and with
`SummaryWriter.add_scalar` at every step, where these are installed. The ways take turns in chunks of a few
milliseconds, so that whatever else the machine does meets all of them; a chunk is compared with the bare chunks
beside it. Told are microseconds a step over the bare loop and the ratio to it, each the median over chunks with
its 95 % interval. The first ``--warm-up`` steps of each way are left out. On a GPU the clock is read after
everything in the queue is done.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from importlib.util import find_spec

import numpy as np
import torch
from tables import progress, show
from torch import Tensor, nn

from overfit_monitor_torch import watch

CHUNK = 0.004  # seconds; long beside the clock, short beside what disturbs a machine


class Loop:
    """One way to run a training step.

    Args:
        width: Width of the network.
        device: Where it trains.
    """

    def __init__(self, width: int, device: torch.device) -> None:
        torch.manual_seed(0)
        batch = 64
        self.model = nn.Sequential(nn.Linear(32, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.model.append(nn.Linear(width, 10)).to(device)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01)
        self.criterion = nn.CrossEntropyLoss()
        self.inputs = torch.randn(batch, 32, device=device)
        self.targets = torch.randint(10, (batch,), device=device)
        self.after: Callable[[Tensor], object] | None = None

    def run(self, steps: int) -> None:
        """Train so many steps."""
        for _ in range(steps):
            self.optimizer.zero_grad()
            loss = self.criterion(self.model(self.inputs), self.targets)
            loss.backward()
            self.optimizer.step()
            if self.after is not None:
                self.after(loss)


class Adder:
    """The mean loss kept by hand, as tutorials do."""

    def __init__(self) -> None:
        self.total = 0.0

    def __call__(self, loss: Tensor) -> None:
        """Add a loss."""
        self.total += loss.item()


class Writer:
    """A scalar a step for TensorBoard."""

    def __init__(self, folder: str) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(folder)
        self.step = 0

    def __call__(self, loss: Tensor) -> None:
        """Write a loss."""
        self.step += 1
        self.writer.add_scalar("loss", loss, self.step)


def ways(width: int, device: torch.device, stack: ExitStack) -> Iterator[tuple[str, Loop]]:
    """Yield the ways by name, the bare one first."""
    yield "bare", Loop(width, device)
    watched = Loop(width, device)
    stack.enter_context(watch(watched.model, optimizer=watched.optimizer, criterion=watched.criterion, probe=False))
    yield "watched", watched
    by_hand = Loop(width, device)
    by_hand.after = Adder()
    yield "loss.item()", by_hand
    if find_spec("torchmetrics"):
        from torchmetrics import MeanMetric

        metered = Loop(width, device)
        metered.after = MeanMetric().to(device).update
        yield "MeanMetric", metered
    if find_spec("tensorboard"):
        written = Loop(width, device)
        written.after = Writer(stack.enter_context(tempfile.TemporaryDirectory()))
        yield "SummaryWriter", written


def timed(loop: Loop, steps: int, device: torch.device) -> float:
    """Return seconds a step."""
    begin = time.perf_counter()
    loop.run(steps)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return (time.perf_counter() - begin) / steps


def width_for(milliseconds: float, device: torch.device) -> int:
    """Return the width of a network whose step takes about so long here."""
    width = 8
    while width < 16_384:
        loop = Loop(width, device)
        loop.run(20)
        if min(timed(loop, 20, device) for _ in range(5)) >= milliseconds / 1e3:
            break
        width = int(width * 1.25) + 1
    return width


def interval(values: np.ndarray) -> tuple[float, float, float]:
    """Return the median and the 95 % interval of the median, by order statistics."""
    ordered = np.sort(values)
    n = len(ordered)
    reach = 0.98 * np.sqrt(n)
    low, high = max(0, int(n / 2 - reach)), min(n - 1, int(n / 2 + reach) + 1)
    return float(np.median(ordered)), float(ordered[low]), float(ordered[high])


def compare(milliseconds: float, seconds: float, device: torch.device, warm_up: int) -> list[list[object]]:
    """Let the ways take turns for so long; return a row for each."""
    with ExitStack() as stack:
        loops = dict(ways(width_for(milliseconds, device), device, stack))
        for loop in loops.values():
            loop.run(warm_up)
        steps = max(1, round(CHUNK / timed(loops["bare"], 50, device)))
        taken: dict[str, list[float]] = {name: [] for name in loops}
        begin = time.perf_counter()
        while time.perf_counter() - begin < seconds:
            for name in np.random.default_rng(len(taken["bare"])).permutation(list(loops)):
                taken[str(name)].append(timed(loops[str(name)], steps, device))
    bare = np.array(taken["bare"])
    rows = []
    for name, values in taken.items():
        extra, ratio = interval(1e6 * (np.array(values) - bare)), interval(np.array(values) / bare)
        own = name == "bare"
        rows.append(
            [
                f"{1e3 * np.median(bare):.2f}",
                name,
                "" if own else f"{extra[0]:.1f} ({extra[1]:.1f} to {extra[2]:.1f})",
                "" if own else f"{ratio[0]:.4f} ({ratio[1]:.4f} to {ratio[2]:.4f})",
                len(values) * steps,
            ]
        )
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="for each length of step (default: %(default)s)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: %(default)s)")
    parser.add_argument("--steps", type=float, nargs="+", default=[0.1, 0.3, 1.0, 3.0], help="milliseconds of a step")
    parser.add_argument("--warm-up", type=int, default=1000, help="steps before (default: %(default)s)")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    rows = []
    for milliseconds in given.steps:
        progress(f"a step of {milliseconds} ms")
        rows += compare(milliseconds, given.seconds, torch.device(given.device), given.warm_up)
    header = ["step, ms", "way", "over the bare step, µs (95 %)", "ratio (95 %)", "steps"]
    show(f"Cost of a training step on {given.device}, one thread", header, rows)


if __name__ == "__main__":
    main()
