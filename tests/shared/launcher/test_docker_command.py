"""The docker engine's command lines, and what a container sees of the host's paths."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from launcher import mounts
from launcher.engines import docker
from launcher.step import Output, Step, script

pytestmark = pytest.mark.usefixtures("docker_engine")


def test_the_caller_and_the_volume_are_named(data):
    command = docker.command(script("tf", "train", ["--steps", "5"]), "name")
    assert command.argv[-4:] == ("python", "train.py", "--steps", "5")
    assert command.argv[:4] == ("docker", "compose", "run", "--rm") and "tf" in command.argv
    assert command.env["ISOMER_UID"] == str(os.getuid()) and command.env["ISOMER_DATA"] == str(data)


def test_a_path_outside_the_volume_is_mounted_read_only_at_the_same_place(tmp_path, data):
    command = docker.command(script("onnx", "check", [tmp_path / "model.onnx"]), "name")
    assert f"{tmp_path}/model.onnx:{tmp_path}/model.onnx:ro" in command.argv
    assert command.argv[-1] == f"{tmp_path}/model.onnx"


def test_an_annotation_file_is_mounted_with_the_pictures_beside_it(tmp_path, data):
    (tmp_path / "all.json").touch()
    command = docker.command(script("onnx", "data_import", [tmp_path / "all.json", "--name", "a"]), "name")
    assert f"{tmp_path}:{tmp_path}:ro" in command.argv
    assert f"{tmp_path}/all.json" in command.argv


def test_a_path_inside_the_volume_is_named_as_the_container_sees_it(data):
    command = docker.command(script("onnx", "check", [data / "models" / "a.onnx"]), "name")
    assert command.argv[-1] == "/data/models/a.onnx" and "--volume" not in command.argv


@pytest.mark.parametrize("path", ["/", "/data", "/data/pictures", "/usr", "/opt", "/opt/isomer/x"])
def test_a_path_that_would_hide_what_the_step_needs_is_mounted_elsewhere(path):
    assert mounts.inside(Path(path)).is_relative_to("/mnt")


def test_network_and_gpu_only_when_asked_for_and_there(monkeypatch, data):
    assert "torch" in docker.command(Step("torch"), "name").argv
    assert "torch-online" in docker.command(Step("torch", network=True), "name").argv
    monkeypatch.setattr(docker, "gpu", lambda: "the NVIDIA runtime")
    assert "compose.gpu.yaml" in docker.command(Step("torch"), "name").argv
    assert "compose.gpu.yaml" not in docker.command(Step("torch", device="cpu"), "name").argv


def test_what_a_step_writes_outside_the_volume_has_its_folder_mounted_writable(tmp_path, data):
    argv = [tmp_path / "source", "--json", Output(tmp_path / "out" / "found.json")]
    command = docker.command(script("onnx", "data_check", argv), "name")
    assert f"{tmp_path}/source:{tmp_path}/source:ro" in command.argv
    assert f"{tmp_path}/out:{tmp_path}/out" in command.argv
    assert command.argv[-1] == f"{tmp_path}/out/found.json"
