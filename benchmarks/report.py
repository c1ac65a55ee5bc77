"""What a report costs: seconds to make it, megabytes, seconds until a browser shows it.

    .isomer/venvs/onnx-HASH/bin/python benchmarks/report.py
    .isomer/venvs/onnx-HASH/bin/python benchmarks/report.py --photos FOLDER     (real ones compress as real ones do)

Test pictures of 640 × 480 and two made-up detectors that say 100 things of each, as a detector does for a whole
precision-recall curve. `report` runs as a process of its own; seconds are those of the wall and of all processors
together, which other work on the machine does not lengthen. The browser is Chromium without a window, the page a file.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "shared"))

from browser import Browser, find

from isomer import files, parity
from isomer.dataset import canonical, shapes
from isomer.dataset.canonical import Box, Picture, Split
from isomer.parity import Measured
from isomer.volume import Volume

ROOT = Path(__file__).resolve().parents[1]
SIZE = (640, 480)
DETECTIONS = 100
BOXES = 7  # of a picture, in the mean
OPENINGS = 5
SHOWN = "document.querySelectorAll('.pictures .picture').length"
SUFFIXES = (".jpg", ".jpeg", ".png")


def make(volume: Volume, count: int, classes: int, photos: Path | None) -> None:
    """A dataset and the comparison of two models on it."""
    rng = np.random.default_rng(0)
    folder = volume.datasets / "pictures"
    (folder / "images").mkdir(parents=True)
    pictures = []
    for number, image in enumerate(islice(_images(photos), count), start=1):
        image.save(folder / "images" / f"{number:05}.jpg", quality=90)
        boxes = tuple(
            Box(int(rng.integers(1, classes + 1)), *rng.uniform(0, 400, 2), *rng.uniform(20, 200, 2))
            for _ in range(rng.poisson(BOXES))
        )
        pictures.append(Picture(number, f"{number:05}.jpg", *SIZE, boxes))
    names = tuple(f"class {number}" for number in range(1, classes + 1))
    dataset = canonical.write(folder, names, {"test": tuple(pictures)}, {})
    split = dataset.split("test")
    models = []
    for name, noise in (("one", 8.0), ("other", 12.0)):
        path = volume.models / f"{name}.onnx"
        files.write_bytes(path, name.encode())
        latency = {"p50": 7.0, "p95": 9.0}
        about = (path.stem, name, "made up", "320", names, files.sha256_of_file(path), 9_000_000, latency)
        models.append(Measured(*about, _guess(split, noise, rng)))
    parity.write(volume.reports / dataset.name, parity.compare(dataset, split, models, None, 0.3), models)


def _images(photos: Path | None):
    """Pictures without end: a folder's, else drawn ones."""
    if photos:
        for path in cycle(
            sorted(path for path in photos.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
        ):
            with Image.open(path) as image:
                yield image.convert("RGB").resize(SIZE)
    index = 0
    while True:
        yield Image.fromarray(shapes.draw(0, "test", index).pixels).resize(SIZE)
        index += 1


def _guess(split: Split, noise: float, rng: np.random.Generator) -> list[dict]:
    """Most of the boxes, a little off, and low scores for what is not there."""
    classes = len(split.classes)
    results = []
    for picture in split.pictures:
        for box in picture.boxes:
            corners = np.array([box.x, box.y, box.width, box.height]) + rng.normal(0, noise, 4)
            category = box.category if rng.random() < 0.9 else int(rng.integers(1, classes + 1))
            results.append((picture.id, category, rng.uniform(0.2, 1), np.maximum(corners, 3)))
        for _ in range(DETECTIONS - len(picture.boxes)):
            corners = np.concatenate([rng.uniform(0, 400, 2), rng.uniform(20, 200, 2)])
            results.append(
                (picture.id, int(rng.integers(1, classes + 1)), 0.01 + rng.exponential(0.05) % 0.98, corners)
            )
    return [
        {"image_id": image, "category_id": category, "score": float(score), "bbox": corners.tolist()}
        for image, category, score, corners in results
    ]


def opening(page: Path) -> list[float]:
    """Seconds from asking for the page until its cards are there, scripts done."""
    program = find()
    if program is None:
        return []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(program, Path(profile))
        seconds = []
        for _ in range(OPENINGS):
            start = time.monotonic()
            tab = browser.open(page.as_uri())
            tab.wait(SHOWN)
            seconds.append(time.monotonic() - start)
            tab.close()
        browser.close()
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--classes", type=int, default=80)
    parser.add_argument("--photos", type=Path, help="folder of pictures [default: drawn ones]")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        make(Volume(Path(root)), options.pictures, options.classes, options.photos)
        environment = os.environ | {"ISOMER_DATA": root, "PYTHONPATH": str(ROOT / "shared")}
        command = [sys.executable, str(ROOT / "images/onnx/report.py"), "--data", "pictures"]
        start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        page = Path(root) / "reports" / "pictures" / "index.html"
        megabytes, seconds = page.stat().st_size / 1e6, opening(page)
    processors = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    table = Table(title=f"report: {options.pictures} pictures, two models of {DETECTIONS} detections a picture")
    for head in ("made in, s", "processors, s", "MB", "opens in, s"):
        table.add_column(head, justify="right")
    shown = f"{statistics.median(seconds):.2f} ({min(seconds):.2f}–{max(seconds):.2f})" if seconds else "no browser"
    table.add_row(f"{wall:.1f}", f"{processors:.1f}", f"{megabytes:.1f}", shown)
    Console().print(table)


if __name__ == "__main__":
    main()
