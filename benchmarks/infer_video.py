"""What `infer` makes of a video: frames a second, drawing and encoding included, and whether its memory stays flat.

    PYTHONPATH=shared:images/onnx python benchmarks/infer_video.py --model NAME [--frames 5000] [--size 640x480]

in the onnx image's environment; NAME is a published model. The video is drawn (rectangles that move over noise) and
removed afterwards, and so is what infer makes of it. Memory is what the process holds at a tenth of the time and at its
end. The processor's time for a frame, all threads together, is what other processes hardly lengthen: two cores make
two seconds of it in one.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from recording import Recording
from rich.console import Console
from rich.table import Table

from isomer.volume import Volume

ROOT = Path(__file__).resolve().parents[1]
RATE = 30.0
LIMIT = "25 frames/s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--frames", type=int, default=5000)
    parser.add_argument("--size", default="640x480", help="WIDTHxHEIGHT")
    parser.add_argument("--threshold", default="0.3")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "drawn.mp4"
        draw(video, options.frames, width, height)
        summary, held, busy = measure(Path(folder), options.model, video, options.threshold)
    tenth = held[len(held) // 10]
    table = Table("model", "frames", "frames/s", "CPU ms", "p50 ms", "p95 ms", "MB at 10 %", "MB at the end", "limit")
    model = summary["models"][0]
    latency = [f"{model['latency_ms'][key]:.1f}" for key in ("p50", "p95")]
    memory = [f"{value / 1e6:.0f}" for value in (tenth, held[-1])]
    figures = [f"{summary['frames']:,}", f"{summary['frames_per_s']:.1f}", f"{busy / summary['frames'] * 1000:.1f}"]
    table.add_row(model["name"], *figures, *latency, *memory, LIMIT)
    Console(width=None if Console().is_terminal else 120).print(table)


def draw(path: Path, frames: int, width: int, height: int) -> None:
    """A video of rectangles that move over noise; the same each time."""
    random = np.random.default_rng(0)
    ground = Image.fromarray(random.integers(60, 120, (height // 4, width // 4, 3), np.uint8)).resize((width, height))
    recording = Recording(path, RATE)
    for index in range(frames):
        picture = np.array(ground)
        for number in range(5):
            left = (index * (number + 1) + 97 * number) % (width - 80)
            top = (height // 6) * number
            picture[top : top + 60, left : left + 80] = (40 * number, 255 - 40 * number, 128)
        recording.add(Image.fromarray(picture), index / RATE)
    recording.close()


def measure(folder: Path, model: str, video: Path, threshold: str) -> tuple[dict, list[int], float]:
    """The summary of infer, what its process held of memory every quarter of a second, and its processor's seconds."""
    report = folder / "summary.json"
    name = f"benchmark-{os.getpid()}"
    words = ["--model", model, "--source", str(video), "--threshold", threshold, "--name", name, "--json", str(report)]
    before = os.times()
    process = subprocess.Popen([sys.executable, str(ROOT / "images/onnx/infer.py"), *words], stdout=sys.stderr)
    held = []
    while process.poll() is None:
        held.append(_resident(process.pid))
        time.sleep(0.25)
    after = os.times()
    if process.returncode:
        sys.exit("infer failed: see above")
    shutil.rmtree(Volume.from_environment().predictions / name)
    busy = after.children_user + after.children_system - before.children_user - before.children_system
    return json.loads(report.read_text())["summary"], [value for value in held if value], busy


def _resident(pid: int) -> int:
    """Bytes that a process holds; 0 where it has just ended."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    except (OSError, IndexError):
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
