"""reproduce: what it verifies before it trains, and its verdict on two runs."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from invoke import Exit, MockContext

import tasks
from isomer import files
from isomer.dataset import content
from isomer.run import RunFolder
from launcher import project

CONFIG = {"framework": "torch", "data": "pets", "seed": 7, "deterministic": True, "devices": None, "nodes": 1}
CONFIG |= {"weights": "none"}


@pytest.fixture
def first(data) -> RunFolder:
    """A finished run on a dataset of one picture, by this code and lock."""
    folder = data / "datasets" / "pets"
    (folder / "images").mkdir(parents=True)
    (folder / "images" / "1.png").write_bytes(b"a picture")
    for name in content.SPLITS:
        images = [{"id": 1, "file_name": "1.png", "width": 9, "height": 9}] if name == "train" else []
        (folder / f"{name}.json").write_text(json.dumps({"images": images, "annotations": [], "categories": []}))
    (folder / "dataset.json").write_text(json.dumps({"classes": [{"name": "cat"}]}))
    return finished(data, "mine", content.found_sha256(folder))


def finished(data: Path, name: str, dataset: str, loss: float = 0.5, quality: float = 0.6, **record) -> RunFolder:
    run = RunFolder(data / "runs" / name)
    run.path.mkdir(parents=True, exist_ok=True)
    files.write_json(run.path / "config.json", {**CONFIG, "dataset_sha256": dataset})
    provenance = {
        "git_revision": project.git_state()[0],
        "git_dirty": "false",
        "lock_sha256": files.sha256_of_file(project.IMAGES / "torch" / "requirements.lock"),
        "python": "3.11.7",
        "hardware": {"cores": 2},
    }
    metrics = {"mAP": quality, "AP50": quality, "AP75": None}
    values = {"state": "done", "weights_sha256": "a" * 64, "device": "cpu", "metrics": metrics}
    run.update(**{"provenance": provenance, **values, **record})
    for step in (10, 20):
        run.log(step=step, split="train", loss=loss + (step > 10) * 0.1)
    return run


@pytest.fixture
def same_code(monkeypatch):
    monkeypatch.setattr(project, "changed_since", lambda *_: [])


@pytest.fixture
def trains(monkeypatch, data, first):
    """What the step that trains again leaves; its arguments."""
    asked, leaves = [], {}

    def run(_engine, step):
        asked.append(step)
        finished(data, "mine-again", first.config()["dataset_sha256"], **leaves)

    monkeypatch.setattr("launcher.steps.run", run)
    return asked, leaves


def call(**words) -> None:
    tasks.namespace["reproduce"](MockContext(), run=words.pop("run", "mine"), **words)


def refused(**words) -> tuple[int, str]:
    with pytest.raises(Exit) as stopped:
        call(**words)
    return stopped.value.code, stopped.value.message


def verdict(first: RunFolder) -> dict:
    return json.loads((first.path.parent / "mine-again" / "reproduce.json").read_text())


def test_identical(first, trains, same_code, venv_engine, capsys):
    call()
    said = capsys.readouterr().out
    assert "code: the same" in said and "lock: the same" in said and "seed: 7, as then" in said
    assert "identical: mine-again has the very weights of mine" in said
    assert verdict(first)["verdict"] == "identical"
    (step,) = trains[0]
    assert step.image == "torch"
    assert step.argv[0] == "train.py"
    words = dict(zip(step.argv[1:-1:2], step.argv[2:-1:2], strict=True))
    assert words == {"--config": first.path / "config.json", "--run": "mine-again", "--device": "cpu"}
    assert step.argv[-1] == "--fresh"


def test_a_repetition_that_was_interrupted_is_gone_on_with(first, trains, same_code, venv_engine):
    again = first.path.parent / "mine-again"
    again.mkdir()
    files.write_json(again / "config.json", first.config())
    call()
    assert "--fresh" not in trains[0][0].argv
    call()
    assert "--fresh" in trains[0][1].argv  # that one was done


def test_the_same_within(first, trains, same_code, venv_engine, capsys):
    trains[1].update(weights_sha256="b" * 64, quality=0.61)
    call()
    assert "not identical, but the same within 0.02: every logged loss is the same" in capsys.readouterr().out
    assert verdict(first)["gaps"] == {"mAP": pytest.approx(0.01), "AP50": pytest.approx(0.01), "AP75": 0.0}


def test_different_with_likely_reasons(first, trains, same_code, venv_engine):
    trains[1].update(weights_sha256="b" * 64, quality=0.5, loss=0.51, device="cuda:0")
    files.write_json(first.path / "config.json", first.config() | {"deterministic": False})
    code, text = refused()
    assert code == 1
    assert "mine-again differs from mine by more than 0.02: the losses part at step 10" in text
    assert "device: cpu then, cuda:0 now" in text and "without --deterministic" in text
    assert (verdict(first)["verdict"], verdict(first)["first_other_step"]) == ("different", 10)


def test_nothing_known_differs(first, trains, same_code, venv_engine):
    trains[1].update(weights_sha256="b" * 64, quality=0.1)
    assert "nothing that is known of differs" in refused()[1]


def test_another_lock_is_said_before_and_after(first, trains, same_code, venv_engine, capsys):
    record = first.record()
    record["provenance"]["lock_sha256"] = "c" * 64
    first.update(**record)
    trains[1].update(weights_sha256="b" * 64, quality=0.1)
    code, text = refused()
    sentence = "lock: cccccccccccc then"
    assert code == 1 and sentence in text and sentence in capsys.readouterr().out
    shutil.rmtree(first.path.parent / "mine-again")
    assert refused(check=True) == (1, "error: another lock: what mine would be now may not be what it was")


def test_check_trains_nothing(first, trains, same_code, venv_engine):
    call(check=True)
    assert trains[0] == []


def test_another_dataset_is_refused(first, trains, same_code, venv_engine, data):
    (data / "datasets" / "pets" / "images" / "1.png").write_bytes(b"another picture")
    code, text = refused()
    assert code == 1 and "dataset pets is not the one that mine was trained on: sha256 " in text
    (data / "datasets" / "pets" / "images" / "1.png").unlink()
    assert "data-check --deep" in refused()[1]
    assert trains[0] == []


def test_what_changed_in_the_code_is_named(first, trains, venv_engine, monkeypatch, capsys):
    monkeypatch.setattr(project, "changed_since", lambda *_: ["images/torch/module.py", "shared/isomer/run.py"])
    refused(check=True)
    assert "changed since: images/torch/module.py, shared/isomer/run.py; `git checkout" in capsys.readouterr().out
    monkeypatch.setattr(project, "changed_since", lambda *_: None)
    refused(check=True)
    assert "that revision is not known here" in capsys.readouterr().out
    record = first.record()
    record["provenance"]["git_dirty"] = "true"
    first.update(**record)
    refused(check=True)
    assert "with changes then" in capsys.readouterr().out
    record["provenance"]["code_sha256"] = project.code_sha256("torch")  # uncommitted, but the very same
    first.update(**record)
    call(check=True)
    assert "code: the same" in capsys.readouterr().out


def test_a_file_of_weights_is_shown_to_the_step(first, trains, same_code, venv_engine, tmp_path):
    (tmp_path / "mine.pth").touch()
    files.write_json(first.path / "config.json", first.config() | {"weights": str(tmp_path / "mine.pth")})
    call()
    assert trains[0][0].argv[-3:] == ("--weights", tmp_path / "mine.pth", "--fresh")


def test_a_run_that_is_not_done(first, trains, venv_engine):
    first.update(state="running")
    assert "run 'mine' is not trained to its end" in refused()[1]
    assert refused(run="mime")[0] == 2


def test_what_changed_since_a_revision(tmp_path, monkeypatch):
    """Changed, new and renamed files; guides and other folders are no matter."""

    def git(*words: str) -> str:
        identity = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
        return subprocess.run(
            ["git", "-C", str(tmp_path), *identity, *words], check=True, capture_output=True, text=True
        ).stdout

    monkeypatch.setattr(project, "ROOT", tmp_path)
    (tmp_path / "images").mkdir()
    for name in ("images/a.py", "images/b.py", "images/README.md", "other.py"):
        (tmp_path / name).write_text(name)
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    revision = git("rev-parse", "HEAD").strip()
    assert project.changed_since(revision, ["images"]) == []
    for name in ("images/a.py", "images/README.md", "other.py", "images/c.py"):
        (tmp_path / name).write_text("changed")
    assert project.changed_since(revision, ["images"]) == ["images/a.py", "images/c.py"]
    assert project.changed_since("0" * 40, ["images"]) is None
    assert project.changed_since("unknown", ["images"]) is None
