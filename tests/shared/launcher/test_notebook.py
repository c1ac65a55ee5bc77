"""The verb notebook: which step it runs, who can reach it, what lies where its cells run."""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager
from pathlib import Path

import guides
import pytest
from invoke import Exit, MockContext

import tasks
from isomer.files import sha256_of_file
from launcher import asked, docs, notebook, project
from launcher.engines import venv
from launcher.exporting import TOOLS
from launcher.slurm import queue


def call(guide: str, **words):
    return tasks.namespace["notebook"](MockContext(), guide=guide, **words)


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


@pytest.mark.parametrize(
    ("guide", "image", "page"),
    [
        *((name, name, f"images/{name}/README.md") for name in project.images()),
        (notebook.ROAD, TOOLS, "docs/guide.md"),
    ],
)
def test_a_guide_is_served_in_its_image_to_this_machine_alone(
    commands, environment, venv_engine, port, data, guide, image, page
):
    call(guide, port=str(port), engine="venv")
    (command,) = commands
    served = ("python3", "-m", "isomer.notebooks", "serve", str(environment), image, page)
    assert command.argv == (*served, "--ip=127.0.0.1", f"--port={port}")
    assert command.env["PATH"].startswith(str(venv.folder(image) / "bin"))
    assert Path(command.env["ISOMER_LAUNCHER"]).parent == data / "notebooks"
    assert (data / "notebooks" / page).read_bytes() == (project.ROOT / page).read_bytes()


def test_a_container_reaches_the_launcher_by_the_data_volume(commands, environment, docker_engine, port):
    call("onnx", port=str(port), engine="docker")
    argv = commands[0].argv
    assert argv[argv.index("--publish") + 1] == f"127.0.0.1:{port}:{port}" and "--ip=0.0.0.0" in argv
    mounts = [argv[at + 1] for at, word in enumerate(argv) if word == "--volume"]
    assert mounts == [f"{environment}:{environment}:ro"]
    (place,) = [word for word in argv if word.startswith("ISOMER_LAUNCHER=")]
    assert place.startswith("ISOMER_LAUNCHER=/data/notebooks/.launcher-")
    assert "onnx-online" in argv


def test_executing_needs_no_network_and_no_port(commands, environment, docker_engine):
    call("torch", execute=True, engine="docker")
    argv = commands[0].argv
    assert "--publish" not in argv and "torch" in argv and argv[-2:] == ("torch", "images/torch/README.md")


@pytest.mark.parametrize("words", [{}, {"execute": True}], ids=["served", "executed"])
def test_on_a_cluster_it_is_no_job_but_its_verbs_are(
    commands, environment, venv_engine, port, data, monkeypatch, words
):
    asked_with = []

    @contextmanager
    def answering(name, folder):
        asked_with.append(name)
        yield folder / "socket"

    monkeypatch.setattr(queue, "missing", lambda: None)
    monkeypatch.setattr(asked, "answering", answering)
    call("torch", engine="slurm", port=str(port), **words)
    assert [command.argv[:3] for command in commands] == [("python3", "-m", "isomer.notebooks")]
    assert asked_with == ["slurm"]


def test_what_lies_where_the_cells_run(data):
    notebook.lay_out(docs.ROAD)
    home = data / "notebooks"
    assert os.access(home / "inv", os.X_OK) and (home / "data" / "notebooks").samefile(home)
    for page in guides.pages(home):
        for address in guides.links(page):
            path = address.partition("#")[0]
            assert ":" in path or (page.parent / path).exists(), f"{page}: {address}"


def test_what_was_changed_in_a_notebook_stays(data, capsys):
    page = project.IMAGES / "onnx" / "README.md"
    notebook.lay_out(page)
    copy = data / "notebooks" / "images" / "onnx" / "README.md"
    copy.write_text("mine")
    notebook.lay_out(page)
    assert copy.read_bytes() == page.read_bytes(), "only read so far"
    copy.write_text("mine")
    copy.with_suffix(".ipynb").write_text(f'{{"guide_sha256": "{sha256_of_file(page)}"}}')
    notebook.lay_out(page)
    assert copy.read_text() == "mine" and "changed since" not in capsys.readouterr().out
    copy.with_suffix(".ipynb").write_text("{}")
    notebook.lay_out(page)
    assert copy.read_text() == "mine" and "the guide has changed since" in capsys.readouterr().out


def test_a_port_that_is_taken_and_an_unknown_guide(commands, environment, venv_engine):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(Exit, match="give another"):
            call("torch", port=str(taken.getsockname()[1]), engine="venv")
    with pytest.raises(Exit, match="did you mean 'torch'"):
        call("troch")
    assert commands == []
