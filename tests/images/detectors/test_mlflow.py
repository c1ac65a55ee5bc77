"""--logger mlflow: what is in the store is what metrics.jsonl and config.json hold, by MLflow's own client."""

from __future__ import annotations

import json
import sys

import pytest
from tiny import SETTINGS

from isomer import tracking
from isomer.errors import UserError
from isomer.flags import Train
from isomer.run import RunFolder
from isomer.training import Plan, TrainLog

PLAN = Plan.of(Train(steps=40, batch=4), pictures=16)


@pytest.fixture
def run(tmp_path) -> RunFolder:
    made = RunFolder(tmp_path / "pets-torch")
    made.path.mkdir()
    config = {"framework": "torch", "data": "pets", "lr": None, "batch": 4, "recipe": {"momentum": 0.9}}
    (made.path / "config.json").write_text(json.dumps(config))
    made.update(provenance={"git_revision": "abc", "hardware": {"cores": 2}})
    return made


def client(run: RunFolder):
    import mlflow

    return mlflow.MlflowClient(tracking_uri=tracking.uri(run.path.parent))


def train(run: RunFolder, first: int, last: int) -> None:
    with TrainLog(run, PLAN, first, logger="mlflow") as log:
        for step in range(first + 1, last + 1):
            log.trained(step, loss=1 / step, lr=0.1, parts={"box": 0.5})


def history(run: RunFolder, key: str) -> list[tuple[int, float]]:
    found = client(run).get_metric_history(run.record()["mlflow_run"], key)
    return [(metric.step, metric.value) for metric in found]


def test_a_training_is_in_the_store(image, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    output = image.run("train", *SETTINGS, "--run", "tracked", "--steps", "10", "--logger", "mlflow")
    run = image.folder("tracked")
    assert "mlflow" not in output.lower()
    found = client(run).get_run(run.record()["mlflow_run"])
    assert (found.info.status, found.info.run_name) == ("FINISHED", "tracked")
    assert (found.data.params["batch"], found.data.params["framework"]) == ("16", image.framework)
    assert found.data.tags["isomer.dataset_sha256"] == run.config()["dataset_sha256"]
    val = [line for line in run.metrics() if line["split"] == "val"][-1]
    assert found.data.metrics["val/AP50"] == pytest.approx(val["AP50"])
    assert found.data.metrics["val/per_class/square/boxes"] == val["per_class"]["square"]["boxes"]
    assert found.data.metrics["train/loss"] == pytest.approx(run.metrics()[-2]["loss"])
    assert not any(run.tensorboard.rglob("events.out.tfevents*"))
    assert list(tmp_path.iterdir()) == [], "a container's own folders cannot be written"


def test_goes_on_where_it_was(run):
    with pytest.raises(KeyboardInterrupt), TrainLog(run, PLAN, 0, logger="mlflow") as log:
        for step in range(1, 31):
            log.trained(step, loss=1 / step, lr=0.1)
        raise KeyboardInterrupt
    number = run.record()["mlflow_run"]
    assert client(run).get_run(number).info.status == "KILLED"
    train(run, 20, 40)
    assert run.record()["mlflow_run"] == number
    assert history(run, "train/loss") == [(step, pytest.approx(1 / step, abs=1e-5)) for step in (10, 20, 30, 40)]
    found = client(run).get_run(number)
    assert found.info.status == "FINISHED"
    assert found.data.params == {"framework": "torch", "data": "pets", "batch": "4", "recipe.momentum": "0.9"}
    assert found.data.tags["isomer.hardware"] == '{"cores": 2}'


def test_a_failure_is_one_there_too(run):
    with pytest.raises(UserError), TrainLog(run, PLAN, 0, logger="mlflow") as log:
        log.trained(1, loss=float("nan"), lr=0.1)
    assert client(run).get_run(run.record()["mlflow_run"]).info.status == "FAILED"


def test_a_run_that_the_store_does_not_know_is_begun_anew(run):
    run.update(mlflow_run="0" * 32)
    train(run, 10, 20)
    assert [step for step, _ in history(run, "train/loss")] == [20]


def test_a_store_that_fails_ends_no_training(run, monkeypatch, capsys):
    import mlflow

    def fail(*_, **__):
        raise mlflow.exceptions.MlflowException("the disk is away")

    with TrainLog(run, PLAN, 0, logger="mlflow") as log:
        monkeypatch.setattr(mlflow.MlflowClient, "log_batch", fail)
        for step in range(1, 41):
            log.trained(step, loss=1 / step, lr=0.1)
    assert capsys.readouterr().out.count("MLflow's store does not take any more (the disk is away)") == 1
    assert len(run.metrics()) == 4


def test_an_image_without_mlflow(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(UserError, match="--logger mlflow: this image has no MLflow"):
        tracking.check()
