"""The log of a training that is cut off and goes on."""

from __future__ import annotations

import pytest

from isomer import slurm
from isomer.run import RunFolder
from isomer.training import Plan, TrainLog, evaluations

PLAN = Plan(pictures=40, batch=4, steps=60, eval_steps=(60,))


@pytest.fixture
def run(tmp_path, monkeypatch) -> RunFolder:
    monkeypatch.delenv("SLURM_RESTART_COUNT", raising=False)
    monkeypatch.delenv(slurm.RESTART, raising=False)
    made = RunFolder(tmp_path / "shapes-torch")
    made.checkpoints.mkdir(parents=True)
    made.update(state="started")
    return made


def go_on(run: RunFolder, done: int, until: int) -> dict | None:
    """Train from one step to another, as far as the log sees it; the mark of a restart."""
    with TrainLog(run, PLAN, done) as log:
        for step in range(done + 1, until + 1):
            log.trained(step, 1.0 / step, 0.01)
    return log.restart


def marks(run: RunFolder) -> list[dict]:
    return [line for line in run.metrics() if line["split"] == "restart"]


def test_a_job_that_is_started_again_marks_where_the_run_goes_on(run, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    assert go_on(run, 0, 25) is None
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    monkeypatch.setenv(slurm.RESTART, "time limit")
    go_on(run, 20, 45)
    monkeypatch.setenv(slurm.RESTART, "preempted")
    mark = go_on(run, 40, 60)
    assert mark == marks(run)[1]
    found = [(line["step"], line["epoch"], line["job"], line["restart"], line["reason"]) for line in marks(run)]
    assert found == [(20, 2.0, "12", 1, "time limit"), (40, 4.0, "12", 2, "preempted")]
    assert [line["step"] for line in run.metrics() if line["split"] == "train"] == [10, 20, 30, 40, 50, 60]
    steps = [line["step"] for line in run.metrics()]
    assert steps == sorted(steps)
    seconds = [line["seconds"] for line in run.metrics()]
    assert seconds == sorted(seconds)
    assert evaluations(run) == []


def test_restarts_before_the_first_checkpoint_are_all_kept(run, monkeypatch):
    go_on(run, 0, 5)
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    go_on(run, 0, 5)
    monkeypatch.setenv("SLURM_RESTART_COUNT", "2")
    go_on(run, 0, 60)
    assert [(line["step"], line["restart"], line["reason"]) for line in marks(run)] == [(0, 1, None), (0, 2, None)]


def test_a_run_that_is_new_in_such_a_job_has_no_mark(run, monkeypatch):
    """The job of a pipeline or of a sweep may have been started again before it came to this run."""
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert go_on(run, 0, 60) is None
    assert marks(run) == []


def test_a_run_gone_on_with_by_hand_has_no_mark(run):
    go_on(run, 0, 25)
    go_on(run, 20, 60)
    assert marks(run) == []
