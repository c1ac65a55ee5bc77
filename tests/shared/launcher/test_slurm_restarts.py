"""What ends a job on a real cluster, and what becomes of it: a small program trains as train.py would."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from launcher.options import Site as Flags
from launcher.slurm import batch, following, queue, site
from launcher.slurm.batch import Launch
from launcher.step import Step

STEPS = 80  # of a tenth of a second
# Saves after each step where it is asked to stop, and every twentieth; a second TERM ends it where it is, and so does
# the other process's end
TRAINER = """
import json, os, pathlib, signal, sys, time
run = pathlib.Path(sys.argv[1])
asked = []
def stop(number, frame):
    if os.environ.get("DEAF"):
        return
    if asked:
        os._exit(1)
    asked.append(number)
signal.signal(signal.SIGTERM, stop)
first = os.environ["SLURM_PROCID"] == "0"
checkpoints = run / "checkpoints"
checkpoints.mkdir(parents=True, exist_ok=True)
done = max([int(path.name) for path in checkpoints.glob("[0-9]*")], default=0)
print("from step", done, os.environ.get("ISOMER_RESTART", ""), flush=True)
def save(step, state):
    if first:
        part = checkpoints / ".part"
        part.write_text("x" * 1000)
        time.sleep(float(os.environ.get("SAVING", 0)))
        part.rename(checkpoints / str(step))
        (run / "run.json").write_text(json.dumps({"state": state}, indent=2))
mine, other = (run / f"alive-{rank}" for rank in (os.environ["SLURM_PROCID"], "10"[int(os.environ["SLURM_PROCID"])]))
for step in range(done + 1, int(sys.argv[2]) + 1):
    time.sleep(0.1)
    mine.touch()
    if step > done + 20 and os.environ["SLURM_NTASKS"] == "2" and time.time() - other.stat().st_mtime > 1 and not asked:
        sys.exit(75)
    if first:
        with (run / "metrics.jsonl").open("a") as stream:
            stream.write(json.dumps({"step": step, "restart": os.environ.get("SLURM_RESTART_COUNT", "0")}) + "\\n")
    if asked or step % 20 == 0:
        save(step, "interrupted" if asked else "running")
    if asked:
        sys.exit(0)
