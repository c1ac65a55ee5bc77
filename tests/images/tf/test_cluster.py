"""Which process this is, and what is refused before TensorFlow is loaded."""

from __future__ import annotations

import dataclasses
import json
import os

import cluster
import pytest
from cluster import Place, place

from isomer.errors import UserError
from isomer.flags import Train
from isomer.slurm import Task


def config(workers: int, index: int, chief: int = 0) -> dict[str, str]:
    names = {"worker": [f"host{number}:1" for number in range(workers)]}
    if chief:
        names["chief"] = ["host:1"]
    return {"TF_CONFIG": json.dumps({"cluster": names, "task": {"type": "worker", "index": index}})}


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """Four processors, two GPUs."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)))
    monkeypatch.setattr(cluster, "gpus", lambda *_: 2)


def test_alone():
    assert place(Train(), {}) == Place()
    assert place(Train(devices=2), {}) == Place(devices=2)
    assert Place(devices=2).parts == 2


def test_processes_are_still_to_be_started():
    assert place(Train(devices=4, device="cpu"), {}) is None


def test_one_of_a_cluster():
    assert place(Train(devices=2, device="cpu"), config(2, 1)) == Place(1, 2, 1, neighbours=2)
    assert place(Train(nodes=2, devices=2), config(2, 0)) == Place(0, 2, 2)


TASK = Task(rank=3, count=4, local=1, node="n2", nodes=("n1", "n2"), job="700", launcher="10.0.0.1")
VARIABLES = {
    "SLURM_JOB_ID": "700",
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "1",
    "SLURMD_NODENAME": "n2",
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_STEP_NUM_NODES": "2",
    "SLURM_LAUNCH_NODE_IPADDR": "10.0.0.1",
    "ISOMER_NODES": "n1,n2",
}


def test_a_task_of_slurm():
    assert cluster.task(VARIABLES) == TASK
    assert place(Train(nodes=2, devices=2), VARIABLES) == Place(3, 4, neighbours=2)
    assert cluster.task(VARIABLES | config(2, 0)) is None  # who has set TF_CONFIG is believed


@pytest.mark.parametrize(("visible", "shown"), [(None, "1"), ("4,6", "6"), ("5", "5")])
def test_tf_config_and_the_gpu_of_a_task(visible, shown):
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    cluster.export(TASK, ["10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.2"], environment)
    assert environment["CUDA_VISIBLE_DEVICES"] == shown
    said = json.loads(environment["TF_CONFIG"])
    assert said["task"] == {"type": "worker", "index": 3}
    workers = said["cluster"]["worker"]
    assert [worker.split(":")[0] for worker in workers] == ["10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.2"]
    assert len(set(workers)) == 4
    # another job's on the same nodes
    cluster.export(dataclasses.replace(TASK, job="701"), ["10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.2"], environment)
    assert not set(json.loads(environment["TF_CONFIG"])["cluster"]["worker"]) & set(workers)


def test_a_chief_comes_first():
    assert place(Train(nodes=2), config(1, 0, chief=1)) == Place(1, 2, 1)


@pytest.mark.parametrize(
    ("options", "environment", "words"),
    [
        (Train(devices=3), {}, "--devices 3: this machine has 2 GPUs"),
        (Train(devices=5, device="cpu"), {}, "--devices 5 --device cpu: this machine has 4 processors"),
        (Train(nodes=2), {}, "--nodes 2: TF_CONFIG is not set"),
        (Train(nodes=2), config(3, 0), "TF_CONFIG names 3 workers, but --nodes 2 makes 2"),
        (Train(), config(2, 0), "TF_CONFIG names 2 workers, but --nodes 1 makes 1"),
        (Train(nodes=2), config(2, 5), "must name all workers and say which"),
        (Train(nodes=2), {"TF_CONFIG": "{"}, "must name all workers and say which"),
        (Train(nodes=2), {"TF_CONFIG": "[]"}, "must name all workers and say which"),
        (Train(devices=2, batch=9), {}, "--batch 9 .* 2 devices .* give --batch 8"),
        (Train(devices=2, batch=16, accumulate=3), {}, "--accumulate 3 .* give --batch 18"),
    ],
)
def test_what_cannot_be(options, environment, words):
    with pytest.raises(UserError, match=words):
        place(options, environment)


@pytest.mark.parametrize(("visible", "count"), [("", 0), ("-1", 0), ("0", 1), ("0,1", 2), ("1,-1,0", 1), (None, 3)])
def test_gpus_without_a_framework(monkeypatch, tmp_path, visible, count):
    monkeypatch.undo()
    for name in ("nvidia0", "nvidia1", "nvidia10", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert cluster.gpus(environment, tmp_path) == count
