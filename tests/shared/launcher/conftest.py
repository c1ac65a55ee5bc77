"""A launcher that runs nothing: what it would have run is kept, command by command."""

from __future__ import annotations

import pytest

from launcher import process
from launcher.engines import docker, venv


@pytest.fixture
def data(tmp_path, monkeypatch):
    """An empty data volume."""
    monkeypatch.setenv("ISOMER_DATA", str(tmp_path / "volume"))
    return tmp_path / "volume"


@pytest.fixture
def commands(monkeypatch, data):
    """The commands that would have run; all end well."""
    ran = []

    def run(command, **_):
        ran.append(command)
        return 0

    monkeypatch.setattr(process, "run", run)
    return ran


@pytest.fixture
def no_docker(monkeypatch):
    monkeypatch.delenv("ISOMER_ENGINE", raising=False)
    monkeypatch.setattr(docker, "unavailable", lambda: "no Docker engine answers")


@pytest.fixture
def venv_engine(monkeypatch, no_docker):
    """The venv engine with every environment made, on a machine without a GPU."""
    monkeypatch.setattr(venv, "gpu", lambda: None)
    monkeypatch.setattr(venv, "is_ready", lambda *_: True)
    return venv


@pytest.fixture
def docker_engine(monkeypatch):
    """The docker engine with every image built, without a GPU."""
    monkeypatch.setattr(docker, "unavailable", lambda: None)
    monkeypatch.setattr(docker, "gpu", lambda: None)
    monkeypatch.setattr(docker, "is_ready", lambda *_: True)
    monkeypatch.setattr(docker, "built", lambda _: None)
    return docker
