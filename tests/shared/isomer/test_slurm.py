"""What Slurm's variables say, as it sets them for a batch script and for a step's tasks."""

from __future__ import annotations

import pytest

from isomer import slurm
from isomer.errors import UserError
from isomer.flags import Train

BATCH = {
    "SLURM_JOB_ID": "12",
    "SLURM_JOB_NODELIST": "n[1-2]",
    "SLURM_NNODES": "2",
    "SLURM_NTASKS": "4",
    "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
    "SLURM_NODEID": "0",
    "SLURMD_NODENAME": "n1",
}
STEP = BATCH | {
    "SLURM_PROCID": "2",
    "SLURM_NODEID": "1",
    "SLURMD_NODENAME": "n2",
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_STEP_NUM_NODES": "2",
    "SLURM_STEP_NODELIST": "n[1-2]",
    "SLURM_LAUNCH_NODE_IPADDR": "10.0.0.1",
    slurm.NODES: "n1,n2",
}


def test_a_batch_script_is_no_task():
    assert slurm.task({}) is None
    assert slurm.task(BATCH) is None
    assert slurm.task(STEP | {"SLURM_STEP_NUM_TASKS": "1"}) is None


def test_a_task():
    task = slurm.task(STEP)
    assert (task.rank, task.count, task.local, task.per_node) == (2, 4, 0, 2)
    assert (task.node, task.nodes, task.job, task.launcher) == ("n2", ("n1", "n2"), "12", "10.0.0.1")
    assert not task.first


def test_ports_of_neighbours_do_not_meet():
    ports = {slurm.task(STEP | {"SLURM_JOB_ID": str(job)}).port for job in range(5000, 5300)}
    assert len(ports) == 300
    assert all(25000 <= port < 32768 - slurm.PORTS for port in ports)
    assert min(b - a for a, b in zip(sorted(ports), sorted(ports)[1:], strict=False)) == slurm.PORTS


def test_hosts_without_the_batch_scripts_word(monkeypatch, tmp_path):
    said = {key: value for key, value in STEP.items() if key != slurm.NODES}
    assert slurm.hosts(said | {"SLURM_STEP_NODELIST": "left,right"}) == ("left", "right")
    (tmp_path / "scontrol").write_text('#!/bin/sh\n[ "$*" = "show hostnames n[1-2]" ] && printf "n1\\nn2\\n"\n')
    (tmp_path / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert slurm.hosts(said) == ("n1", "n2")
    # a step on fewer nodes than its job, of which the batch script spoke
    assert slurm.hosts(STEP | {"SLURM_STEP_NUM_NODES": "1", "SLURM_STEP_NODELIST": "n2"}) == ("n2",)
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match=r"which nodes are n\[1-2\]\?.*export ISOMER_NODES in the batch script"):
        slurm.hosts(said)


def test_devices_are_the_tasks_of_a_node():
    task = slurm.task(STEP)
    assert slurm.by_node(Train(nodes=2), task).devices == 2
    assert slurm.by_node(Train(nodes=2), None).devices is None
    with pytest.raises(UserError, match="--devices 2 and --nodes 1 make 2 processes, but slurm started 4"):
        slurm.by_node(Train(), task)


def test_restarts():
    assert slurm.restart(STEP) is None
    assert slurm.restart(STEP | {"SLURM_RESTART_COUNT": "0"}) is None
    assert slurm.restart(STEP | {"SLURM_RESTART_COUNT": "2"}) == slurm.Restart("12", 2, None)
    again = STEP | {"SLURM_RESTART_COUNT": "1", slurm.RESTART: "time limit"}
    assert slurm.restart(again) == slurm.Restart("12", 1, "time limit")
