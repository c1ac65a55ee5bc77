"""What the latency benchmarks share: the frame, the turns that models take, and the table of their medians."""

from __future__ import annotations

import json
import statistics
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from isomer.dataset import shapes

HEIGHT, WIDTH = 480, 640
SCORE, IOU, MOST = 0.3, 0.5, 100
ANCHORS_ABOVE = 20  # above the score threshold: as a trained detector has in a busy frame
ROUNDS, WARM_UP = 60, 8
OURS, CORE = "ours", "ours, the bare core"

# Runs a model once; seconds, and how many boxes it found.
Call = Callable[[], tuple[float, int]]


@dataclass(frozen=True)
class Turns:
    """What one run of each after the other took: seconds of every run, and how many boxes were found, by name."""

    times: dict[str, list[float]]
    found: dict[str, int]

    def p50(self, name: str) -> float:
        return statistics.median(self.times[name])


def frame() -> np.ndarray:
    """Drawn shapes, as many as fill it, uint8 [HEIGHT, WIDTH, 3]."""
    pixels = next(
        drawing.pixels
        for drawing in (shapes.draw(0, "test", index) for index in range(100))
        if drawing.pixels.shape[0] < drawing.pixels.shape[1]
    )
    rows, columns = -(-HEIGHT // pixels.shape[0]), -(-WIDTH // pixels.shape[1])
    return np.ascontiguousarray(np.tile(pixels, (rows, columns, 1))[:HEIGHT, :WIDTH])


def take_turns(python: str, folder: Path, models: dict[str, dict[str, Any]], here: dict[str, Call]) -> Turns:
    """Time models of the onnx image's environment and calls of this one, one run of each after the other.

    Args:
        python: of that environment.
        models: as `latency_turns.py` takes them.
        here: what this environment runs.
    """
    np.save(folder / "frame.npy", frame()[None])
    job = {"threads": 1, "frame": str(folder / "frame.npy"), "models": models}
    (folder / "job.json").write_text(json.dumps(job))
    root = Path(__file__).parents[1]
    environment = {"PYTHONPATH": f"{root / 'shared'}:{root / 'images' / 'onnx'}"}
    command = [python, str(Path(__file__).with_name("latency_turns.py")), str(folder / "job.json")]
    pipe = subprocess.PIPE
    times: dict[str, list[float]] = {name: [] for name in (*models, *here)}
    found = dict.fromkeys(times, -1)
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as other:

        def there(name: str) -> tuple[float, int]:
            print(name, file=other.stdin, flush=True)
            seconds, count = other.stdout.readline().split()
            return float(seconds), int(count)

        other.stdout.readline()
        for number in range(WARM_UP + ROUNDS):
            for name, values in times.items():
                seconds, found[name] = here[name]() if name in here else there(name)
                if number >= WARM_UP:
                    values.append(seconds)
        other.stdin.close()
    return Turns(times, found)


def show(title: str, turns: Turns, limits: dict[str, float], most_around: float) -> None:
    """The table of a comparison.

    Args:
        limits: how many times our time the others are to take, by name.
        most_around: what head and tail may take of the bare core's time.
    """
    table = Table("what", "p50 ms", "found", "times ours", "to reach", title=title)
    for name in turns.times:
        found = turns.found[name]
        times = turns.p50(name) / turns.p50(OURS)
        limit = f"≥ {limits[name]}: {_word(times >= limits[name])}" if name in limits else ""
        table.add_row(name, f"{turns.p50(name) * 1000:.2f}", str(found) if found >= 0 else "", f"{times:.2f}", limit)
    around = turns.p50(OURS) / turns.p50(CORE) - 1
    limit = f"≤ {most_around:.0%}: {_word(around <= most_around)}"
    table.add_row("head + tail over the core", "", "", f"{around:.1%}", limit)
    Console().print(table)


def _word(reached: bool) -> str:
    return "yes" if reached else "NO"
