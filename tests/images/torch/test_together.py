"""Two processes on this machine's CPU, as Lightning joins them: the same training as one, whoever starts them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from loading import Positions

from isomer import processes
from isomer.flags import Train
from isomer.run import RunFolder
from isomer.stream import Stream
from isomer.training import Plan
from isomer.volume import Volume

sys.path.insert(0, str(Path(__file__).parents[1] / "detectors"))
from tiny import make_tiny

STILL = Path(__file__).parent / "still_norms.py"
STEPS = 20
FLAGS = ("--data", "tiny", "--size", "96", "--batch", "8", "--device", "cpu", "--workers", "1", "--logger", "none")
TWENTY = (*FLAGS, "--steps", str(STEPS), "--lr", "0.0003", "--augment", "ssd", "--weights", "before")


@pytest.fixture(scope="module")
def volume(tmp_path_factory) -> Volume:
    found = Volume(tmp_path_factory.mktemp("volume"))
    make_tiny(found.datasets / "tiny")
    return found


@pytest.mark.slow
def test_two_processes_learn_what_one_learns(volume, scripts):
    """From weights that know something: those of chance blow float noise up until two runs of any kind differ."""
    _end(_start(volume, scripts / "train.py", *FLAGS, "--batch", "16", "--steps", "60", "--run", "before"))
    for name, devices in (("one", ()), ("two", ("--devices", "2"))):
        _end(_start(volume, STILL, *TWENTY, "--run", name, *devices))
    one, two = (_losses(RunFolder(volume.runs / name)) for name in ("one", "two"))
    assert one == pytest.approx(two, rel=1e-3)
    assert len(one) == STEPS
    maps = [RunFolder(volume.runs / name).record()["metrics"]["mAP"] for name in ("one", "two")]
    assert maps[0] == pytest.approx(maps[1], abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("starter", ["torchrun", "slurm", "kubeflow"])
def test_started_by_others(volume, starter, scripts):
    run = RunFolder(volume.runs / starter)
    flags = [*FLAGS, "--steps", "4", "--run", starter]
    flags += ["--nodes", "2"] if starter == "kubeflow" else ["--devices", "2"]
    train = scripts / "train.py"
    if starter == "torchrun":
        # without -- it takes our --run for its --run-path
        torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", str(processes.free_port())]
        _end(_start(volume, *torchrun, "--", train, *flags))
    else:
        port = str(processes.free_port())
        started = [_start(volume, train, *flags, **_said_by(starter, rank, port)) for rank in range(2)]
        for process in started:
            _end(process)
    assert run.record()["state"] == "done"
    steps = [(line["split"], line["step"]) for line in run.metrics()]
    assert steps == [("val", 1), ("val", 2), ("val", 3), ("train", 4), ("val", 4)]


def test_every_picture_once_an_epoch():
    plan = Plan.of(Train(epochs=3, batch=10), pictures=35)
    stream = Stream([None] * 35, 0, balance=False)
    seen = [position for rank in range(2) for position in Positions(0, plan, rank, 5)]
    epochs = [Counter(stream[position] for position in seen if position // 35 == epoch) for epoch in range(3)]
    assert all(epoch == Counter(range(35)) for epoch in epochs)


def _said_by(starter: str, rank: int, port: str) -> dict[str, str]:
    if starter == "kubeflow":
        return {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    values = {"PROCID": rank, "LOCALID": rank, "NTASKS": 2, "NTASKS_PER_NODE": 2, "NNODES": 1, "NODEID": 0}
    values |= {"JOB_ID": 1, "JOB_NAME": "train", "NODELIST": "127.0.0.1", "SRUN_COMM_PORT": 1}
    values |= {"STEP_NUM_TASKS": 2, "STEP_NUM_NODES": 1, "STEP_NODELIST": "127.0.0.1"}
    return {f"SLURM_{key}": str(value) for key, value in values.items()} | {"MASTER_PORT": port}


def _losses(run: RunFolder) -> list[float]:
    return [line["loss"] for line in run.metrics() if line["split"] == "train"]


def _start(volume: Volume, *arguments: str | Path, **variables: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        env=os.environ
        | {"ISOMER_DATA": str(volume.root), "PYTHONPATH": str(Path(processes.__file__).parents[1])}
        | {"OMP_NUM_THREADS": "1", **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _end(process: subprocess.Popen) -> None:
    output, _ = process.communicate(timeout=500)
    assert process.returncode == 0, output
    assert "Traceback" not in output, output
