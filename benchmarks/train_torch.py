"""Training alone, images a second: train-torch against torchvision's reference recipe, same model, pictures and batch.

    PYTHONPATH=shared:images/torch:benchmarks python benchmarks/train_torch.py [--amp] [--augment light|ssd]
    PYTHONPATH=shared:images/torch:benchmarks python benchmarks/train_torch.py --device gpu --amp --batch 64 \\
        --workers 8 --model ssdlite320_mobilenet_v3_large --model retinanet_resnet50_fpn

in the torch image's environment. Theirs is the script's loader (its 4 workers), model and loop as torchvision_reference
has them, with the preset that is nearest to our --augment; ours is train-torch itself, with its defaults but for what
is named, inside which the other has its turns: so a machine that gets slower slows both. A turn begins with steps that
are not counted, until the batches that the loader kept ready are used up; medians are shown, by the clock, and by the
processor time of the process and its loaders, which other processes on the machine lengthen less. `waiting` is the
share of our time in which no batch was ready. For a GPU the share of our time in which it computed stands there too.

On 2 cores with AMX that ten times as many processes wanted (`--augment light --rounds 2`):

    torchvision 1.2, ours 1.9: 1.57x by the clock; 5.4, 7.8: 1.43x by processors; waiting 0.4 %

What made the difference, and what did not; processor seconds of one thread for a step's forward, loss and backward:

- Channels last: 1.9 s, against 2.65 s contiguous.
- bfloat16 with AMX (`--amp`): 2.4 s, contiguous, as it must be on a CPU (module.py says why): no gain.
- Targets are assigned by the processes that read pictures, and the loss takes a whole batch at once; torchvision does
  both in the step, picture by picture.
- Pictures that fit are decoded once: see input_torch.py.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import itertools
import os
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import passive  # noqa: F401 (before torch)

# isort: split
import recipe
import torch
import torchvision_reference as reference
import trainer
import watch
from cluster import Place
from job import Job
from module import TrainingModule
from photographs import photographs
from rich.console import Console
from rich.table import Table

from isomer.dataset.canonical import Dataset
from isomer.flags import Train
from isomer.interruption import Interruption
from isomer.run import start_or_resume
from isomer.stream import Stream
from isomer.training import Plan
from isomer.volume import Volume

COUNT, HEIGHT, WIDTH = 256, 480, 640
TURN, UNCOUNTED = 8, 4  # steps, of which not counted
STOCK_WORKERS = 4  # of the script
PRESETS = {"light": "hflip", "ssd": "ssdlite"}  # our --augment to torchvision's
MODEL = "ssdlite320_mobilenet_v3_large"


@dataclasses.dataclass(frozen=True)
class Seconds:
    """By the clock, and of all processors for this process and those that read pictures for it."""

    clock: float
    processor: float

    def __sub__(self, other: Seconds) -> Seconds:
        return Seconds(self.clock - other.clock, self.processor - other.processor)


class Turns(watch.Watch):
    """Between our steps, the other's turns; the seconds of both."""

    def __init__(self, *arguments) -> None:
        super().__init__(*arguments)
        self.ours: list[Seconds] = []
        self.stock: list[Seconds] = []
        self.waiting = 0.0
        Turns.last = self

    def on_train_batch_start(self, lightning_trainer, *rest) -> None:
        before = self._waited
        super().on_train_batch_start(lightning_trainer, *rest)
        if lightning_trainer.global_step % TURN >= UNCOUNTED:
            self.waiting += self._waited - before

    def on_train_batch_end(self, lightning_trainer, module: TrainingModule, *rest) -> None:
        super().on_train_batch_end(lightning_trainer, module, *rest)
        place = lightning_trainer.global_step % TURN
        if place == UNCOUNTED:
            self._began = now(module.device)
            if self.busy:
                self.busy.counts.set()
        if place == 0:
            self.ours.append(now(module.device) - self._began)
            if self.busy:
                self.busy.counts.clear()
            self.stock.append(self.other_turn())
            print(f"turn {len(self.ours)}: ours {self.ours[-1]}, torchvision's {self.stock[-1]}", flush=True)
            self._ended_at = time.monotonic()

    def medians(self, by: str) -> list[float]:
        """torchvision's seconds of a turn, and ours."""
        return [statistics.median(getattr(turn, by) for turn in turns[1:]) for turns in (self.stock, self.ours)]


