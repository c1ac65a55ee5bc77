"""Which process this is, and what is refused before TensorFlow is loaded."""

from __future__ import annotations

import json
import os

import cluster
import pytest
from cluster import Place, place

from isomer.errors import UserError
from isomer.flags import Train


def config(workers: int, index: int, chief: int = 0) -> dict[str, str]:
    names = {"worker": [f"host{number}:1" for number in range(workers)]}
    if chief:
        names["chief"] = ["host:1"]
    return {"TF_CONFIG": json.dumps({"cluster": names, "task": {"type": "worker", "index": index}})}


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """Four processors, two GPUs."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)))
    monkeypatch.setattr(cluster, "gpus", lambda: 2)


def test_alone():
    assert place(Train(), {}) == Place()
    assert place(Train(devices=2), {}) == Place(devices=2)
    assert Place(devices=2).parts == 2


def test_processes_are_still_to_be_started():
    assert place(Train(devices=4, device="cpu"), {}) is None


def test_one_of_a_cluster():
    assert place(Train(devices=2, device="cpu"), config(2, 1)) == Place(1, 2, 1)
    assert place(Train(nodes=2, devices=2), config(2, 0)) == Place(0, 2, 2)


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
