"""The training of the CI example: scikit-learn only, its losses go to a CSV file.

    python train.py overfit.toml        few digits and a wide network: overfits
    python train.py healthy.toml        many digits and a narrow one: does not

Nothing of overfit-monitor is imported: the check that follows reads the file, as it would that of
any other training.
"""

import csv
import sys
import tomllib
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

CLASSES = np.arange(10)


def main(config_file):
    config = tomllib.loads(Path(config_file).read_text(encoding="utf-8"))
    images, labels = load_digits(return_X_y=True)
    x_train, x_val, y_train, y_val = train_test_split(
        images / 16, labels, train_size=config["n_train"], test_size=500, random_state=0
    )
    model = MLPClassifier(config["hidden_units"], learning_rate_init=config["learning_rate"], random_state=0)
    log = Path("runs") / f"{Path(config_file).stem}.csv"
    log.parent.mkdir(exist_ok=True)
    with log.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["epoch", "loss", "val_loss"])
        for epoch in range(config["epochs"]):
            model.partial_fit(x_train, y_train, classes=CLASSES)
            losses = [
                log_loss(y, model.predict_proba(x), labels=CLASSES) for x, y in ((x_train, y_train), (x_val, y_val))
            ]
            writer.writerow([epoch, *losses])
    print(f"{log}: {config['epochs']} epochs, train loss {losses[0]:.4f}, validation loss {losses[1]:.4f}")


if __name__ == "__main__":
    main(sys.argv[1])
