"""What planning.py plans with, measured on this machine: of one framework's default model and of its largest.

    PYTHONPATH=shared:images/torch:benchmarks ISOMER_DATA=data python benchmarks/planning_measure.py torch \\
        --data shapes --out benchmarks/planning.json
    PYTHONPATH=shared:images/tf:benchmarks ISOMER_DATA=data python benchmarks/planning_measure.py tf \\
        --data shapes --out benchmarks/planning.json

each in its image's environment, from the repository's root. Trainings of a few steps are real ones, of train.py, in a
folder that is removed. With SLURM_CONF set (tests/slurm_cluster.py starts a cluster) gradients are exchanged by gloo
between two nodes of that cluster, else between two processes of this machine.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from photographs import photographs

from isomer import catalogue, evaluation, files
from isomer.catalogue import Model
from isomer.dataset import canonical
from isomer.dataset.canonical import Box, Dataset, Picture, Split
from isomer.run import RunFolder
from isomer.stream import Stream
from isomer.volume import Volume

SIZE, BATCH, STEPS = 160, 4, 20  # of the trainings; what is taken from them does not depend on the size
READS, WRITES, OPENS, EXCHANGES = 96, 5, 2000, 7
HEIGHT, WIDTH = 480, 640  # of the pictures that are read, as COCO's
EVALUATED, CLASSES, BOXES, FOUND = 1000, 80, 7, 100  # pictures that are evaluated, and in each boxes and finds
# the files that a program opens while it loads, by Python and by the dynamic linker
LOADING = """
import json, os, sys
opened = set()
def hook(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        opened.add(os.fsdecode(arguments[0]))
sys.addaudithook(hook)
import trainer
lines = open("/proc/self/maps").read().splitlines()
opened |= {line.split()[-1] for line in lines if ".so" in line.split()[-1]}
files = [path for path in opened if path.startswith(sys.prefix) and os.path.isfile(path)]
print(json.dumps([len(files), sum(os.path.getsize(path) for path in files)]))
"""
# one of several processes: seconds to meet, then of each exchange
EXCHANGING = """
import datetime, json, os, pathlib, sys, time
import torch
import torch.distributed as distributed
NAMES = (("RANK", "SLURM_PROCID"), ("COUNT", "SLURM_NTASKS"))
rank, count = (int(os.environ.get(own) or os.environ[slurms]) for own, slurms in NAMES)
place, address, times, *sizes = sys.argv[1:]
torch.set_num_threads(1)
pathlib.Path(place, str(rank)).touch()
while len(list(pathlib.Path(place).iterdir())) < count:  # all have loaded torch
    time.sleep(0.01)
begin = time.perf_counter()
wait = datetime.timedelta(seconds=120)
distributed.init_process_group("gloo", f"tcp://{address}", rank=rank, world_size=count, timeout=wait)
distributed.barrier()
found = {"meeting_s": time.perf_counter() - begin, "exchange_s": {}}
for size in map(int, sizes):
    gradients = torch.ones(size // 4)
    seconds = []
    for _ in range(int(times) + 1):
        distributed.barrier()
        begin = time.perf_counter()
        distributed.all_reduce(gradients)
        seconds.append(time.perf_counter() - begin)
    found["exchange_s"][size] = sorted(seconds[1:])[len(seconds[1:]) // 2]
if rank == 0:
    print(json.dumps(found), flush=True)
distributed.barrier()
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("framework", choices=("torch", "tf"))
    parser.add_argument("--data", default="shapes", help="dataset in the data volume to train on")
    parser.add_argument("--out", type=Path, required=True, help="JSON file; what it has of the other framework stays")
    options = parser.parse_args()
    images = Path("images", options.framework).resolve()
    volume = Volume.from_environment()
    dataset = canonical.load(volume.dataset(options.data))
    listed = list(catalogue.load(images).values())
    chosen = dict.fromkeys(model.name for model in (listed[0], max(listed, key=lambda model: model.parameters)))
    found = {
        "framework": options.framework,
        "machine": machine(),
        "loading": dict(zip(("files", "bytes"), json.loads(run([sys.executable, "-c", LOADING])), strict=True)),
        "reading": reading(options.framework, listed[0]),
        "evaluating_s": evaluating(),
        "opens_per_s": opening(volume.root),
        "models": [
            measured(options.framework, model, dataset, volume, images) for model in listed if model.name in chosen
        ],
    }
    if options.framework == "torch":
        found["exchanging"] = exchanging([model["gradient_bytes"] for model in found["models"]])
    before = json.loads(options.out.read_text()) if options.out.is_file() else {}
    files.write_json(options.out, before | {options.framework: found})
    print(files.to_json(found))


def run(command: list[str], **env: str) -> str:
    """A command's last line; what it says besides goes to the terminal."""
    done = subprocess.run(command, env={**os.environ, **env}, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip().splitlines()[-1]


def machine() -> dict[str, Any]:
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    load = os.getloadavg()[0]
    return {"processor": names[0].partition(": ")[2], "cores": len(os.sched_getaffinity(0)), "load": round(load, 1)}


def measured(framework: str, model: Model, dataset: Dataset, volume: Volume, images: Path) -> dict[str, Any]:
    """A model's gradients, and what a short training of it leaves behind."""
    size = model.fitting(SIZE)
    parameters = {"torch": _torch_parameters, "tf": _tf_parameters}[framework](model.name, size, len(dataset.classes))
    with tempfile.TemporaryDirectory(dir=volume.root, prefix=".planning-") as folder:
        (Path(folder) / "datasets").symlink_to(volume.datasets)
        flags = {"data": dataset.name, "model": model.name, "size": size, "batch": BATCH, "steps": STEPS, "run": "run"}
        flags |= {"weights": "none", "device": "cpu", "workers": 0, "eval-every": 1e9, "logger": "none"}
        words = [word for key, value in flags.items() for word in (f"--{key}", str(value))]
        run([sys.executable, str(images / "train.py"), *words], ISOMER_DATA=folder)
        made = RunFolder(Path(folder) / "runs" / "run")
        train = [line for line in made.metrics() if line["split"] == "train"]
        newest = f"ckpt-{STEPS}.*" if framework == "tf" else f"step-{STEPS:08}.ckpt"
        parts = list(made.checkpoints.glob(newest))
        writing = [seconds(lambda: [_write(part) for part in parts]) for _ in range(WRITES)]
        return {
            "name": model.name,
            "size": size,
            "published_size": model.size,
            "parameters": parameters,
            "gradient_bytes": 4 * parameters,
            "checkpoint_bytes": sum(part.stat().st_size for part in parts),
            "checkpoint_s": statistics.median(writing),
            "pictures_per_s": train[-1]["images_per_s"],
        }


def _write(part: Path) -> None:
    """As a checkpoint is written: whole or not at all, until the disk has it."""
    files.write_bytes(part.with_name("again"), part.read_bytes())


def seconds(call: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def _torch_parameters(name: str, size: int, classes: int) -> int:
    import models

    return sum(one.numel() for one in models.build(name, size, classes).parameters() if one.requires_grad)


def _tf_parameters(name: str, size: int, classes: int) -> int:
    import quiet  # noqa: F401 (before tensorflow)
    import recipe
    from architectures import ARCHITECTURES
    from model import Task

    from isomer.flags import Train

    numbers = recipe.of(Train(model=name, size=size, weights="none"))
    model = Task(ARCHITECTURES[name], size, classes, numbers).build_model()
    return sum(int(np.prod(one.shape)) for one in model.trainable_variables)


def reading(framework: str, model: Model) -> dict[str, float]:
    """Pictures a second of one processor core, from files to what a step takes, and the bytes of a file."""
    with tempfile.TemporaryDirectory() as folder:
        split = photographs(Path(folder) / "photographs", READS, HEIGHT, WIDTH).split("train")
        next_one = {"torch": _torch_reader, "tf": _tf_reader}[framework](split, model.name, model.fitting(SIZE))
        next_one()
        begin = time.process_time()
        for _ in range(READS):
            next_one()
        rate = READS / (time.process_time() - begin)
        mean = statistics.fmean(split.path(picture).stat().st_size for picture in split.pictures)
    return {"pictures_per_s": round(rate, 1), "picture_bytes": round(mean), "height": HEIGHT, "width": WIDTH}


def _torch_reader(split: Split, name: str, size: int) -> Callable[[], Any]:
    import models
    import torch
    from data import TrainingPictures

    torch.set_num_threads(1)
    detector = models.build(name, size, len(split.classes))
    pictures = TrainingPictures(split, detector, Stream(split.pictures, 0, balance=False), "light", "none", 1)
    positions = iter(range(10**9))
    return lambda: pictures[next(positions)]


def _tf_reader(split: Split, name: str, size: int) -> Callable[[], Any]:
    import quiet  # noqa: F401 (before tensorflow)
    import tensorflow as tf
    from architectures import ARCHITECTURES
    from inputs import Batches
    from pictures import Pictures
    from targets import Anchors

    pictures = Pictures(split, size, False, "none", workers=1)
    pictures.use_files(Path(tempfile.mkdtemp()), writes=True)
    anchors = Anchors(ARCHITECTURES[name], size)
    batches = Batches(pictures, anchors, Stream(split.pictures, 0, False), 1, "light", workers=1).after(0)
    options = tf.data.Options()
    options.autotune.enabled = False  # or more is read ahead than is taken
    options.experimental_optimization.inject_prefetch = False
    left = iter(batches.with_options(options))
    return lambda: next(left)


def evaluating() -> float:
    """Seconds of the evaluation for each picture, with as many boxes and classes as COCO: what no process shares."""
    rng = np.random.default_rng(0)

    def box() -> list[float]:
        return [float(value) for value in rng.random(4) * np.tile((WIDTH, HEIGHT), 2) / 2]

    def label() -> int:
        return int(rng.integers(1, CLASSES + 1))

    pictures = tuple(
        Picture(number, f"{number}.jpg", WIDTH, HEIGHT, tuple(Box(label(), *box()) for _ in range(BOXES)))
        for number in range(1, EVALUATED + 1)
    )
    split = Split("val", Path(), tuple(f"class {number}" for number in range(CLASSES)), pictures)
    results = [
        {"image_id": picture.id, "category_id": label(), "score": float(rng.random()), "bbox": box()}
        for picture in pictures
        for _ in range(FOUND)
    ]
    return seconds(lambda: evaluation.evaluate(split, results)) / EVALUATED


def opening(folder: Path) -> int:
    """Files opened, read and closed a second, by one process, on the data volume's file system."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".planning-") as made:
        paths = [Path(made) / str(number) for number in range(OPENS)]
        for path in paths:
            path.write_bytes(b"x")
        return round(OPENS / seconds(lambda: [path.read_bytes() for path in paths]))


def exchanging(sizes: list[int]) -> dict[str, Any]:
    """Seconds in which two processes sum up gradients of these sizes, and in which processes meet, by their number."""
    is_cluster = bool(os.environ.get("SLURM_CONF") and shutil.which("srun"))
    two = _on_nodes(sizes) if is_cluster else _here(2, sizes)
    meeting = {2: two["meeting_s"], **{count: _here(count, [])["meeting_s"] for count in (4, 8)}}
    return {"nodes": is_cluster, "exchange_s": two["exchange_s"], "meeting_s": meeting}


def _command(folder: str, address: str, sizes: list[int]) -> list[str]:
    return [sys.executable, "-c", EXCHANGING, folder, address, str(EXCHANGES), *map(str, sizes)]


def _on_nodes(sizes: list[int]) -> dict[str, Any]:
    """On two nodes of a cluster, of which the first one is where all meet."""
    with tempfile.TemporaryDirectory() as folder:
        listed = subprocess.run(["sinfo", "-hN", "-o", "%N"], capture_output=True, text=True, check=True).stdout.split()
        first, second = sorted(set(listed))[:2]
        start = ["srun", f"--nodelist={first},{second}", "--nodes=2", "--ntasks-per-node=1"]
        return json.loads(run([*start, *_command(folder, f"{first}:29500", sizes)]))


def _here(count: int, sizes: list[int]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        server.close()
        started = [
            subprocess.Popen(
                _command(folder, address, sizes),
                env={**os.environ, "RANK": str(rank), "COUNT": str(count)},
                stdout=subprocess.PIPE,
                text=True,
            )
            for rank in range(count)
        ]
        said = [process.communicate()[0] for process in started]
        return json.loads(said[0])


if __name__ == "__main__":
    main()
