"""report as the launcher starts it: the page is written, or the reason is told."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from isomer.dataset import canonical
from isomer.dataset.canonical import Box, Picture

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def root(tmp_path) -> Path:
    folder = tmp_path / "datasets" / "pets"
    (folder / "images").mkdir(parents=True)
    Image.new("RGB", (100, 80), "navy").save(folder / "images" / "1.png")
    canonical.write(folder, ("cat",), {"test": (Picture(1, "1.png", 100, 80, (Box(1, 5, 5, 40, 40),)),)}, {})
    return tmp_path


def run(root: Path, *argv: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, REPOSITORY / "images/onnx/report.py", *argv],
        env=os.environ | {"ISOMER_DATA": str(root), "PYTHONPATH": str(REPOSITORY / "shared")},
        capture_output=True,
        text=True,
    )


def test_writes_the_page_and_says_where(root):
    done = run(root, "--data", "pets")
    assert done.returncode == 0, done.stderr
    path = root / "reports" / "pets" / "index.html"
    assert str(path) in done.stdout
    assert "<h1>pets</h1>" in path.read_text()
    assert sorted(item.name for item in path.parent.iterdir()) == ["index.html", "pictures"], "no temporary file stays"
    assert [item.name for item in (path.parent / "pictures").iterdir()] == ["1.png"]


def test_unknown_dataset(root):
    done = run(root, "--data", "pet")
    assert done.returncode == 2
    assert "unknown dataset 'pet'; did you mean 'pets'? Known: pets" in done.stderr
    assert not (root / "reports").exists()
