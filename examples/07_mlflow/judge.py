"""Judges runs that MLflow tracks, and writes the verdict beside them as tags.

    python train.py                     two trainings, tracked in ./mlruns
    python judge.py digits              judges every run of the experiment; exit status 1 where one overfits

It works with any tracking server, as it asks MLflow for the metrics. For runs in ./mlruns, without any code:

    overfit-monitor check mlruns
"""

import os
import sys

# Without a server: files below the working directory, as train.py writes them.
os.environ.setdefault("MLFLOW_TRACKING_URI", "file:./mlruns")
os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")

from mlflow.tracking import MlflowClient

from overfit_monitor import diagnose

TRAIN, VAL = "train_loss", "val_loss"


def main(experiment):
    client = MlflowClient()
    found = client.get_experiment_by_name(experiment)
    if found is None:
        print(f"no experiment is called {experiment!r}")
        return 2
    failed = unjudged = 0
    for run in client.search_runs([found.experiment_id]):
        verdict = judge(client, run)
        failed += verdict == "overfitting"
        unjudged += verdict is None
    return 1 if failed else 2 if unjudged else 0


def judge(client, run):
    train, val = (
        {point.step: point.value for point in client.get_metric_history(run.info.run_id, name)} for name in (TRAIN, VAL)
    )
    steps = sorted(train.keys() & val.keys())
    if not steps:
        print(f"{run.info.run_name}: not judged: {TRAIN} and {VAL} have no step in common")
        return None
    diagnosis = diagnose(train=[train[step] for step in steps], val=[val[step] for step in steps], steps=steps)
    print(f"{run.info.run_name}: {diagnosis.verdict}, best at step {diagnosis.best_step}")
    why = diagnosis.findings[0].message if diagnosis.findings else None
    tags = {"best_step": diagnosis.best_step, "onset_step": diagnosis.onset_step, "why": why}
    for name, value in {"verdict": diagnosis.verdict, **tags}.items():
        if value is not None:
            client.set_tag(run.info.run_id, f"overfit.{name}", value)
    return diagnosis.verdict


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) == 2 else "usage: python judge.py EXPERIMENT")
