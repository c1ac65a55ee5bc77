"""The input pipeline alone, from JPEG files to batches with targets: ours against the Model Garden's.

    PYTHONPATH=shared:images/tf:benchmarks ISOMER_DATA=data python benchmarks/input_tf.py [DATASET [SIZE ...]]

in the tf image's environment. What is taken is processor time, all threads together, so the figures are images a second
and core whatever else the machine does; the two take turns, and medians are shown. Both decode, resize, mirror,
normalise and assign anchors; ours also changes the light (`--augment light`), the Model Garden's scales by 0.8 to 1.2.

Ours twice: reading every file anew (`--cache none`), and from memory, which is what all epochs after the first do where
the pictures fit. What made the difference, and what did not:

- Assigning anchors took the Model Garden most of the time: matrices of anchors by boxes, one-hot, several times over.
- ResizeBilinear of the file's bytes instead of a float copy: 0.8 ms instead of 1.2, the same bits.
- Brightness, contrast and saturation as one product of matrices: 1 ms instead of 3 of tf.image's three.
- tf.where on whole pictures costs 3 ms, tf.cond with tf.reverse 0.4.
- The fast inverse DCT gains 0.2 ms of 2.5 and gives other pixels than everyone else gets: not taken.
- crop_and_resize, which could do crop, mirror and resize in one, is twice as slow as slicing and ResizeBilinear.
"""

from __future__ import annotations

import quiet  # noqa: F401 (before tensorflow)

# isort: split
import statistics
import sys
import tempfile
import time
from pathlib import Path

import model_garden
import tensorflow as tf
from architectures import ARCHITECTURES
from inputs import Batches
from pictures import Pictures
from rich.console import Console
from rich.table import Table
from targets import Anchors

from isomer.dataset import canonical
from isomer.dataset.canonical import Dataset
from isomer.stream import Stream
from isomer.volume import Volume

MODEL = "retinanet_mobilenet_v2_fpnlite"
BATCH, ROUNDS, BATCHES = 16, 3, 30
LIMIT = 2.0


def main() -> None:
    name, *sizes = sys.argv[1:] or ["shapes"]
    dataset = canonical.load(Volume.from_environment().dataset(name))
    table = Table("size", "Model Garden", "ours, from files", "ours, from memory", "ratios", f"≥ {LIMIT:g}×")
    for size in map(int, sizes or (160, 320)):
        stock, files, kept = measure(dataset, size)
        ratios = f"{files / stock:.2f}×, {kept / stock:.2f}×"
        passed = "yes" if min(files, kept) >= LIMIT * stock else "NO"
        table.add_row(str(size), *(f"{rate:.0f}" for rate in (stock, files, kept)), ratios, passed)
    Console().print(f"{name}: images a second and core")
    Console().print(table)


def measure(dataset: Dataset, size: int) -> list[float]:
    """Images a second of processor time: the Model Garden's, ours from files, ours from memory."""
    split = dataset.split("train")
    with tempfile.TemporaryDirectory() as folder:
        records = model_garden.write_records(split, Path(folder) / "records")
        task = model_garden.task(ARCHITECTURES[MODEL], size, len(dataset.classes), records, BATCH)
        task.task_config.train_data.shuffle_buffer_size = 100
        streams = [task.build_inputs(task.task_config.train_data)]
        for cache in ("none", "memory"):
            pictures = Pictures(split, size, False, cache, workers=1)
            if not pictures.kept:
                pictures.use_files(Path(folder) / "pictures", writes=True)
            anchors = Anchors(ARCHITECTURES[MODEL], size)
            batches = Batches(pictures, anchors, Stream(split.pictures, 0, False), BATCH, "light", workers=1)
            streams.append(batches.after(0))
        rounds = [[_seconds(stream) for stream in streams] for _ in range(ROUNDS)]
    return [BATCH * BATCHES / statistics.median(times) for times in zip(*rounds, strict=True)]


def _seconds(stream: tf.data.Dataset) -> float:
    """Processor seconds of BATCHES batches, after one that warms up."""
    options = tf.data.Options()
    options.autotune.enabled = False  # or more is read ahead than is taken
    options.experimental_optimization.inject_prefetch = False
    left = iter(stream.with_options(options))
    next(left)
    start = time.process_time()
    for _ in range(BATCHES):
        next(left)
    return time.process_time() - start


if __name__ == "__main__":
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    main()
