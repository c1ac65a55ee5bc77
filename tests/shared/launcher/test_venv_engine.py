"""Environments of the venv engine: made once, healed when half made, made again when the lock changes."""

from __future__ import annotations

import pytest

from isomer.errors import UserError
from launcher import process, project
from launcher.engines import venv


@pytest.fixture
def image(tmp_path, monkeypatch, commands):
    """An image `one` with a lock, in a project of its own."""
    monkeypatch.setattr(project, "ROOT", tmp_path)
    monkeypatch.setattr(project, "IMAGES", tmp_path / "images")
    monkeypatch.setattr(venv, "VENVS", tmp_path / "venvs")
    monkeypatch.setattr(venv, "gpu", lambda: None)
    (tmp_path / "images" / "one").mkdir(parents=True)
    (tmp_path / "images" / "one" / "requirements.lock").write_text("a==1\n")

    def run(command, **_):
        commands.append(command)
        venv.folder("one").mkdir(parents=True, exist_ok=True)
        return 0

    monkeypatch.setattr(process, "run", run)
    return "one"


def test_made_once_with_hashes(image, commands):
    venv.prepare(image)
    assert [command.argv[1] for command in commands] == ["venv", "pip"]
    assert "--require-hashes" in commands[1].argv
    venv.prepare(image)
    assert len(commands) == 2


def test_a_half_made_one_is_healed(image, commands):
    (venv.folder(image) / "lib").mkdir(parents=True)
    (venv.folder(image) / "lib" / "broken").touch()
    venv.prepare(image)
    assert not (venv.folder(image) / "lib").exists() and venv.is_ready(image)


def test_a_failed_installation_is_not_taken_for_a_whole_one(image, commands, monkeypatch):
    monkeypatch.setattr(process, "run", lambda command, **_: int("pip" in command.argv))
    with pytest.raises(UserError, match="environment of one"):
        venv.prepare(image)
    assert not venv.is_ready(image)


def test_a_changed_lock_is_another_environment(image, commands):
    venv.prepare(image)
    (project.IMAGES / image / "requirements.lock").write_text("a==2\n")
    assert not venv.is_ready(image)


def test_the_smaller_set_without_a_gpu(image, monkeypatch):
    smaller = project.IMAGES / image / "requirements.cpu.lock"
    smaller.write_text("b==1\n")
    assert venv.lock_of(image) == smaller
    monkeypatch.setattr(venv, "gpu", lambda: "a GPU")
    assert venv.lock_of(image).name == "requirements.lock"
    assert venv.lock_of(image, "cpu") == smaller
