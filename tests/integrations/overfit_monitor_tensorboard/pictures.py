"""Make the pictures of the documentation: real trainings on scikit-learn's digits, in a real TensorBoard.

usage: python -m tests.integrations.overfit_monitor_tensorboard.pictures [FOLDER]   (docs/images)
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from ...chromium import chromium
from . import browser as real

HERE = Path(__file__).parent
SIZE = {"width": 1280, "height": 720}
WIDE = 500
EPOCHS = 60


def data() -> tuple[Any, ...]:
    """Return train and validation digits; few train ones, so that a wide network overfits."""
    import torch
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    x, y = load_digits(return_X_y=True)
    x = torch.tensor(x / 16.0, dtype=torch.float32)
    split = train_test_split(x, torch.tensor(y), train_size=1000, random_state=1, stratify=y)
    return split[0], split[2], split[1], split[3]


def train(
    folder: Path, *, width: int = WIDE, count: int = 120, rate: float = 3e-3, noise: float = 0.2, **model: float
) -> None:
    """Train one network on the first ``count`` digits, ``noise`` of their labels wrong, and log it."""
    import torch
    from torch.utils.tensorboard import SummaryWriter

    from overfit_monitor import Monitor

    torch.set_num_threads(1)
    torch.manual_seed(2)
    x, y, val_x, val_y = data()
    x, y = x[:count], y[:count].clone()
    wrong = torch.rand(count) < noise
    y[wrong] = torch.randint(0, 10, (int(wrong.sum()),))
    drop = torch.nn.Dropout(model.get("dropout", 0.0))
    net = torch.nn.Sequential(torch.nn.Linear(64, width), torch.nn.ReLU(), drop, torch.nn.Linear(width, 10))
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=model.get("decay", 0.0))
    loss = torch.nn.CrossEntropyLoss()
    with SummaryWriter(folder) as writer, Monitor(run_dir=folder) as monitor:
        for epoch in range(EPOCHS):
            net.train()
            total = 0.0
            for part in torch.randperm(count).split(32):
                value = loss(net(x[part]), y[part])
                optimizer.zero_grad()
                value.backward()
                optimizer.step()
                total += value.item() * len(part) / count
            net.eval()
            with torch.no_grad():
                val = loss(net(val_x), val_y).item()
            writer.add_scalar("loss/train", total, epoch)
            writer.add_scalar("loss/val", val, epoch)
            monitor.log(step=epoch, train={"loss": total}, val={"loss": val})


def main() -> None:
    """Train, serve, and save the pictures."""
    target = Path(sys.argv[1] if len(sys.argv) > 1 else HERE.parents[2] / "docs" / "images")
    with tempfile.TemporaryDirectory() as name, chromium() as browser:
        logs = Path(name) / "runs"
        train(logs / "digits" / "wide-500")
        train(logs / "digits" / "dropout-0.5", dropout=0.5)
        train(logs / "digits" / "weight-decay-0.3", decay=0.3)
        train(logs / "digits" / "clean-labels", noise=0.0)
        train(logs / "digits" / "all-data", count=1000, noise=0.0, rate=1e-3, dropout=0.2)
        train(logs / "digits" / "too-fast", rate=1e30)
        train(logs / "digits" / "too-slow", rate=1e-5, count=1000)
        real.write_scalars(logs / "elsewhere" / "train-only", {"loss/train": real.curves(overfits=False, seed=3)[0]})
        with real.tensorboards(logs, Path(name), {"fast": ["--load_fast=true"]}) as servers:
            while any(row["pending"] for row in servers["fast"].get(f"{real.PLUGIN}/runs?wait=20")["runs"]):
                pass
            tab = real.open_tab(browser, servers["fast"])
            tab.page.set_viewport_size(SIZE)
            for run in ("wide-500", "dropout-0.5", "all-data"):
                tab.row(f"digits/{run}").get_by_role("checkbox").check()
            save(tab, target / "overview.png")
            tab.frame.get_by_role("button", name="Compare", exact=True).click()
            tab.frame.locator(".compare-view canvas").first.wait_for()
            tab.page.set_viewport_size(SIZE | {"height": 1060})
            save(tab, target / "compare.png")


def save(tab: Any, path: Path) -> None:
    """Save what is shown once nothing moves any more."""
    tab.page.mouse.move(640, 8)
    tab.page.wait_for_timeout(700)
    tab.page.screenshot(path=path)
    print(path)


if __name__ == "__main__":
    main()
