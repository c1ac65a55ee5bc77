"""Which of a run's processes this is."""

from __future__ import annotations

import cluster
import pytest
from cluster import Place

from isomer import slurm
from isomer.errors import UserError
from isomer.flags import Train

TWO = Train(devices=2)


def test_alone_and_not_yet_started():
    assert cluster.place(Train(), {}) == Place()
    assert cluster.place(TWO, {}) is None


def test_torchrun():
    found = cluster.place(Train(devices=2, nodes=2), {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"})
    assert found == Place(3, 4, 1, "torchrun")
    assert not found.first


TASK = {
    "SLURM_JOB_ID": "7",
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "1",
    "SLURM_NODEID": "1",
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_STEP_NUM_NODES": "2",
    "ISOMER_NODES": "n1,n2",
}


def test_slurm():
    assert cluster.place(Train(devices=2, nodes=2), TASK) == Place(3, 4, 1, "slurm")
    # a single task, or a batch script without srun, which knows how many its job may start
    assert cluster.place(Train(), TASK | {"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"}) == Place()
    assert cluster.place(Train(), {"SLURM_PROCID": "0", "SLURM_NTASKS": "4", "SLURM_LOCALID": "0"}) == Place()


def test_torchrun_as_a_task_of_slurm():
    variables = TASK | {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}
    assert cluster.place(TWO, variables).by == "torchrun"
    assert cluster.task(variables) is None


def test_what_lightning_reads_of_a_step():
    """As its own Slurm environment understands it, whatever the job around the step has."""
    environment = TASK | {"SLURM_NTASKS": "9", "SLURM_NNODES": "3"}
    cluster.export(slurm.task(environment), ["10.0.0.1"] * 4, environment)
    assert environment["SLURM_NTASKS"] == "4"
    assert environment["SLURM_NTASKS_PER_NODE"] == "2"
    assert environment["SLURM_NNODES"] == "2"
    assert environment["MASTER_ADDR"] == "10.0.0.1"


def test_kubeflow():
    assert cluster.place(Train(nodes=3), {"RANK": "2", "WORLD_SIZE": "3"}) == Place(2, 3, 0, "kubeflow")


def test_numbers_that_do_not_agree_name_both():
    with pytest.raises(UserError, match=r"--devices 2 and --nodes 1 make 2 processes, but torchrun started 4"):
        cluster.place(TWO, {"RANK": "0", "WORLD_SIZE": "4", "LOCAL_RANK": "0"})
    with pytest.raises(UserError, match="--nodes 2: nothing says which node this is"):
        cluster.place(Train(nodes=2), {})


def test_a_node_that_says_its_number_starts_its_own():
    assert cluster.place(Train(nodes=2), {"NODE_RANK": "1", "MASTER_ADDR": "10.0.0.1"}) is None


def test_a_batch_is_divided_evenly():
    assert cluster.share(Train(batch=24, devices=2, nodes=2, accumulate=3)) == 2
    with pytest.raises(UserError, match=r"--batch 15 is the pictures of a step .* give --batch 16"):
        cluster.share(Train(batch=15, devices=2))


def test_more_devices_than_cores_name_both(monkeypatch):
    monkeypatch.setattr(cluster.os, "sched_getaffinity", lambda _: {0, 1})
    with pytest.raises(UserError, match="--devices 3 with --device cpu: there are 2 processor cores"):
        cluster.check_cores(3)
