"""Runs that are killed, and several processes that train together: by the real script, and real signals."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from pathlib import Path

import pytest
from tiny import SETTINGS, STEPS

from isomer.errors import EXIT_LOST
from isomer.run import RunFolder

EXACT = (*SETTINGS, "--deterministic", "--ema", "0.9", "--balance", "--eval-every", "1")
TOGETHER = (*SETTINGS, "--devices", "2", "--workers", "1")
SECONDS = 200.0  # the most that anything takes on a busy machine


@pytest.mark.slow
def test_killed_twice_it_ends_with_the_same_bits(image):
    image.run("train", *EXACT, "--run", "unbroken")
    unbroken, killed = image.folder("unbroken"), image.folder("killed")
    for step in (1, 20):
        process = image.start("train", *EXACT, "--run", "killed")
        _wait(lambda step=step: killed.metrics() and killed.metrics()[-1]["step"] >= step, process)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert killed.record()["state"] != "done"
    image.run("train", *EXACT, "--run", "killed")
    assert killed.record()["weights_sha256"] == unbroken.record()["weights_sha256"]
    assert killed.record()["metrics"] == unbroken.record()["metrics"]
    timeless = [[_without_times(line) for line in run.metrics()] for run in (killed, unbroken)]
    assert timeless[0] == timeless[1]


@pytest.mark.slow
def test_a_process_that_dies_ends_the_run_in_seconds_and_the_run_goes_on(image):
    run = image.folder("together")
    process = image.start("train", *TOGETHER, "--run", "together")
    _wait(lambda: run.metrics() and any(run.checkpoints.glob("*")), process)
    children = _children(process.pid)
    assert len(children) == 2
    os.kill(children[-1], signal.SIGKILL)
    start = time.monotonic()
    output, _ = process.communicate(timeout=SECONDS)
    assert time.monotonic() - start < 15
    assert process.returncode == EXIT_LOST, output
    assert "process 1 of 2 was killed (SIGKILL)" in output
    assert "the same command goes on" in output
    assert "Traceback" not in output, output
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    image.run("train", *TOGETHER, "--run", "together")
    assert run.record()["steps"] == STEPS
    _check_one_writer(run)


@pytest.mark.slow
def test_processes_are_stopped_together(image):
    run = image.folder("stopped-together")
    process = image.start("train", *TOGETHER, "--run", "stopped-together")
    _wait(run.metrics, process)
    children = _children(process.pid)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, output
    assert "Traceback" not in output, output
    assert run.record()["state"] == "interrupted"
    assert not any(Path(f"/proc/{child}").exists() for child in children)


def test_more_devices_than_there_are(image):
    cores = len(os.sched_getaffinity(0))
    many = str(cores + 1)
    output = image.run(
        "train", *SETTINGS, "--batch", str(2 * cores + 2), "--devices", many, "--run", "many", exit_code=2
    )
    assert f"--devices {many}" in output
    assert re.search(rf"\b{cores} processor", output)
    assert not image.folder("many").path.exists()


def test_a_batch_that_cannot_be_divided(image):
    output = image.run("train", *SETTINGS, "--accumulate", "3", "--run", "uneven", exit_code=2)
    assert "--batch 16" in output
    assert "--accumulate 3" in output
    assert not image.folder("uneven").path.exists()


def _check_one_writer(run: RunFolder) -> None:
    """Every line once, as one process would write them."""
    for split in ("train", "val"):
        steps = [line["step"] for line in run.metrics() if line["split"] == split]
        assert steps == sorted(set(steps))


def _without_times(line: dict) -> dict:
    return {key: value for key, value in line.items() if key not in ("seconds", "images_per_s", "memory", "waiting")}


def _children(pid: int) -> list[int]:
    """The processes that a process has started, oldest first."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _wait(condition, process) -> None:
    """Until something is so; a training that does not come so far is ended."""
    end = time.monotonic() + SECONDS
    while not condition():
        if process.poll() is not None or time.monotonic() > end:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            pytest.fail(f"ended, or did nothing in {SECONDS:g} s: {process.communicate()[0]}")
        time.sleep(0.02)
