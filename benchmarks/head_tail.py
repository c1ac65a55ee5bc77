"""What head and tail cost: a run's bare core against its whole model, one 640x480 frame, one thread.

    PYTHONPATH=shared:images/onnx python benchmarks/head_tail.py data/runs/RUN [data/runs/RUN ...]

in the onnx image's environment. The two are measured in turn, so that a machine that gets slower slows both, and
medians are shown. What is taken is the one thread's own time, which other processes do not lengthen. The frame is the
first test picture of the run's dataset, resized: the tail's time depends on what is found. The core is given its
normalised input ready made.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from exported import load_core
from onnxruntime import InferenceSession
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
ROUNDS = 200
WARM_UP = 20
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
    calls = (_call(bare, contract.CORE_INPUT, _core_input(frame, core)), _call(whole, contract.INPUT, pixels))
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(WARM_UP + ROUNDS):
        for call, measured in zip(calls, times, strict=True):
            start = time.thread_time()
            call()
            if number >= WARM_UP:
                measured.append((time.thread_time() - start) * 1000)
    return statistics.median(times[0]), statistics.median(times[1])


def _call(session: InferenceSession, name: str, value: np.ndarray) -> Callable[[], object]:
    return lambda: session.run(None, {name: value})


def _core_input(frame: Image.Image, core: Core) -> np.ndarray:
    pixels = np.asarray(frame.resize((core.width, core.height)), np.float32)
    values = ((pixels - np.float32(core.mean)) / np.float32(core.std))[None]
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2)) if core.layout == "NCHW" else values


if __name__ == "__main__":
    main()
