"""Stopping what runs: the step and its workers go, the launcher's exit code says why."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from launcher.process import Command

LAUNCHER = """
import sys; sys.path.insert(0, {shared!r})
from launcher import process
process.terminate_like_interrupt()
try:
    sys.exit(process.run(process.Command((sys.executable, "-c", {step!r}))))
except KeyboardInterrupt:
    sys.exit(130)
"""
# A step with a worker of its own; deaf ones ignore Ctrl-C.
STEP = """
import os, signal, subprocess, sys, time
{deaf}
worker = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(2, 1); time.sleep(60)"])
open({pids!r}, "w").write(f"{{os.getpid()}} {{worker.pid}}")
time.sleep(60)
"""


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("number", "deaf", "code"),
    [
        (signal.SIGINT, "", 130),
        (signal.SIGTERM, "", 143),
        (signal.SIGINT, "signal.signal(2, signal.SIG_IGN)", 130),
    ],
)
def test_an_interrupt_stops_the_step_and_its_workers_within_ten_seconds(tmp_path, root, number, deaf, code):
    pids = tmp_path / "pids"
    step = STEP.format(pids=str(pids), deaf=deaf)
    launcher = subprocess.Popen([sys.executable, "-c", LAUNCHER.format(shared=str(root / "shared"), step=step)])
    while not (pids.is_file() and len(pids.read_text().split()) == 2):
        time.sleep(0.05)
    start = time.monotonic()
    launcher.send_signal(number)
    assert launcher.wait(20) == code
    assert time.monotonic() - start < 10
    time.sleep(0.2)
    assert not any(is_alive(int(pid)) for pid in pids.read_text().split())


def test_the_exit_code_of_a_step_is_the_launchers(root):
    step = "import sys; sys.exit(7)"
    done = subprocess.run([sys.executable, "-c", LAUNCHER.format(shared=str(root / "shared"), step=step)], check=False)
    assert done.returncode == 7


def test_a_command_is_one_line_that_a_shell_understands(tmp_path):
    command = Command(("printf", "%s|", "it's", "two words", "$HOME"), {"A_B": "x y"}, cwd=tmp_path)
    done = subprocess.run(["bash", "-c", command.line() + '; echo "$PWD"'], capture_output=True, text=True, check=True)
    assert done.stdout == f"it's|two words|$HOME|{tmp_path}\n"
    assert command.line().count("\n") == 0 and os.environ.get("A_B") is None
