"""The training of the DVC example; DVCLive logs its losses."""

from pathlib import Path

import numpy as np
import yaml
from dvclive import Live
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

CLASSES = np.arange(10)


def main():
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    images, labels = load_digits(return_X_y=True)
    x, x_val, y, y_val = train_test_split(
        images / 16, labels, train_size=params["n_train"], test_size=500, random_state=0
    )
    model = MLPClassifier(params["hidden_units"], learning_rate_init=params["learning_rate"], random_state=0)
    with Live("dvclive", dvcyaml=None, save_dvc_exp=False) as live:
        for _ in range(params["epochs"]):
            model.partial_fit(x, y, classes=CLASSES)
            for split, seen, true in (("train", x, y), ("val", x_val, y_val)):
                live.log_metric(f"{split}/loss", log_loss(true, model.predict_proba(seen), labels=CLASSES))
            live.next_step()


if __name__ == "__main__":
    main()
