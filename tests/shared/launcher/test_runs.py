"""The verbs runs and tensorboard: what is said of runs in every state, without an engine."""

from __future__ import annotations

import json
import socket

import pytest
from invoke import Exit, MockContext

import tasks
from isomer.run import RunFolder
from isomer.session import Session


def call(verb: str, **words) -> None:
    tasks.namespace[verb](MockContext(), **words)


@pytest.fixture
def make(data):
    """A run's folder as a training leaves it."""

    def made(name: str, *maps: float | None, steps: int = 40, **record) -> RunFolder:
        run = RunFolder(data / "runs" / name)
        run.path.mkdir(parents=True)
        config = {"framework": "torch", "data": "pets", "model": "ssd", "lr": None, "epochs": 3, "recipe": {"lr": 0.1}}
        (run.path / "config.json").write_text(json.dumps(config))
        run.update(state="started", started="2026-01-02T03:04:05+00:00", **record)
        for place, value in enumerate(maps, start=1):
            step = place * 10
            train = {"loss": 1 / step, "lr": 0.1, "images_per_s": 40.0}
            run.log(step=step, epoch=place / 2, split="train", seconds=60.0 * place, **train)
            run.log(step=step, epoch=place / 2, split="val", seconds=61.5 * place, mAP=value, AP50=0.5, per_class={})
        if steps == len(maps) * 10:
            run.update(state="done", steps=steps)
        return run

    return made


def listed(capsys) -> dict[str, dict]:
    call("runs", json="-")
    return {item["run"]: item for item in json.loads(capsys.readouterr().out)}


def test_a_converted_model_was_never_trained(make, capsys):
    run = make("face")
    config = {"framework": "onnx", "model": "face.onnx", "data": None, "converted": True}
    (run.path / "config.json").write_text(json.dumps(config))
    run.update(state="converted")
    found = listed(capsys)["face"]
    assert (found["state"], found["model"], found["mAP"]) == ("converted", "face.onnx", None)
    call("runs")
    assert "0/" not in capsys.readouterr().out
    call("runs", run="face")


def test_states(make, capsys):
    make("done", 0.1, 0.3, 0.2, None, planned_steps=40)
    make("failed", 0.1, planned_steps=40).update(state="failed", problem="out of memory")
    make("killed", 0.1, planned_steps=40).update(state="running")
    make("broken").path.joinpath("run.json").write_text("{")
    with Session(make("running", 0.2, 0.3), 400):
        found = listed(capsys)
    assert {name: item["state"] for name, item in found.items()} == {
        "broken": "unreadable",
        "done": "done",
        "failed": "failed",
        "killed": "interrupted",
        "running": "running",
    }
    best = found["done"]
    assert (best["mAP"], best["best_step"], best["seconds"], best["model"], best["dataset"]) == (
        0.3,
        20,
        246.0,
        "ssd",
        "pets",
    )
    assert (found["running"]["steps"], found["running"]["planned_steps"]) == (20, 400)
    call("runs")
    said = capsys.readouterr().out
    assert "10/40" in said and "0:04:06" in said and "failed failed: out of memory" in said


def test_published_is_what_the_gate_passed(make, data, capsys):
    run = make("pets-torch", 0.1, 0.2, 0.3, 0.4)
    (data / "models").mkdir()
    (data / "models" / "pets-torch.onnx").touch()
    assert not listed(capsys)["pets-torch"]["published"]
    run.gate_json.write_text(json.dumps({"passed": True}))
    assert listed(capsys)["pets-torch"]["published"]


def test_one_run_with_everything(make, capsys):
    run = make("pets-torch", 0.1, 0.2, 0.3, 0.4, provenance={"git_revision": "abc", "hardware": {"cores": 2}})
    run.checkpoints.mkdir()
    (run.checkpoints / "best.pt").write_bytes(bytes(2_000_000))
    call("runs", run="pets-torch")
    said = capsys.readouterr().out
    for words in ("40 of 40 steps", "git_revision  abc", "--epochs  3", "0.400", "checkpoints/best.pt  2.0 MB"):
        assert words in said
    assert "--lr" not in said  # the recipe's
    call("runs", run="pets-torch", json="-")
    found = json.loads(capsys.readouterr().out)
    assert [line["mAP"] for line in found["evaluations"]] == [0.1, 0.2, 0.3, 0.4]
    assert (len(found["training"]), found["exported"], found["gate"]) == (4, False, None)
    assert found["checkpoints"] == {"checkpoints/best.pt": 2_000_000}


def test_a_run_that_has_only_begun(make, capsys):
    make("pets-torch")
    call("runs", run="pets-torch")
    assert "interrupted, 0 of ? steps" in capsys.readouterr().out


def test_no_runs(data, capsys):
    call("runs")
    assert "no runs in" in capsys.readouterr().out
    call("runs", json="-")
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize(("name", "says"), [("pets-tf", "did you mean 'pets-torch'"), ("../x", "use letters, digits")])
def test_an_unknown_run(make, name, says):
    make("pets-torch")
    with pytest.raises(Exit) as stopped:
        call("runs", run=name)
    assert says in stopped.value.message and stopped.value.code == 2


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_tensorboard_is_for_this_machine_alone(commands, data, docker_engine, venv_engine):
    port = free_port()
    call("tensorboard", port=str(port), engine="venv")
    argv = commands[0].argv
    assert argv[0] == "tensorboard"
    assert argv[argv.index("--host") + 1] == "127.0.0.1"
    assert argv[argv.index("--logdir") + 1] == str(data / "runs")


def test_tensorboard_in_a_container(commands, data, docker_engine):
    port = free_port()
    call("tensorboard", port=str(port), engine="docker")
    argv = commands[0].argv
    assert argv[argv.index("--publish") + 1] == f"127.0.0.1:{port}:{port}"
    assert argv[argv.index("--logdir") + 1] == "/data/runs"
    assert any(word.endswith("-online") for word in argv)


def test_a_port_that_is_taken(commands, venv_engine):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(Exit, match=f"--port {port}: Address already in use.*like {port + 1}"):
            call("tensorboard", port=str(port))
    assert commands == []
