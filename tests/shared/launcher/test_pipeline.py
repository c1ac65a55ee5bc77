"""The main job: which stages run, which are done, and how it ends."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest
from invoke import Exit, MockContext

import tasks
from isomer.flags import FREE, Train
from launcher import process

ALL = ["data_make.py", "train.py", "train.py", *["export.py", "assemble.py", "gate.py"] * 2, "parity.py", "report.py"]


def write(path: Path, value) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def finish_dataset(data: Path) -> None:
    write(data / "datasets" / "shapes" / "dataset.json", {"sha256": "d0"})


def finish_training(data: Path, framework: str, weights: str = "w0", **flags) -> None:
    run = data / "runs" / f"shapes-{framework}"
    config = {key: value for key, value in asdict(Train(**flags)).items() if key not in FREE}
    write(run / "config.json", {**config, "dataset_sha256": "d0"})
    write(run / "run.json", {"state": "done", "weights_sha256": weights})


def finish_export(data: Path, framework: str, weights: str = "w0") -> None:
    model = data / "models" / f"shapes-{framework}.onnx"
    model.parent.mkdir(exist_ok=True)
    model.write_text(framework + weights)
    gate = {"passed": True, "weights_sha256": weights, "sha256": sha256(model)}
    write(data / "runs" / f"shapes-{framework}" / "gate.json", gate)


def finish_parity(data: Path, passed: bool = True, max_gap: float | None = 0.05) -> None:
    models = [
        {
            "name": path.stem,
            "sha256": sha256(path),
            "bytes": 9_100_000,
            "latency_ms": {"p50": 8.25, "p95": 9.0},
            "metrics": {"mAP": 0.61, "AP50": None},
        }
        for path in sorted((data / "models").glob("*.onnx"))
    ]
    reasons = [] if passed else ["AP50 differs by 0.300"]
    verdict = {"passed": passed, "gap": 0.01 if passed else 0.3, "max_gap": max_gap, "reasons": reasons}
    value = {"dataset_sha256": "d0", "images": 120, "split": "test", "verdict": verdict, "models": models}
    write(data / "reports" / "shapes" / "parity.json", value)


def finish_report(data: Path) -> None:
    write(data / "reports" / "shapes" / "index.html", "")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def finished(data):
    """A volume on which the main job was done."""
    finish_dataset(data)
    for framework in ("tf", "torch"):
        finish_training(data, framework)
        finish_export(data, framework)
    finish_parity(data)
    finish_report(data)
    return data


@pytest.fixture
def steps(monkeypatch, data, venv_engine):
    """The scripts that run; each leaves behind what the real one would."""
    ran = []

    def run(command, **_):
        path = Path(command.argv[1])
        framework, name = path.parent.name, path.name
        ran.append(name)
        if name == "data_make.py":
            finish_dataset(data)
        elif name == "train.py":
            finish_training(data, framework)
        elif name == "gate.py":
            finish_export(data, command.argv[command.argv.index("--run") + 1].removeprefix("shapes-"))
        elif name == "parity.py":
            finish_parity(data)
        elif name == "report.py":
            finish_report(data)
        return 0

    monkeypatch.setattr(process, "run", run)
    return ran


def pipeline(**words):
    return tasks.namespace["pipeline"](MockContext(), **words)


def test_everything_in_order_on_an_empty_volume(steps, data, capsys):
    pipeline()
    assert steps == ALL
    shown = capsys.readouterr().out
    assert "[1/7] data-make shapes" in shown and "[7/7] report took" in shown
    assert "shapes-torch" in shown and "0.610" in shown and "8.2 ms" in shown and "9.1 MB" in shown
    assert str(data / "reports" / "shapes" / "index.html") in shown


def test_a_training_that_was_asked_to_stop_is_not_taken_for_done(monkeypatch, data, venv_engine):
    finish_dataset(data)
    ran = []
    monkeypatch.setattr(process, "run", lambda command, **_: ran.append(Path(command.argv[1]).name) or 0)
    with pytest.raises(Exit, match="train-tf was stopped before its end: the same command goes on"):
        pipeline()
    assert ran == ["train.py"]


def test_once_more_does_nothing_and_shows_the_table_again(steps, finished, capsys):
    pipeline()
    shown = capsys.readouterr().out
    assert steps == [] and "everything is done already" in shown and "shapes-tf" in shown


def undo_training(data):
    write(data / "runs" / "shapes-torch" / "run.json", {"state": "started"})


def other_weights(data):
    finish_training(data, "tf", weights="w1")


def other_model(data):
    (data / "models" / "shapes-tf.onnx").write_text("another")


def no_model(data):
    (data / "models" / "shapes-tf.onnx").unlink()


def other_comparison(data):
    write(data / "models" / "shapes-tf.onnx", "of another export")
    gate = json.loads((data / "runs" / "shapes-tf" / "gate.json").read_text())
    model = data / "models" / "shapes-tf.onnx"
    write(data / "runs" / "shapes-tf" / "gate.json", {**gate, "sha256": sha256(model)})


def old_page(data):
    os.utime(data / "reports" / "shapes" / "index.html", (0, 0))


@pytest.mark.parametrize(
    ("undo", "again"),
    [
        (undo_training, ["train.py"]),
        (other_weights, ["export.py", "assemble.py", "gate.py", "report.py"]),
        (other_model, ["export.py", "assemble.py", "gate.py", "report.py"]),
        (no_model, ["export.py", "assemble.py", "gate.py", "report.py"]),
        (other_comparison, ["parity.py", "report.py"]),
        (old_page, ["report.py"]),
    ],
)
def test_only_what_no_longer_holds_is_done_again(steps, finished, undo, again):
    undo(finished)
    pipeline()
    assert steps == again


def test_other_flags_train_again_and_are_handed_on(steps, finished, monkeypatch):
    seen = []
    run = process.run
    monkeypatch.setattr(process, "run", lambda command, **more: seen.append(command.argv) or run(command, **more))
    pipeline(epochs="3", frameworks="tf")
    assert seen[0][1:] == ("images/tf/train.py", "--epochs", "3")


def test_one_framework_alone(steps, data):
    pipeline(frameworks="torch")
    assert steps == ["data_make.py", "train.py", "export.py", "assemble.py", "gate.py", "parity.py", "report.py"]


@pytest.fixture
def disagreeing(finished, steps, monkeypatch):
    """Everything is done but the comparison, which will say no."""
    run = process.run

    def parity_says_no(command, **more):
        code = run(command, **more)
        if command.argv[1].endswith("parity.py"):
            finish_parity(finished, passed=False)
            return 1
        return code

    monkeypatch.setattr(process, "run", parity_says_no)
    (finished / "reports" / "shapes" / "parity.json").unlink()


@pytest.mark.usefixtures("disagreeing")
def test_a_gap_beyond_a_typed_limit_is_shown_and_fails_after_the_report(steps, capsys):
    for ran in (["parity.py", "report.py"], []):
        steps.clear()
        with pytest.raises(Exit) as stopped:
            pipeline(max_gap="0.05")
        assert stopped.value.code == 1 and "AP50 differs by 0.300" in stopped.value.message
        assert steps == ran
    assert "FAILED" in capsys.readouterr().out


@pytest.mark.usefixtures("disagreeing")
def test_a_gap_without_a_typed_limit_is_a_result(steps, capsys):
    pipeline()
    assert steps == ["parity.py", "report.py"]
    said = capsys.readouterr().out
    assert "FAILED" in said and "AP50 differs by 0.300" in said and "--max-gap" in said


def test_models_of_other_classes_always_fail(steps, finished):
    path = finished / "reports" / "shapes" / "parity.json"
    found = json.loads(path.read_text())
    found["verdict"] |= {"passed": False, "gap": None, "reasons": ["shapes-tf knows other classes"]}
    write(path, found)
    with pytest.raises(Exit, match="other classes"):
        pipeline()


def test_a_failed_training_stops_it_with_its_code(venv_engine, finished, monkeypatch):
    undo_training(finished)
    monkeypatch.setattr(process, "run", lambda *_, **__: 3)
    with pytest.raises(Exit) as stopped:
        pipeline()
    assert stopped.value.code == 3


def test_a_file_of_flags_is_handed_on_as_a_file(commands, docker_engine, data, tmp_path):
    """In a container it must be mounted."""
    (tmp_path / "flags.json").write_text("{}")
    with pytest.raises(Exit):  # no step leaves anything here
        tasks.namespace["pipeline"](MockContext(), config=str(tmp_path / "flags.json"), frameworks="torch")
    trained = next(command for command in commands if "train.py" in command.argv)
    assert f"{tmp_path / 'flags.json'}" in trained.argv[trained.argv.index("--config") + 1]
    assert any(word.startswith(str(tmp_path)) and word.endswith(":ro") for word in trained.argv)


def test_a_model_that_one_framework_has_not_is_refused_before_anything_runs(commands, venv_engine):
    with pytest.raises(Exit, match="tf: unknown --model 'ssdlite320_mobilenet_v3_large'"):
        tasks.namespace["pipeline"](MockContext(), model="ssdlite320_mobilenet_v3_large")
    assert commands == []
