"""Two trainings tracked by MLflow: one on many digits, one on few with a wide network."""

import os

# Without a server: files below the working directory, which MLflow keeps for such uses.
os.environ.setdefault("MLFLOW_TRACKING_URI", "file:./mlruns")
os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")

import mlflow
import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

CLASSES = np.arange(10)
SETTINGS = {
    "many-digits": {"n_train": 1000, "hidden_units": 32, "learning_rate": 0.001, "epochs": 30},
    "few-digits": {"n_train": 60, "hidden_units": 512, "learning_rate": 0.01, "epochs": 60},
}


def train(settings):
    images, labels = load_digits(return_X_y=True)
    x, x_val, y, y_val = train_test_split(
        images / 16, labels, train_size=settings["n_train"], test_size=500, random_state=0
    )
    model = MLPClassifier(settings["hidden_units"], learning_rate_init=settings["learning_rate"], random_state=0)
    mlflow.log_params(settings)
    for epoch in range(settings["epochs"]):
        model.partial_fit(x, y, classes=CLASSES)
        train_loss, val_loss = (
            log_loss(true, model.predict_proba(seen), labels=CLASSES) for seen, true in ((x, y), (x_val, y_val))
        )
        mlflow.log_metrics({"train_loss": train_loss, "val_loss": val_loss}, step=epoch)


if __name__ == "__main__":
    mlflow.set_experiment("digits")
    for name, settings in SETTINGS.items():
        with mlflow.start_run(run_name=name):
            train(settings)
