"""Several processes that train one run, for real: two on the CPU of this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from isomer import processes, session
from isomer.dataset import canonical
from isomer.dataset.canonical import Box, Picture
from isomer.errors import EXIT_LOST
from isomer.run import RunFolder
from isomer.volume import Volume

SIDE, BATCH = 96, 4
FLAGS = ("--data", "tiny", "--size", str(SIDE), "--batch", str(BATCH), "--device", "cpu", "--logger", "none")
PATIENCE = 500  # seconds; a graph over two processes takes its time

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def volume(tmp_path_factory) -> Volume:
    """A dataset of twelve noisy pictures of a bright box."""
    root = Volume(tmp_path_factory.mktemp("volume"))
    folder, random = root.datasets / "tiny", np.random.default_rng(0)
    (folder / canonical.IMAGES).mkdir(parents=True)
    splits = {}
    for name, count in (("train", 12), ("val", 2), ("test", 2)):
        pictures = []
        for number in range(count):
            pixels = random.integers(0, 60, (SIDE, SIDE, 3), dtype=np.uint8)
            x, y, side = (int(value) for value in random.integers(20, 44, 3))
            pixels[y : y + side, x : x + side] = 230
            Image.fromarray(pixels).save(folder / canonical.IMAGES / f"{name}{number}.png")
            pictures.append(Picture(0, f"{name}{number}.png", SIDE, SIDE, (Box(1, x, y, side, side),)))
        splits[name] = tuple(pictures)
    canonical.write(folder, ("box",), splits, {})
    return root


def start(volume: Volume, *flags: str, **environment: str) -> subprocess.Popen:
    known = {
        "ISOMER_DATA": str(volume.root),
        "ISOMER_SCRIPTS": os.environ["ISOMER_SCRIPTS"],
        "PYTHONPATH": str(Path(canonical.__file__).parents[2]),
    }
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("every_step.py")), *FLAGS, *flags],
        env=os.environ | known | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen, exit_code: int = 0, patience: float = PATIENCE) -> str:
    try:
        output, _ = process.communicate(timeout=patience)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == exit_code, output
    assert "Traceback" not in output, output
    return output


def wait(condition, process: subprocess.Popen) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end
        time.sleep(0.1)


def losses(run: RunFolder) -> dict[int, float]:
    return {line["step"]: line["loss"] for line in run.metrics() if line["split"] == "train"}


def nodes(volume: Volume, *flags: str) -> list[subprocess.Popen]:
    """As on two machines: each is started by somebody, with its own TF_CONFIG."""
    workers = [f"127.0.0.1:{processes.free_port()}" for _ in range(2)]
    return [
        start(
            volume,
            "--nodes",
            "2",
            *flags,
            TF_CONFIG=json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}),
        )
        for index in range(2)
    ]


def both(volume: Volume, name: str, *flags: str, **environment: str) -> tuple[list[float], list[float]]:
    """The losses, step by step, of a run in one process and of the same in two."""
    for run, devices in ((name, ()), (f"{name}-together", ("--devices", "2"))):
        finish(start(volume, "--eval-every", "100", "--run", run, *flags, *devices, **environment))
    one, two = (losses(RunFolder(volume.runs / run)) for run in (name, f"{name}-together"))
    assert list(one) == list(two)
    return list(one.values()), list(two.values())


def test_two_processes_learn_what_one_does(volume):
    """The positive anchors of both are counted. Without batch norms no rounding grows to something."""
    one, two = both(volume, "frozen", "--steps", "20", FROZEN_NORMS="1")
    assert len(one) == 20
    np.testing.assert_allclose(two, one, rtol=1e-5)
    run = RunFolder(volume.runs / "frozen-together")
    assert run.record()["device"] == "2 × cpu, 2 processes"
    assert [line["step"] for line in run.metrics()] == [*range(1, 21), 20]  # one of them writes


def test_a_node_that_dies_is_noticed_by_the_other(volume):
    run = RunFolder(volume.runs / "nodes")
    first, second = nodes(volume, "--run", "nodes", "--steps", "1000")
    try:
        wait(lambda: len(losses(run)) >= 2, first)
        second.kill()
        output = finish(first, exit_code=EXIT_LOST, patience=60)
    finally:
        for process in (first, second):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert "another process of this run has ended or cannot be reached" in output
    assert session.state(run) == "interrupted"


def test_sigterm_to_one_node_stops_both_with_a_checkpoint(volume):
    run = RunFolder(volume.runs / "asked")
    first, second = nodes(volume, "--run", "asked", "--steps", "1000")
    try:
        wait(lambda: len(losses(run)) >= 2, first)
        second.terminate()
        finish(first, exit_code=0, patience=60)
        finish(second, exit_code=0, patience=60)
    finally:
        for process in (first, second):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert session.state(run) == "interrupted"
    assert any(run.checkpoints.glob("ckpt-*.index"))
