"""Training alone, images a second: ours against the Model Garden's own driver on the same model, data and batch.

    PYTHONPATH=shared:images/tf:benchmarks ISOMER_DATA=data python benchmarks/train_tf.py [DATASET [SIZE ...]]

in the tf image's environment. Both train the default model with Adam, batch 16, on all processors, each in a process of
its own as users start it. They take turns of a few steps, so that a machine that gets slower slows both, and medians
are shown: by the clock, and by the processor time of all threads, which other processes lengthen less. The driver is
train_lib's runner with the stock RetinaNetTask, its pyramid, loss, parser and TFRecords (model_garden.py); ours is what
train-tf does, from `Training.prepare` on, with `--augment light`; how long it waits for pictures stands behind it.

What made the difference, and what did not (2 cores with AMX, 160 pixels, batch 16):

- The input pipeline takes the processors that the step needs: see input_tf.py.
- Gradients of the loss written out (losses.py): 3.5 ms of processor time instead of 14 with 3 classes, 0.4 s instead of
  1.1 with 80 classes at 320 pixels.
- Memory in huge pages that is kept (heap.py): 5 to 10 % less processor time.
- The rest of a step, 0.45 s, is the same for both: convolutions and batch norms by oneDNN, as fast as memory lets them.
  Batch norm with ReLU as one operation by XLA takes three times as long, 1×1 convolutions as matrix products the same.
- XLA for the whole step: 7.4 s a step and 38 s to compile. Its CPU convolutions are no match for oneDNN's.
- mixed_bfloat16 (`--amp`) with AMX: the same speed; casts between float32 variables and bfloat16 eat what it gains.
- TF_ENABLE_ONEDNN_OPTS=0, oneDNN's bfloat16 arithmetic mode, TensorFlow's own pool for CPU memory: within 5 % of
  each other.
"""

from __future__ import annotations

import quiet  # noqa: F401 (before tensorflow)

# isort: split
import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import heap
import model_garden
import orbit
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
BATCH, STEPS, ROUNDS = 16, 10, 5
SIDES = ("Model Garden", "ours")
TURNS = "--turns"  # how it starts itself for one of them
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
    with contextlib.ExitStack() as open_:
        sides = [open_.enter_context(_process(side, dataset.name, size)) for side in SIDES]
        rounds = [[_turn(side) for side in sides] for _ in range(ROUNDS + 1)][1:]  # the first one warms up
    images = BATCH * STEPS
    speeds = [
        Speed(*(images / statistics.median(turn[part] for turn in turns) for part in (0, 1)))
        for turns in zip(*rounds, strict=True)
    ]
    ours = [round_[1] for round_ in rounds]
    return speeds[0], speeds[1], sum(turn[2] for turn in ours) / sum(turn[0] for turn in ours)


@contextlib.contextmanager
def _process(side: str, name: str, size: int) -> Iterator[subprocess.Popen]:
    """This file again, for one side: it answers every line with a turn."""
    command = [sys.executable, __file__, TURNS, side, name, str(size)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.stdin.close()


def _turn(process: subprocess.Popen) -> tuple[float, float, float]:
    """STEPS steps: seconds by the clock, of the processors, and in which no picture was ready."""
    process.stdin.write("\n")
    process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"a process of the benchmark ended with {process.wait()}")
    return tuple(map(float, line.split()))


def take_turns(side: str, dataset: Dataset, size: int) -> None:
    """One side: a turn for every line of stdin, its figures on stdout."""
    if side == "ours":
        heap.use_huge_pages()
    results, sys.stdout = sys.stdout, sys.stderr
    train = dataset.split("train")
    options = Train(data=dataset.name, model=MODEL, weights="none", size=size, steps=10_000, batch=BATCH, device="cpu")
    numbers = recipe.of(options)
    plan = Plan.of(options, len(train.pictures))
    with tempfile.TemporaryDirectory() as folder:
        if side == "ours":
            controller, waited = _ours(dataset, options, plan, Path(folder))
        else:
            records = model_garden.write_records(train, Path(folder) / "records")
            task = model_garden.task(ARCHITECTURES[MODEL], size, len(dataset.classes), records, BATCH)
            controller = model_garden.driver(task, schedule.configure(plan, numbers, options), Path(folder) / "stock")
            waited = float
        processor = time.process_time()
        for number, _ in enumerate(sys.stdin, start=1):
            clock, before = time.perf_counter(), waited()
            controller.train(number * STEPS)
            # the processors' also of what was read ahead while the other had its turn
            seconds = time.perf_counter() - clock, time.process_time() - processor
            processor += seconds[1]
            print(*seconds, waited() - before, file=results, flush=True)


def _ours(dataset: Dataset, options: Train, plan: Plan, folder: Path) -> tuple[orbit.Controller, Callable[[], float]]:
    """What train-tf trains with, and the seconds that it has waited for pictures."""
    run = RunFolder(folder / "run")
    run.path.mkdir()
    (run.path / "config.json").write_text("{}")
    job = Job(
        run=run,
        dataset=dataset,
        train=dataset.split("train"),
        val=dataset.split("val"),
        options=options,
        plan=plan,
        recipe=recipe.of(options),
        architecture=ARCHITECTURES[MODEL],
        weights=None,
        place=Place(),
        interruption=Interruption(),
    )
    ours = trainer.Training(job)
    ours.prepare()
    return ours.controller, lambda: float(ours.learner.waited.numpy())


if __name__ == "__main__":
    if sys.argv[1:2] == [TURNS]:
        _, _, which, name, pixels = sys.argv
        take_turns(which, canonical.load(Volume.from_environment().dataset(name)), int(pixels))
    else:
        main()
