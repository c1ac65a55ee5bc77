"""convert: which steps run in which image, with what; and paths that are more than one file."""

from __future__ import annotations

import json

import pytest
from invoke import Exit, MockContext

import tasks
from launcher import steps
from launcher.engines import docker
from launcher.step import Among, existing


@pytest.fixture
def identified(monkeypatch, data):
    """Identification that finds what the test says; the steps that run are kept."""
    ran = []

    def run(_engine, *some):
        for step in some:
            ran.append(step)
            if step.argv[0] == "identify.py":
                name = step.argv[step.argv.index("--name") + 1]
                (data / "runs" / name).mkdir(parents=True)
                (data / "runs" / name / "source.json").write_text(json.dumps({"image": run.image}))

    monkeypatch.setattr(steps, "run", run)
    run.image, run.ran = "onnx", ran
    return run


def convert(**words):
    tasks.namespace["convert"](MockContext(), **words)


@pytest.mark.parametrize("image", ["onnx", "tf", "torch"])
def test_four_steps(identified, venv_engine, tmp_path, image):
    identified.image = image
    (tmp_path / "m.bin").write_text("m")
    convert(path=str(tmp_path / "m.bin"), name="m", classes="a,b", channels="bgr", data="chess")
    assert [(step.image, step.argv[0]) for step in identified.ran] == [
        ("onnx", "identify.py"),
        (image, "convert.py"),
        ("onnx", "assemble.py"),
        ("onnx", "gate.py"),
    ]
    first, second, third, last = (list(map(str, step.argv[1:])) for step in identified.ran)
    assert first == second == [str(tmp_path / "m.bin"), "--name", "m", "--classes", "a,b", "--data", "chess"]
    assert third == last == ["--run", "m", "--channels", "bgr"]


def test_an_image_that_converts_nothing(identified, venv_engine, tmp_path):
    identified.image = "other"
    (tmp_path / "m.bin").write_text("m")
    with pytest.raises(Exit, match="the image other has no convert"):
        convert(path=str(tmp_path / "m.bin"), name="m")


def test_a_list_of_names_is_a_path(identified, venv_engine, tmp_path):
    for name in ("m.bin", "labels.txt"):
        (tmp_path / name).write_text("m")
    convert(path=str(tmp_path / "m.bin"), name="m", classes=str(tmp_path / "labels.txt"))
    assert identified.ran[0].argv[-1] == existing(tmp_path / "labels.txt")


def test_what_lies_beside_a_model_is_mounted(docker_engine, identified, tmp_path):
    (tmp_path / "m.onnx").write_text("m")
    (tmp_path / "saved").mkdir()
    convert(path=str(tmp_path / "m.onnx"), name="m", engine="docker")
    made = docker.command(identified.ran[0], "name")
    assert f"{tmp_path}:{tmp_path}:ro" in made.argv and str(tmp_path / "m.onnx") in made.argv
    convert(path=str(tmp_path / "saved"), name="n", engine="docker")
    made = docker.command(identified.ran[-4], "name")
    assert f"{tmp_path / 'saved'}:{tmp_path / 'saved'}:ro" in made.argv


def test_a_checkpoint_by_the_common_name_of_its_files(identified, venv_engine, tmp_path):
    (tmp_path / "model.ckpt-10.meta").write_text("m")
    convert(path=str(tmp_path / "model.ckpt-10"), name="m")
    path = identified.ran[0].argv[1]
    assert isinstance(path, Among) and path.name == "model.ckpt-10.meta"
    with pytest.raises(Exit, match=r"no such file or folder: .*model\.ckpt-9"):
        convert(path=str(tmp_path / "model.ckpt-9"), name="m")


def test_the_name_is_owed(venv_engine, tmp_path):
    (tmp_path / "m.onnx").write_text("m")
    with pytest.raises(Exit, match="--name"):
        convert(path=str(tmp_path / "m.onnx"))