save(step, "done")
"""


@pytest.fixture
def settings(slurm, tmp_path, monkeypatch) -> site.Site:
    """A site's settings for this test's cluster, volume and trainer."""
    for name, value in slurm.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ISOMER_DATA", str(tmp_path / "data"))
    monkeypatch.setenv(site.VARIABLE, str(tmp_path / "slurm.toml"))
    (tmp_path / "slurm.toml").write_text("warning-seconds = 5\n")
    (tmp_path / "trainer.py").write_text(TRAINER)
    return site.load(Flags())


class Training:
    """A job of the trainer, with its run."""

    def __init__(self, tmp_path: Path, settings: site.Site, nodes: int = 1, steps: int = STEPS, **env: str) -> None:
        self.run = tmp_path / "data" / "runs" / "r"
        step = Step("torch", ("train.py",), run="r", nodes=nodes)
        command = (sys.executable, str(tmp_path / "trainer.py"), str(self.run), str(steps))
        script = tmp_path / "batch.sh"
        script.write_text(batch.script(step, Launch(command, env), settings))
        batch.folder_of(step).mkdir(parents=True, exist_ok=True)
        self.id = queue.submit([str(script)], settings)
        self.log = batch.folder_of(step) / f"{self.id}.log"

    def wait(self, step: int, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while step not in self.steps():
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.1)

    def end(self) -> int:
        return following.follow([(self.id, self.log)])[self.id]

    def steps(self) -> list[int]:
        path = self.run / "metrics.jsonl"
        return [json.loads(line)["step"] for line in path.read_text().splitlines()] if path.is_file() else []

    def starts(self) -> list[str]:
        return [line for line in self.said().splitlines() if line.startswith("from step")]

    def said(self) -> str:
        return self.log.read_text() if self.log.is_file() else "no log"

    @property
    def state(self) -> str:
        return json.loads((self.run / "run.json").read_text())["state"]


@pytest.mark.slow
def test_before_the_time_limit_it_saves_and_goes_on_by_itself(tmp_path, settings):
    limited = site.load(Flags(time_limit="1"))
    training = Training(tmp_path, limited, nodes=2, steps=700)  # Slurm looks once in half a minute whether time is up

    assert training.end() == 0, training.said()
    assert training.state == "done"
    assert training.steps() == list(range(1, 701))  # none lost, none twice
    assert "time limit, back into the queue" in training.said()
    assert any("time limit" in line for line in training.starts()[1:])


def test_told_that_its_time_is_almost_up_it_saves_at_once(slurm, tmp_path, settings):
    training = Training(tmp_path, settings, nodes=2)
    training.wait(25)
    slurm.run(["scancel", "--signal=USR1", "--batch", training.id])

    assert training.end() == 0, training.said()
    assert training.state == "done"
    assert training.steps() == list(range(1, STEPS + 1))
    assert "time limit" in training.starts()[-1]


def test_preempted_it_saves_and_goes_on_when_the_nodes_are_free(slurm, tmp_path, settings):
    training = Training(tmp_path, settings, nodes=2)
    training.wait(25)
    slurm.run(["srun", "--partition=urgent", "--nodes=2", "sleep", "1"])

    assert training.end() == 0, training.said()
    assert training.state == "done"
    assert training.steps() == list(range(1, STEPS + 1))
    assert "preempted" in training.starts()[-1]


@pytest.mark.slow
def test_preempted_without_having_saved_it_goes_on_all_the_same(slurm, tmp_path, settings):
    training = Training(tmp_path, settings, nodes=2, steps=300, DEAF="1")
    training.wait(25)
    slurm.run(["srun", "--partition=urgent", "--nodes=2", "sleep", "1"])

    assert training.end() == 0, training.said()
    assert training.state == "done"
    assert len(training.starts()) == 4
    assert sorted(set(training.steps())) == list(range(1, 301))


def test_a_process_that_was_killed_is_started_again_from_the_last_checkpoint(slurm, tmp_path, settings):
    training = Training(tmp_path, settings, nodes=2)
    training.wait(25)
    mine = [pid for pid in slurm.pids("n2") if str(training.run) in Path(f"/proc/{pid}/cmdline").read_text()]
    for pid in mine:
        os.kill(pid, signal.SIGKILL)

    assert training.end() == 0, training.said()
    assert training.state == "done"
    assert sorted(set(training.steps())) == list(range(1, STEPS + 1))
    assert "from step 20 a process was killed" in training.said()


@pytest.mark.slow
def test_a_node_that_fails_is_left_and_the_job_starts_again(slurm, tmp_path, settings):
    training = Training(tmp_path, settings)
    training.wait(25)
    node = queue.job(training.id).nodes
    slurm.kill_node(node)
    try:
        assert training.end() == 0, training.said()
    finally:
        slurm.start_node(node)

    assert training.state == "done"
    assert "from step 20 node failed" in training.said()


def test_a_cancelled_job_saves_and_stays_cancelled(tmp_path, settings):
    training = Training(tmp_path, settings, nodes=2)
    training.wait(25)
    queue.cancel(training.id)

    assert training.end() == 143
    assert training.state == "interrupted"
    saved = max(int(path.name) for path in (training.run / "checkpoints").glob("[0-9]*"))
    assert saved == training.steps()[-1] > 20
    time.sleep(1)  # in which it would have been put back
    assert queue.job(training.id).state == "CANCELLED"


def test_cancelled_while_it_writes_a_checkpoint_nothing_is_half_there(tmp_path, settings):
    training = Training(tmp_path, settings, SAVING="1")
    training.wait(20)
    queue.cancel(training.id)

    assert training.end() != 0
    assert {path.read_text() for path in (training.run / "checkpoints").glob("[0-9]*")} == {"x" * 1000}
    assert queue.job(training.id).state in ("CANCELLED", "COMPLETING")


def test_the_controller_may_be_restarted_meanwhile(slurm, tmp_path, settings):
    training = Training(tmp_path, settings, steps=60)
    training.wait(10)
    restart = threading.Thread(target=slurm.restart_controller)
    restart.start()

    assert training.end() == 0, training.said()
    restart.join()
    assert training.steps() == list(range(1, 61))


def test_a_job_that_gets_no_further_ends(tmp_path, settings):
    (tmp_path / "trainer.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    training = Training(tmp_path, settings)

    assert training.end() == 137
    assert "3 starts one after the other wrote no checkpoint" in training.said()
