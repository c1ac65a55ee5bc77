"""A run's models in float32, float16 and 8 bits: size, what it costs in mAP, and latency, one thread.

    PYTHONPATH=shared:images/onnx python benchmarks/precision.py data/runs/RUN [data/runs/RUN ...]

in the onnx image's environment, after `./inv export-NAME --run RUN --precision ...` with fp32, fp16 and int8. Sizes are
of the published files, |ΔmAP| is the gate's: against the framework, on the test split. The frame is 640x480 of random
bytes: the core's time does not depend on it. One run of each after the other, so that a machine that gets slower slows
all; the thread's own time, which other processes do not lengthen.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import onnx
from levels import LIMITS
from rich.console import Console
from rich.table import Table
from session import open_session

from isomer import contract
from isomer.volume import Volume

ROUNDS, WARM_UP = 100, 10
HEIGHT, WIDTH = 480, 640
LEAST_SMALLER = 3.5  # int8
PRECISIONS = ("fp32", "fp16", "int8")


def main() -> None:
    for argument in sys.argv[1:] or sys.exit(__doc__):
        run = Path(argument).resolve()
        models = Volume(run.parents[1]).models
        files = {word: models / f"{run.name}{'' if word == 'fp32' else f'-{word}'}.onnx" for word in PRECISIONS}
        times = measure(files)
        table = Table("precision", "bytes", "× smaller", "|ΔmAP|", "limit", "p50 ms", "× faster", title=run.name)
        for word, path in files.items():
            smaller = files["fp32"].stat().st_size / path.stat().st_size
            faster = times["fp32"] / times[word]
            checks = json.loads(path.with_suffix(".gate.json").read_text())["checks"]
            gap = next(check["value"] for check in checks if check["name"] == "mAP")
            reached = (smaller >= LEAST_SMALLER, faster >= 1) if word == "int8" else (True, True)
            smaller, faster = (
                f"{value:.2f}{'' if good else ' NO'}" for value, good in zip((smaller, faster), reached, strict=True)
            )
            row = (word, f"{path.stat().st_size:,}", smaller, f"{gap:.4f}", f"{LIMITS[word].quality}")
            table.add_row(*row, f"{times[word]:.2f}", faster)
        Console().print(table)


def measure(files: dict[str, Path]) -> dict[str, float]:
    """Median milliseconds of each."""
    frame = np.random.default_rng(0).integers(0, 256, (1, HEIGHT, WIDTH, 3), dtype=np.uint8)
    sessions = {word: open_session(onnx.load(path), threads=1) for word, path in files.items()}
    times: dict[str, list[float]] = {word: [] for word in files}
    for number in range(WARM_UP + ROUNDS):
        for word, session in sessions.items():
            start = time.thread_time()
            session.run(None, {contract.INPUT: frame})
            if number >= WARM_UP:
                times[word].append((time.thread_time() - start) * 1000)
    return {word: statistics.median(values) for word, values in times.items()}


if __name__ == "__main__":
    main()
