"""Which of a run's processes this is."""

from __future__ import annotations

import cluster
import pytest
from cluster import Place

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


def test_slurm():
    variables = {"SLURM_PROCID": "0", "SLURM_NTASKS": "2", "SLURM_LOCALID": "0"}
    assert cluster.place(TWO, variables) == Place(0, 2, 0, "slurm")
    # a batch script that starts a single process is no cluster
    assert cluster.place(Train(), variables | {"SLURM_NTASKS": "1"}) == Place()


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