class Busy:
    """The share of time in which a GPU computed, asked of nvidia-smi while `counts` is set."""

    def __init__(self) -> None:
        self.counts, self.seen = threading.Event(), []

    def __enter__(self) -> Busy:
        words = ("--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-lms", "200", "-i", "0")
        self._process = subprocess.Popen(("nvidia-smi", *words), stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._process.terminate()

    @property
    def share(self) -> float:
        return statistics.mean(self.seen) / 100

    def _read(self) -> None:
        for line in self._process.stdout:
            if self.counts.is_set():
                self.seen.append(float(line))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--model", action="append", help=f"repeatable [default: {MODEL}]")
    parser.add_argument("--augment", choices=PRESETS, action="append", help="repeatable [default: both]")
    parser.add_argument("--amp", action="store_true", help="of ours; the script's own is off unless it is asked for")
    parser.add_argument("--size", type=int, default=320)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--workers", type=int, default=2, help="of ours")
    parser.add_argument("--rounds", type=int, default=5, help="turns that count; one before them does not")
    flags = parser.parse_args()
    limit = 1.3 if flags.device == "cpu" else 1.5
    table = Table(
        "model", "torchvision's", "ours", "torchvision", "ours", "ratio", "by processors", "waiting", "GPU busy"
    )
    trainer.Watch = Turns
    with tempfile.TemporaryDirectory() as folder:
        volume = Volume(Path(folder))
        dataset = photographs(volume.datasets / "photographs", COUNT, HEIGHT, WIDTH)
        for model, augment in itertools.product(flags.model or [MODEL], flags.augment or PRESETS):
            options = Train(
                data=dataset.name,
                model=model,
                weights="none",
                size=flags.size,
                batch=flags.batch,
                steps=TURN * (flags.rounds + 1),
                eval_every=1e9,
                workers=flags.workers,
                augment=augment,
                amp=flags.amp,
                device=flags.device,
                logger="none",
                run=f"{model}-{augment}",
            )
            turns = measure(volume, dataset, options)
            clock, processor = (
                [flags.batch * (TURN - UNCOUNTED) / median for median in turns.medians(by)]
                for by in ("clock", "processor")
            )
            ratios = [ours / stock for stock, ours in (clock, processor)]
            table.add_row(
                model,
                PRESETS[augment],
                f"--augment {augment}{' --amp' if flags.amp else ''}",
                *(f"{rate:.1f}" for rate in clock),
                f"{ratios[0]:.2f}× (≥ {limit:g}: {'yes' if ratios[0] >= limit else 'NO'})",
                f"{processor[0]:.1f}, {processor[1]:.1f}: {ratios[1]:.2f}×",
                f"{turns.waiting / sum(one.clock for one in turns.ours):.1%}",
                f"{turns.busy.share:.0%}" if flags.device == "gpu" else "",
            )
    console = Console(width=160)
    console.print(f"images a second, {flags.size}×{flags.size}, batch {flags.batch}, {flags.device}")
    console.print(table)


def measure(volume: Volume, dataset: Dataset, options: Train) -> Turns:
    """A short run of ours, between whose steps torchvision has its turns."""
    train, val = dataset.split("train"), dataset.split("val")
    device = torch.device("cuda" if options.device == "gpu" else "cpu")
    step = reference.stepper(options.model, options.size, len(dataset.classes), device)
    batches = reference.batches(train, PRESETS[options.augment], options.batch, STOCK_WORKERS)

    def other_turn() -> Seconds:
        for place in range(TURN):
            if place == UNCOUNTED:
                began = now(device)
            step(next(batches))
        return now(device) - began

    Turns.other_turn = staticmethod(other_turn)
    numbers = recipe.of(options)
    run = start_or_resume(volume, dataset, options, "torch", dataclasses.asdict(numbers))
    stream = Stream(train.pictures, options.seed, options.balance)
    plan = Plan.of(options, len(stream))
    job = Job(run, dataset, train, val, stream, options, plan, numbers, None, Place(), Interruption())
    with Busy() if options.device == "gpu" else contextlib.nullcontext() as Turns.busy:
        trainer.train(job)
    return Turns.last


def now(device: torch.device) -> Seconds:
    """When all that was asked of the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    me = os.getpid()
    words = (path.read_text() for path in Path(f"/proc/{me}/task").glob("*/children"))
    ticks = 0
    for process in (me, *(int(word) for text in words for word in text.split())):
        with contextlib.suppress(OSError):  # one that has ended
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))  # of proc(5): its own and its ended children's
    return Seconds(time.monotonic(), ticks / os.sysconf("SC_CLK_TCK"))


if __name__ == "__main__":
    main()
