"""data-export as typed: where it writes, and what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from isomer.dataset import canonical
from isomer.dataset.canonical import Box, Picture


@pytest.fixture
def root(tmp_path) -> Path:
    folder = tmp_path / "datasets" / "pets"
    (folder / "images").mkdir(parents=True)
    Image.new("RGB", (100, 80), "navy").save(folder / "images" / "1.png")
    canonical.write(folder, ("cat",), {"train": (Picture(1, "1.png", 100, 80, (Box(1, 5, 5, 40, 40),)),)}, {})
    return tmp_path


@pytest.fixture
def run(scripts, root):
    def run_export(*arguments: object) -> subprocess.CompletedProcess:
        command = [sys.executable, str(scripts / "data_export.py"), "--data", "pets", *map(str, arguments)]
        environment = os.environ | {"ISOMER_DATA": str(root)}
        return subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, check=False)

    return run_export


def test_into_the_volume_again_and_again(run, root):
    for _ in range(2):
        done = run("--format", "yolo")
        assert done.returncode == 0, done.stderr
    folder = root / "exports" / "pets-yolo"
    assert str(folder) in done.stdout
    assert (folder / "labels/train/1.txt").read_text() == "0 0.25000000 0.31250000 0.40000000 0.50000000\n"
    assert [path.name for path in folder.parent.iterdir()] == ["pets-yolo"]


def test_a_place_of_the_users_own_is_never_replaced(run, root):
    assert run("--format", "voc", "--to", root / "mine").returncode == 0
    done = run("--format", "voc", "--to", root / "mine")
    assert done.returncode == 2
    assert "there is something already" in done.stderr
    assert (root / "mine/Annotations/1.xml").is_file()


@pytest.mark.parametrize(("arguments", "words"), [(["--format", "yolo9000"], "'yolo9000'"), ([], "--format")])
def test_wrong_flags_are_a_sentence(run, arguments, words):
    done = run(*arguments)
    assert done.returncode == 2
    assert words in done.stderr
