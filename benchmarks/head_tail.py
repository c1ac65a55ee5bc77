"""What head and tail cost: a run's bare core against its whole model, one 640x480 frame, one thread.

    PYTHONPATH=shared:images/onnx python benchmarks/head_tail.py data/runs/RUN [data/runs/RUN ...]

in the onnx image's environment. The two are measured in turn, so that a machine that gets slower slows both, and
medians are shown. What is taken is the processor's time, which other processes hardly lengthen. The frame is the
first test picture of the run's dataset, resized: the tail's time depends on what is found. The core is given its
normalised input ready made.
"""

from __future__ import annotations

import functools
import sys
from pathlib import Path

import numpy as np
import onnx
import timing
from exported import load_core
from PIL import Image
from rich.console import Console
from rich.table import Table
from session import open_session

from isomer import contract
from isomer.contract import Core
from isomer.dataset import canonical
from isomer.run import RunFolder
from isomer.volume import Volume

FRAME = (640, 480)  # width, height
SECONDS = 3.0  # of each
LIMIT = 0.25


def main() -> None:
    table = Table(*("run", "core ms", "model ms", "head + tail ms", "overhead", f"≤ {LIMIT:.0%}"))
    for folder in sys.argv[1:] or sys.exit(__doc__):
        run = RunFolder(Path(folder).resolve())
        core, model = measure(run)
        overhead = model / core - 1
        figures = (f"{core:.2f}", f"{model:.2f}", f"{model - core:.2f}", f"{overhead:.1%}")
        table.add_row(run.name, *figures, "yes" if overhead <= LIMIT else "NO")
    Console().print(table)


def measure(run: RunFolder) -> tuple[float, float]:
    """Median milliseconds of core.onnx and assembled.onnx."""
    core = load_core(run)
    dataset = canonical.load(Volume(run.path.parents[1]).dataset(run.config()["data"]))
    split = dataset.split("test")
    frame = Image.fromarray(split.load(split.pictures[0])).resize(FRAME)
    pixels = np.asarray(frame)[None]
    bare = open_session(onnx.load(run.core_onnx), threads=1)
    whole = open_session(onnx.load(run.assembled_onnx), threads=1)
    calls = {
        "core": functools.partial(bare.run, None, {contract.CORE_INPUT: _core_input(frame, core)}),
        "model": functools.partial(whole.run, None, {contract.INPUT: pixels}),
    }
    times = timing.alternate(calls, SECONDS)
    found = {name: float(np.median(one.processor)) * 1000 for name, one in times.items()}
    return found["core"], found["model"]


def _core_input(frame: Image.Image, core: Core) -> np.ndarray:
    pixels = np.asarray(frame.resize((core.width, core.height)), np.float32)
    values = ((pixels - np.float32(core.mean)) / np.float32(core.std))[None]
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2)) if core.layout == "NCHW" else values


if __name__ == "__main__":
    main()
