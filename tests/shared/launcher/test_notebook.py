"""The verb notebook: which step it runs, who can reach it, and a notebook's cells in a kernel of the image."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from invoke import Exit, MockContext

import tasks
from launcher import notebook, project
from launcher.engines import venv


def call(image: str, **words):
    return tasks.namespace["notebook"](MockContext(), image=image, **words)


@pytest.fixture
def port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return asked.getsockname()[1]


@pytest.fixture
def environment(monkeypatch, tmp_path) -> Path:
    """Jupyter's environment, made already."""
    monkeypatch.setattr(venv, "tool", lambda name, lock: tmp_path)
    return tmp_path


@pytest.mark.parametrize("image", project.images())
def test_every_image_has_a_notebook(image):
    assert notebook.source(image).is_file()


def test_it_is_served_to_this_machine_alone(commands, environment, venv_engine, port):
    call("torch", port=str(port), engine="venv")
    (command,) = commands
    source = str(project.ROOT / "docs" / "notebooks" / "training.md")
    served = ("python3", "-m", "isomer.notebooks", "serve", str(environment), "torch", source)
    assert command.argv == (*served, "--ip=127.0.0.1", f"--port={port}")
    assert command.env["PATH"].startswith(str(venv.folder("torch") / "bin"))


def test_a_container_is_shown_jupyter_and_the_source_read_only(commands, environment, docker_engine, port):
    call("onnx", port=str(port), engine="docker")
    argv = commands[0].argv
    assert argv[argv.index("--publish") + 1] == f"127.0.0.1:{port}:{port}" and "--ip=0.0.0.0" in argv
    mounts = [argv[at + 1] for at, word in enumerate(argv) if word == "--volume"]
    source = project.ROOT / "docs" / "notebooks" / "onnx.md"
    assert any(mount.startswith(f"{environment}:") and mount.endswith(":ro") for mount in mounts)
    assert any(mount.startswith((f"{source}:", f"{source.parent}:")) for mount in mounts)


def test_a_port_that_is_taken_and_an_unknown_image(commands, environment, venv_engine):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(Exit, match="give another"):
            call("torch", port=str(taken.getsockname()[1]), engine="venv")
    with pytest.raises(Exit, match="did you mean 'torch'"):
        call("troch")
    assert commands == []
