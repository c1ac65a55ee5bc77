"""data-show as typed: the page is written, or the reason is told."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from PIL import Image

from isomer.dataset import canonical
from isomer.dataset.canonical import Box, Picture


@pytest.fixture
def run(scripts, tmp_path):
    folder = tmp_path / "datasets" / "pets"
    (folder / "images").mkdir(parents=True)
    Image.new("RGB", (100, 80), "navy").save(folder / "images" / "1.png")
    canonical.write(folder, ("cat",), {"train": (Picture(1, "1.png", 100, 80, (Box(1, 5, 5, 40, 40),)),)}, {})

    def run_show(*arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, str(scripts / "data_show.py"), *arguments]
        environment = os.environ | {"ISOMER_DATA": str(tmp_path)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return run_show


def test_writes_the_page_and_says_where(run, tmp_path):
    done = run("pets")
    assert done.returncode == 0, done.stderr
    path = tmp_path / "reports" / "pets" / "dataset.html"
    assert str(path) in done.stdout
    assert "<h1>pets</h1>" in path.read_text()
    assert [item.name for item in path.parent.iterdir()] == ["dataset.html"]


def test_unknown_dataset(run, tmp_path):
    done = run("pet")
    assert done.returncode == 2
    assert "did you mean 'pets'?" in done.stderr
    assert not (tmp_path / "reports").exists()
