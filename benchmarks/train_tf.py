"""Training alone, images a second: ours against the Model Garden's own driver on the same model, data and batch.

    PYTHONPATH=shared:images/tf:benchmarks ISOMER_DATA=data python benchmarks/train_tf.py [DATASET [SIZE ...]]

in the tf image's environment. Both train the default model with Adam, batch 16, on all processors; they take turns of a
few steps in one process, so that a machine that gets slower slows both, and medians are shown: by the clock, and by the
processor time of all threads, which other processes lengthen less. The driver is train_lib's runner with the stock
RetinaNetTask, its pyramid, parser and TFRecords (model_garden.py); ours is what train-tf does, from `Training.prepare`
on, with `--augment light`, and how long it waits for pictures stands behind it.

What made the difference, and what did not (2 cores with AMX, 160 pixels, batch 16):

- The input pipeline takes the processors that the step needs: see input_tf.py.
- A step costs 0.45 to 0.5 s whoever asks for it; nearly all of it is convolutions and batch norms by oneDNN.
- XLA for the whole step: 7.4 s a step and 38 s to compile. Its CPU convolutions are no match for oneDNN's.
- mixed_bfloat16 (`--amp`) with AMX: the same speed; casts between float32 variables and bfloat16 eat what it gains.
- TF_ENABLE_ONEDNN_OPTS=0, oneDNN's bfloat16 arithmetic mode, TensorFlow's own pool for CPU memory, malloc without
  mmap: within 5 % of each other.
"""

from __future__ import annotations

import quiet  # noqa: F401 (before tensorflow)

# isort: split
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import model_garden
import recipe
import schedule
import trainer
from architectures import ARCHITECTURES
from cluster import Place
from job import Job
from rich.console import Console
from rich.table import Table

from isomer.dataset import canonical
from isomer.dataset.canonical import Dataset
from isomer.flags import Train
from isomer.interruption import Interruption
from isomer.run import RunFolder
from isomer.training import Plan
from isomer.volume import Volume

MODEL = "retinanet_mobilenet_v2_fpnlite"
BATCH, STEPS, ROUNDS = 16, 5, 6
LIMIT = 1.2


@dataclass(frozen=True)
class Speed:
    """Images a second, by the clock and by the processors."""

    clock: float
    processor: float


def main() -> None:
    name, *sizes = sys.argv[1:] or ["shapes"]
    dataset = canonical.load(Volume.from_environment().dataset(name))
    table = Table("size", "Model Garden", "ours", "ratio", "by processor time", "waiting", f"≥ {LIMIT:g}×")
    for size in map(int, sizes or (160, 320)):
        stock, ours, waiting = measure(dataset, size)
        ratio, processors = ours.clock / stock.clock, ours.processor / stock.processor
        rates = (f"{stock.clock:.1f}", f"{ours.clock:.1f}", f"{ratio:.2f}×")
        both = f"{stock.processor:.1f}, {ours.processor:.1f}: {processors:.2f}×"
        table.add_row(str(size), *rates, both, f"{waiting:.1%}", "yes" if processors >= LIMIT else "NO")
    Console().print(f"{name}: images a second")
    Console().print(table)


def measure(dataset: Dataset, size: int) -> tuple[Speed, Speed, float]:
    """The Model Garden's speed, ours, and the share of our time that is spent waiting for pictures."""
    train = dataset.split("train")
    options = Train(data=dataset.name, model=MODEL, weights="none", size=size, steps=10_000, batch=BATCH, device="cpu")
    numbers = recipe.of(options)
    plan = Plan.of(options, len(train.pictures))
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(Path(folder) / "run")
        run.path.mkdir()
        (run.path / "config.json").write_text("{}")
        job = Job(
            run=run,
            dataset=dataset,
            train=train,
            val=dataset.split("val"),
            options=options,
            plan=plan,
            recipe=numbers,
            architecture=ARCHITECTURES[MODEL],
            weights=None,
            place=Place(),
            interruption=Interruption(),
        )
        ours = trainer.Training(job)
        ours.prepare()
        records = model_garden.write_records(train, Path(folder) / "records")
        task = model_garden.task(ARCHITECTURES[MODEL], size, len(dataset.classes), records, BATCH)
        config = schedule.configure(plan, numbers, options)
        driver = model_garden.driver(task, config, Path(folder) / "stock")

        done = {"stock": 0, "ours": 0}

        def go_on(name: str, train: Callable[[int], None]) -> None:
            done[name] += STEPS
            train(done[name])

        turns = [lambda: go_on("stock", driver.train), lambda: go_on("ours", ours.controller.train)]
        for turn in turns:
            turn()
        waited = float(ours.learner.waited.numpy())
        times = [[_seconds(turn) for turn in turns] for _ in range(ROUNDS)]
        ours_seconds = sum(round_[1][0] for round_ in times)
        share = (float(ours.learner.waited.numpy()) - waited) / ours_seconds
    images = BATCH * STEPS
    speeds = [
        Speed(*(images / statistics.median(values) for values in zip(*turn, strict=True)))
        for turn in zip(*times, strict=True)
    ]
    return speeds[0], speeds[1], share


def _seconds(turn: Callable[[], None]) -> tuple[float, float]:
    """A turn's seconds by the clock and of the processors."""
    clock, processor = time.perf_counter(), time.process_time()
    turn()
    return time.perf_counter() - clock, time.process_time() - processor


if __name__ == "__main__":
    main()
