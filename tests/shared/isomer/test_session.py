"""Whether a run is being trained, by whom, and how it ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from isomer.errors import ProcessLost, UserError
from isomer.run import RunFolder
from isomer.session import Session, state

# trains until it is killed, with a child that has the same files open, as processes that read pictures have
TRAINING = """
import os, sys, time
from pathlib import Path
from isomer.run import RunFolder
from isomer.session import Session
with Session(RunFolder(Path(sys.argv[1])), 100):
    if os.fork():
        print("ready", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def run(tmp_path) -> RunFolder:
    made = RunFolder(tmp_path / "shapes-torch")
    made.path.mkdir()
    made.update(state="started")
    return made


def test_one_that_never_began_is_interrupted(run):
    assert state(run) == "interrupted"


def test_running_then_done(run):
    with Session(run, 100):
        assert state(run) == "running"
        assert run.record()["planned_steps"] == 100
    assert state(run) == "interrupted"  # until the trainer says that it is done
    run.update(state="done")
    assert state(run) == "done"


@pytest.mark.parametrize("code", [0, 130])
def test_asked_to_stop(run, code):
    with pytest.raises(SystemExit), Session(run, 100):
        sys.exit(code)
    assert (state(run), run.record()["problem"]) == ("interrupted", None)


def test_failed_with_the_reason_until_it_goes_on(run):
    with pytest.raises(UserError), Session(run, 100):
        raise UserError("out of memory")
    assert (state(run), run.record()["problem"]) == ("failed", "out of memory")
    with Session(run, 100):
        assert (state(run), run.record()["problem"]) == ("running", None)


def test_killed(run, root: Path):
    environment = os.environ | {"PYTHONPATH": str(root / "shared")}
    command = [sys.executable, "-c", TRAINING, str(run.path)]
    training = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert training.stdout.readline() == "ready\n"
    assert state(run) == "running"
    with pytest.raises(UserError, match="'shapes-torch' is being trained by another process"), Session(run, 100):
        pass
    os.killpg(training.pid, signal.SIGKILL)
    training.communicate()
    assert run.record()["state"] == "running"
    assert state(run) == "interrupted"
    half_written = run.checkpoints / ".step-9.ckpt.0.part"
    half_written.parent.mkdir()
    half_written.touch()
    with Session(run, 100):
        assert not half_written.exists()


def test_a_job_waits_for_the_end_of_the_one_before(run, monkeypatch):
    """Started again, it may be there before the last process of its first time, on another node, is gone."""
    process = subprocess.Popen(
        [sys.executable, "-c", TRAINING, run.path], stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout.readline() == b"ready\n"
    end = threading.Timer(1.0, lambda: os.killpg(process.pid, signal.SIGKILL))
    with pytest.raises(UserError, match="is being trained by another process"), Session(run, 100):
        pass  # who typed the command is told at once
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    end.start()
    with Session(run, 100):
        assert state(run) == "running"
    process.communicate()


def test_a_run_whose_other_process_is_gone_is_interrupted(run):
    with pytest.raises(ProcessLost), Session(run, 100):
        raise ProcessLost("the connection is lost")
    assert (state(run), run.record()["problem"]) == ("interrupted", "the connection is lost")
