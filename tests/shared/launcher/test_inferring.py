"""What `infer`'s step may reach of this machine: its source, and a camera, a screen or the network when asked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from invoke import Exit, MockContext

import tasks
from isomer import feeds

SERVICES = ("onnx", "onnx-online")


@pytest.fixture
def infer(commands, docker_engine, data):
    """The one command that the verb would have run in Docker."""

    def call(**words):
        tasks.namespace["infer"](MockContext(), model=["shapes-torch"], engine="docker", **words)
        return commands[-1]

    return call


def test_a_source_outside_the_volume_is_shown_read_only(infer, tmp_path):
    (tmp_path / "street.mp4").touch()
    command = infer(source=str(tmp_path / "street.mp4"), track=True)
    assert f"{tmp_path}/street.mp4:{tmp_path}/street.mp4:ro" in command.argv
    end = command.argv[command.argv.index("infer.py") :]
    assert end == ("infer.py", "--model", "shapes-torch", "--source", f"{tmp_path}/street.mp4", "--track")
    assert "onnx" in command.argv and "-f" not in command.argv


def test_a_source_in_the_volume_is_named_as_the_container_sees_it(infer, data):
    (data / "pictures").mkdir(parents=True)
    command = infer(source=str(data / "pictures"))
    assert command.argv[-1] == "/data/pictures" and "--volume" not in command.argv


def test_the_model_s_file_is_shown_too(commands, docker_engine, data, tmp_path):
    (tmp_path / "own.onnx").touch()
    (tmp_path / "a.jpg").touch()
    words = {"model": [str(tmp_path / "own.onnx")], "source": str(tmp_path / "a.jpg"), "engine": "docker"}
    tasks.namespace["infer"](MockContext(), **words)
    assert f"{tmp_path}/own.onnx:{tmp_path}/own.onnx:ro" in commands[-1].argv


def test_an_address_brings_the_network_and_nothing_else(infer):
    command = infer(source="rtsp://camera.local/stream")
    assert "onnx-online" in command.argv and command.argv[-1] == "rtsp://camera.local/stream"
    assert "--volume" not in command.argv and "-f" not in command.argv


@pytest.fixture
def camera(monkeypatch, tmp_path):
    """A camera, as far as a file can be one."""
    monkeypatch.setattr(feeds, "DEVICES", tmp_path)
    (tmp_path / "video1").touch()
    return tmp_path / "video1"


@pytest.mark.parametrize("by_path", [False, True])
def test_a_camera_is_mapped_when_asked_for(infer, camera, by_path):
    command = infer(source=str(camera) if by_path else "1")
    assert command.argv[:6] == ("docker", "compose", "-f", "compose.yaml", "-f", "compose.camera.yaml")
    assert command.env["ISOMER_CAMERA"] == str(camera)
    assert command.env["ISOMER_CAMERA_GROUP"] == str(camera.stat().st_gid)
    assert "onnx" in command.argv and "--volume" not in command.argv


def test_a_camera_that_is_not_there(infer, camera, commands):
    with pytest.raises(Exit, match=r"no camera .*/video0 on this machine \(there: .*/video1\)"):
        infer(source="0")
    assert commands == []


def test_the_screen_is_mapped_when_asked_for(infer, camera, monkeypatch, tmp_path):
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("XAUTHORITY", str(tmp_path / "cookies"))
    (tmp_path / "cookies").touch()
    assert "compose.screen.yaml" not in infer(source="1").argv
    command = infer(source="1", show=True)
    assert [word for word in command.argv if word.endswith(".yaml")] == [
        "compose.yaml",
        "compose.camera.yaml",
        "compose.screen.yaml",
    ]
    assert command.env["ISOMER_XAUTHORITY"] == str(tmp_path / "cookies")
    assert command.env["ISOMER_HOSTNAME"] == os.uname().nodename


@pytest.mark.parametrize(
    ("display", "saying"), [("", "there is no screen here"), ("localhost:10.0", "use --engine venv")]
)
def test_a_screen_that_cannot_be_mapped(infer, commands, camera, monkeypatch, display, saying):
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(Exit, match=saying):
        infer(source="1", show=True)
    assert commands == []


def test_the_files_map_for_the_services_that_infer_runs_in(root: Path):
    for name in ("compose.camera.yaml", "compose.screen.yaml"):
        services = (root / name).read_text().split("\nservices:\n")[1]
        assert [line.split(":")[0].strip() for line in services.splitlines() if line] == list(SERVICES)
