"""The verb play: which step it runs, who can reach it, and how browsers' part of it is fetched."""

from __future__ import annotations

import socket

import pytest
from invoke import Exit, MockContext

import tasks
from isomer.errors import UserError
from launcher import mounts, process, project
from launcher.engines import venv


def call(**words):
    return tasks.namespace["play"](MockContext(), **words)


@pytest.fixture
def port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return asked.getsockname()[1]


@pytest.fixture
def fetching(tmp_path, monkeypatch, commands):
    """npm that works, on a machine where nothing is fetched yet."""
    monkeypatch.setattr(venv, "VENVS", tmp_path / "venvs")

    def run(command, **_):
        commands.append(command)
        if "fetch" in command.argv:
            (tmp_path / "venvs" / command.argv[-1]).mkdir()
        return 0

    monkeypatch.setattr(process, "run", run)
    return commands


def test_the_page_is_for_this_machine_alone(fetching, venv_engine, port):
    call(model=["shapes-torch", "shapes-tf"], port=str(port), engine="venv")
    argv = fetching[-1].argv
    assert argv[1:] == (
        *("images/onnx/play.py", "--model", "shapes-torch", "--model", "shapes-tf", "--port", str(port)),
        *("--host", "127.0.0.1", "--web", venv.web("onnx")),
    )


def test_in_a_container_its_port_is_this_machines_alone(commands, data, docker_engine, port):
    call(model=["shapes-torch"], port=str(port), engine="docker")
    argv = commands[0].argv
    assert argv[argv.index("--publish") + 1] == f"127.0.0.1:{port}:{port}"
    assert argv[argv.index("--host") + 1] == "0.0.0.0" and argv[argv.index("--web") + 1] == mounts.WEB


def test_the_image_has_what_the_engine_says(root):
    assert f"COPY --from=web {mounts.WEB} {mounts.WEB}" in (root / "images" / "onnx" / "Dockerfile").read_text()


def test_a_port_that_is_taken_is_named_before_anything_starts(commands, venv_engine):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Exit, match=rf"--port {port}: Address already in use; give another, like"):
            call(model=["shapes-torch"], port=str(port))
    assert commands == []


def test_what_browsers_need_is_fetched_once(fetching):
    venv.web("onnx")
    assert [command.argv[1] for command in fetching] == ["venv", "pip", str(project.IMAGES / "onnx" / "web.py")]
    assert "--require-hashes" in fetching[1].argv and fetching[1].argv[-1] == "images/onnx/node.lock"
    venv.web("onnx")
    assert len(fetching) == 3
    assert not list(venv.VENVS.glob(".npm.*")), "npm stays behind"


def test_without_a_registry_it_says_so(fetching, monkeypatch):
    monkeypatch.setattr(process, "run", lambda command, **_: int("fetch" in command.argv))
    with pytest.raises(UserError, match="could not fetch onnxruntime-web by npm"):
        venv.web("onnx")


def test_the_npm_lock_has_hashes_and_no_addresses(root):
    import json

    packages = json.loads((root / "images" / "onnx" / "package-lock.json").read_text())["packages"]
    wanted = packages.pop("")["dependencies"]
    assert wanted == json.loads((root / "images" / "onnx" / "package.json").read_text())["dependencies"]
    assert all(packages[f"node_modules/{name}"]["version"] == version for name, version in wanted.items())
    assert all(one["integrity"].startswith("sha512-") and "resolved" not in one for one in packages.values())
