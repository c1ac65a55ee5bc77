"""data-make as typed: the same bytes each time, nothing done twice, a name never taken silently."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SMALL = ("--train", "12", "--val", "3", "--test", "3")


@pytest.fixture
def make(scripts: Path, tmp_path: Path):
    """Run data-make with its own data volume under a name."""

    def run(*arguments: str, volume: str = "data") -> subprocess.CompletedProcess:
        environment = os.environ | {"ISOMER_DATA": str(tmp_path / volume)}
        command = [sys.executable, str(scripts / "data_make.py"), *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return run


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_two_volumes_get_the_same_bytes(make, tmp_path):
    for volume in ("one", "two"):
        assert make("shapes", *SMALL, volume=volume).returncode == 0
    made = content(tmp_path / "one/datasets/shapes")
    assert made == content(tmp_path / "two/datasets/shapes")
    assert sum(name.endswith(".jpg") for name in made) == 18


def test_again_does_nothing_and_other_options_are_refused(make, tmp_path):
    assert make(*SMALL).returncode == 0
    before = (tmp_path / "data/datasets/shapes").stat().st_mtime_ns
    again = make(*SMALL)
    assert again.returncode == 0
    assert "nothing to do" in again.stdout
    other = make(*SMALL, "--seed", "1")
    assert other.returncode == 2
    assert "--seed is 0 there and 1 here" in other.stderr
    assert "--name" in other.stderr
    assert (tmp_path / "data/datasets/shapes").stat().st_mtime_ns == before
    assert make(*SMALL, "--seed", "1", "--name", "others").returncode == 0


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_stopped_in_the_middle_it_leaves_no_dataset_and_the_same_command_makes_it(make, scripts, tmp_path, stop):
    datasets = tmp_path / "data/datasets"
    environment = os.environ | {"ISOMER_DATA": str(tmp_path / "data")}
    command = [sys.executable, str(scripts / "data_make.py"), "--train", "5000"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list(datasets.glob(".*/images/*.jpg")):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(stop)
    assert process.wait(20) != 0
    assert not (datasets / "shapes").exists()
    assert make(*SMALL).returncode == 0
    assert [path.name for path in datasets.iterdir()] == ["shapes"]
