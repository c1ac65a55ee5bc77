"""The input pipeline alone, from JPEG files to batches: ours against torchvision's reference recipe.

    PYTHONPATH=shared:images/torch:benchmarks python benchmarks/input_torch.py

in the torch image's environment. What is taken is processor time of one thread, so the figures are images a second and
core whatever else the machine does; the two take turns, and medians are shown. Pictures are drawn ones of 640×480, with
a camera's noise. Ours are resized, normalised and have targets assigned when they leave the pipeline; torchvision's
have that still before them, in its model. Ratios are to torchvision's with that resizing: what comes out is the same.

Ours twice: every file read anew (`--cache none`), and from memory, which is what all epochs after the first do where
the pictures fit. What made the difference, and what did not:

- torchvision.io.decode_jpeg gives Pillow's pixels, bit by bit, in half of the time.
- Light is changed after resizing, in two looks at every pixel; torchvision distorts the whole photograph, by Pillow.
- A zoomed-out canvas is never made: only the pixels that the resized picture needs are looked up.
- Looking up four pixels for each resized one is faster than F.interpolate where there are more than four times as many
  (a 1920×1080 frame at 160: 0.7 ms instead of 2.3), and slower where there are fewer, so each has its place.
- Decoding at a half or a quarter (Pillow's draft mode) gives other pixels than the model will be served: not taken.
- Keeping resized pictures instead of decoded ones would save 1 ms of the 60 that a step takes for each: not taken.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import models
import torch
import torchvision_reference as reference
from data import TrainingPictures
from photographs import photographs
from rich.console import Console
from rich.table import Table
from torch.utils.data import default_collate
from torchvision.models.detection import ssdlite320_mobilenet_v3_large

from isomer.dataset.canonical import Split
from isomer.stream import Stream

NAME, SIZE, BATCH = "ssdlite320_mobilenet_v3_large", 320, 16
COUNT, HEIGHT, WIDTH = 64, 480, 640
ROUNDS = 7
LIMIT = 2.0
PAIRS = (("hflip", "light"), ("ssdlite", "ssd"), ("ssd", "ssd"))  # torchvision's preset, our --augment


def main() -> None:
    torch.set_num_threads(1)
    table = Table("torchvision's", "ours", "torchvision", "and its resizing", "from files", "from memory", "ratios")
    with tempfile.TemporaryDirectory() as folder:
        split = photographs(Path(folder) / "photographs", COUNT, HEIGHT, WIDTH).split("train")
        for stock, own in PAIRS:
            rates = measure(split, stock, own)
            ratios = [rate / rates[1] for rate in rates[2:]]
            passed = "yes" if min(ratios) >= LIMIT else "NO"
            told = f"{ratios[0]:.2f}×, {ratios[1]:.2f}× (≥ {LIMIT:g}: {passed})"
            table.add_row(stock, own, *(f"{rate:.0f}" for rate in rates), told)
    Console().print(f"images a second and core, {WIDTH}×{HEIGHT} JPEG to {SIZE}×{SIZE}, batches of {BATCH}")
    Console().print(table)


def measure(split: Split, stock: str, own: str) -> list[float]:
    """Images a second of processor time: torchvision's loader, the same with its model's transform, ours from files,
    ours from memory."""
    theirs = reference.Pictures(split, stock)
    transform = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=2).transform
    detector = models.build(NAME, SIZE, len(split.classes))
    stream = Stream(split.pictures, 0, balance=False)
    files, kept = (TrainingPictures(split, detector, stream, own, cache, 1) for cache in ("none", "memory"))

    def resized(batch: list[tuple]) -> object:
        images, targets = zip(*batch, strict=True)
        return transform(list(images), list(targets))

    pipelines = [
        (theirs, lambda batch: tuple(zip(*batch, strict=True))),
        (theirs, resized),
        (files, default_collate),
        (kept, default_collate),
    ]
    rounds = [[_seconds(*pipeline, number) for pipeline in pipelines] for number in range(-1, ROUNDS)][1:]
    return [COUNT / statistics.median(times) for times in zip(*rounds, strict=True)]


def _seconds(pictures: torch.utils.data.Dataset, collate: Callable, number: int) -> float:
    """Processor seconds of one pass through the pictures."""
    first = max(number, 0) * COUNT if isinstance(pictures, TrainingPictures) else 0
    start = time.process_time()
    for batch in range(0, COUNT, BATCH):
        collate([pictures[first + batch + place] for place in range(BATCH)])
    return time.process_time() - start


if __name__ == "__main__":
    main()
