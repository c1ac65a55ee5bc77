"""Trainings on the two nodes of a Slurm cluster, by the real script, under a real srun."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from slurm_cluster import Cluster, wait
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray
from tiny import PICTURES, SIDE, ImageScripts, make_tiny

from isomer.errors import EXIT_LOST
from isomer.run import RunFolder
from isomer.volume import Volume

BATCH, STEPS = 16, 20
SHARED = Path(__file__).parents[3] / "shared"
WATCHED = Path(__file__).with_name("watched.py")
FLAGS = ("--data", "tiny", "--size", str(SIDE), "--batch", str(BATCH), "--device", "cpu", "--workers", "1")
SECONDS = 400.0  # the most that a training takes on a busy machine

pytestmark = pytest.mark.slow


def variables(image: ImageScripts, extra: dict[str, str]) -> dict[str, str]:
    known = {"ISOMER_DATA": str(image.volume.root), "ISOMER_SCRIPTS": str(image.scripts), "PYTHONPATH": str(SHARED)}
    return known | {"OMP_NUM_THREADS": "1"} | extra


def srun(slurm: Cluster, image: ImageScripts, *flags: str, nodes: int = 2, tasks: int = 1, **extra: str):
    """Tasks on each node, each a process of one training."""
    command = ["srun", f"-N{nodes}", f"--ntasks-per-node={tasks}", sys.executable, str(WATCHED), *FLAGS]
    return subprocess.Popen(
        [*command, "--nodes", str(nodes), *flags],
        env={key: value for key, value in os.environ.items() if not key.startswith("SLURM_")}
        | slurm.env
        | variables(image, extra),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def end(process: subprocess.Popen, code: int = 0, seconds: float = SECONDS) -> str:
    try:
        output, _ = process.communicate(timeout=seconds)
    finally:
        process.kill()
    assert process.returncode == code, output
    assert "Traceback" not in output, output
    return output


def alone(image: ImageScripts, *flags: str, **extra: str) -> None:
    """The same in one process."""
    done = subprocess.run(
        [sys.executable, str(WATCHED), *FLAGS, *flags],
        env=os.environ | variables(image, extra),
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def losses(run: RunFolder) -> list[float]:
    return [line["loss"] for line in run.metrics() if line["split"] == "train"]


def under_way(run: RunFolder, process: subprocess.Popen, steps: int = 3) -> None:
    def is_so() -> bool:
        assert process.poll() is None, process.communicate()[0]
        return len(losses(run)) >= steps

    wait(is_so, "training does not come so far", SECONDS)


def test_two_nodes_learn_what_one_process_does_and_see_each_picture_once(slurm, image, tmp_path):
    still = ("--steps", str(STEPS), "--eval-every", "100", "--weights", "none", "--freeze", "norms")
    alone(image, *still, "--run", "one")
    output = end(srun(slurm, image, *still, "--run", "two", SEEN=str(tmp_path)))
    first = re.search(r"train two on .*", output)[0]
    assert f"(n1, n2): {STEPS} steps of {BATCH} pictures, {BATCH // 2} a process, lr 0.00" in first
    assert first.endswith("(not scaled), 0 done")
    one, two = (losses(image.folder(name)) for name in ("one", "two"))
    assert len(one) == STEPS
    assert two == pytest.approx(one, rel=1e-3)
    seen = [dict(map(int, line.split()) for line in (tmp_path / rank).read_text().splitlines()) for rank in "01"]
    assert not seen[0].keys() & seen[1].keys()
    for epoch in range(STEPS * BATCH // PICTURES["train"]):
        places = range(epoch * PICTURES["train"], (epoch + 1) * PICTURES["train"])
        both = Counter((seen[0] | seen[1])[place] for place in places)
        assert both == Counter(range(PICTURES["train"]))


def test_two_tasks_a_node(slurm, image):
    end(srun(slurm, image, "--steps", "2", "--eval-every", "100", "--run", "pair", nodes=1, tasks=2))
    run = image.folder("pair")
    assert run.record()["state"] == "done"
    assert run.config()["devices"] == 2
    assert [line["step"] for line in run.metrics()] == [1, 2, 2]


def test_stopped_by_slurm_it_goes_on_as_if_it_had_not_been(slurm, image):
    """SIGTERM reaches all processes of both nodes at once, those that read pictures too."""
    flags = ("--steps", "12", "--eval-every", "2", "--deterministic", "--run")
    end(srun(slurm, image, *flags, "whole"))
    run = image.folder("stopped")
    process = srun(slurm, image, *flags, "stopped")
    under_way(run, process)
    begin = time.monotonic()
    job = slurm.run(["squeue", "--noheader", "--format=%i"]).stdout.split()[0]
    slurm.run(["scancel", "--signal=TERM", f"{job}.0"])
    output = end(process)
    assert time.monotonic() - begin < 20  # on a busy machine; who sent it kills after ten by default
    assert "the same command goes on from there" in output
    assert run.record()["state"] == "interrupted"
    step = run.metrics()[-1]["step"]
    assert any(str(step) in path.name for path in run.checkpoints.iterdir())
    end(srun(slurm, image, *flags, "stopped", ISOMER_RESTART="time limit"))
    marks = [line for line in run.metrics() if line["split"] == "restart"]
    assert [(mark["step"], mark["restart"], mark["reason"]) for mark in marks] == [(step, 1, "time limit")]
    assert marks[0]["job"] != job
    others = [line for line in run.metrics() if line["split"] != "restart"]
    assert _timeless(others) == _timeless(image.folder("whole").metrics())
    seconds = [line["seconds"] for line in run.metrics()]
    assert seconds == sorted(seconds)
    curves, unbroken = (_curves(image.folder(name)) for name in ("stopped", "whole"))
    assert curves.pop("restarts") == [(step, 1)]
    assert curves == unbroken


@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_that_is_killed_ends_the_other_in_seconds(slurm, image, rank):
    run = image.folder(f"killed-{rank}")
    process = srun(slurm, image, "--steps", "1000", "--run", run.name)
    under_way(run, process)
    os.kill(_process(slurm, rank), signal.SIGKILL)
    begin = time.monotonic()
    output = end(process, code=128 + signal.SIGKILL)
    assert time.monotonic() - begin < 30
    assert "goes on from the" in output
    assert f"Exited with exit code {EXIT_LOST}" in output
    assert not list(run.checkpoints.glob(".*.part"))


def test_a_node_that_sees_another_data_volume_is_named(slurm, image, tmp_path):
    other = Volume(tmp_path)
    assert "on n2: " in (output := _apart(slurm, image, f"ISOMER_DATA={other.root}"))
    assert "tiny" in output
    make_tiny(other.datasets / "tiny")
    (other.datasets / "tiny" / "images" / "train-0.png").write_bytes(b"another")
    assert "dataset 'tiny' is another on n2 than on n1" in _apart(slurm, image, f"ISOMER_DATA={other.root}")
    assert not image.folder("apart").path.exists()
    assert not other.runs.exists()


def test_a_node_that_runs_other_code_is_named(slurm, image, tmp_path):
    shutil.copytree(SHARED / "isomer", tmp_path / "isomer", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "isomer" / "coco.py").open("a") as file:
        file.write("# changed\n")
    assert "n2 runs other code of the project than n1" in _apart(slurm, image, f"PYTHONPATH={tmp_path}")


def _apart(slurm: Cluster, image: ImageScripts, variable: str) -> str:
    """What is said where the second node has another variable than the first; both end as with a user's error."""
    command = f'[ $SLURM_PROCID = 1 ] && export {variable}; exec "$@"'
    train = [sys.executable, str(image.scripts / "train.py"), *FLAGS, "--nodes", "2", "--run", "apart"]
    done = slurm.run(["srun", "-N2", "--ntasks-per-node=1", "bash", "-c", command, "-", *train], variables(image, {}))
    output = done.stdout + done.stderr
    assert done.returncode == 2, output
    assert output.count("error: ") - output.count("srun: error: ") == 1, output
    return output


def _process(slurm: Cluster, rank: int) -> int:
    """The process of a task: it trains, and its parent does not."""
    found = {}
    for pid in slurm.pids(("n1", "n2")[rank]):
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        if str(WATCHED) in words and words[0] == sys.executable:
            found[pid] = int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[1])
    return next(pid for pid, parent in found.items() if parent not in found)


def _curves(run: RunFolder) -> dict[str, list[tuple[int, float]]]:
    """The losses, qualities and restarts of a run, as TensorBoard's own reader shows them."""
    found: dict[str, list[tuple[int, float]]] = {}
    for folder in (run.tensorboard, *run.tensorboard.glob("*/")):
        reader = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
        reader.Reload()
        names = reader.Tags()
        for name in (*names["scalars"], *names["tensors"]):
            key = "/".join([*folder.relative_to(run.tensorboard).parts, name])
            if name in names["scalars"]:
                points = [(event.step, event.value) for event in reader.Scalars(name)]
            else:
                points = [(event.step, float(make_ndarray(event.tensor_proto))) for event in reader.Tensors(name)]
            if not any(word in name for word in ("per_second", "time", "epoch")):
                found[key.removeprefix("train/") if name == "restarts" else key] = points
    return found


def _timeless(lines: list[dict]) -> list[dict]:
    rates = ("seconds", "images_per_s", "memory", "waiting")
    return [{key: value for key, value in line.items() if key not in rates} for line in lines]
