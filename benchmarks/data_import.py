"""What importing costs: seconds and memory by the number of pictures and boxes, of inputs made here.

    PYTHONPATH=shared python benchmarks/data_import.py [--scale 0.01] [--folder /tmp/somewhere]

in the onnx image's environment. Inputs are tiny pictures, each another, with COCO annotations of the size of COCO 2017
(118,287 pictures, 860,001 boxes), 100,000 YOLO label files, and COCO annotations of 10 thousand, 100 thousand and a
million boxes at COCO's 7.3 boxes a picture: cost is to be linear in these. `--scale` makes all of them smaller.

Each import is a process of its own with --link; its memory is the largest resident set of its main process (those that
look at pictures hold 60 MB each).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
SIZE = 16  # pixels, width and height of a picture
COCO = (118_287, 860_001)
PER_PICTURE = COCO[1] / COCO[0]
CLASSES = [f"class {number}" for number in range(80)]


@dataclass(frozen=True)
class Case:
    """An input. limit: seconds and MB it may take at full scale, where the project promises that."""

    name: str
    kind: str
    pictures: int
    boxes: int
    limit: tuple[float, float] | None = None


CASES = (
    Case("COCO 2017", "coco", *COCO, (90, 2000)),
    Case("YOLO files", "yolo", 100_000, round(100_000 * PER_PICTURE), (60, 2000)),
    *(Case(f"{boxes:,} boxes", "coco", round(boxes / PER_PICTURE), boxes) for boxes in (10_000, 100_000, 1_000_000)),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--folder", type=Path, help="where inputs are made and removed [default: a temporary one]")
    options = parser.parse_args()
    table = Table(
        "input", "pictures", "boxes", "s", "CPU s", "boxes/s", "MB", "limit", title=f"scale {options.scale:g}"
    )
    for case in CASES:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            pictures, boxes = (max(10, round(number * options.scale)) for number in (case.pictures, case.boxes))
            make(Path(folder) / "source", case.kind, pictures, boxes)
            seconds, cpu, megabytes = measure(Path(folder))
        limit = f"{case.limit[0]:.0f} s, {case.limit[1]:.0f} MB" if case.limit else ""
        figures = (f"{seconds:.1f}", f"{cpu:.1f}", f"{boxes / seconds:,.0f}", f"{megabytes:.0f}", limit)
        table.add_row(case.name, f"{pictures:,}", f"{boxes:,}", *figures)
    Console().print(table)


def measure(folder: Path) -> tuple[float, float, float]:
    """Seconds, seconds of all processors, and MB of the import of folder/source."""
    environment = os.environ | {"ISOMER_DATA": str(folder / "data"), "PYTHONPATH": str(ROOT / "shared")}
    script = str(ROOT / "images/onnx/data_import.py")
    command = [sys.executable, script, str(folder / "source"), "--name", "made", "--link"]
    start, peak = time.monotonic(), 0
    process = subprocess.Popen(command, env=environment, stdout=sys.stderr)
    status = Path(f"/proc/{process.pid}/status")
    while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
        # not ru_maxrss: that begins with what this process held when it started the other
        peak = max([peak, *(int(kib) for kib in re.findall(r"VmHWM:\s+(\d+)", status.read_text()))])
        time.sleep(0.05)
    if ended[1]:
        sys.exit("the import failed: see above")
    return time.monotonic() - start, ended[2].ru_utime + ended[2].ru_stime, peak / 1024


def make(folder: Path, kind: str, pictures: int, boxes: int) -> None:
    """An input of so many pictures and boxes, the same each time."""
    (folder / "images").mkdir(parents=True)
    random = np.random.default_rng(0)
    for number in range(pictures):
        pixels = random.integers(0, 256, (SIZE, SIZE, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{number:012}.png")
    owner = np.sort(random.integers(0, pictures, boxes))
    corner, extent = random.uniform(0, SIZE / 2, (boxes, 2)).round(2), random.uniform(1, SIZE / 2, (boxes, 2)).round(2)
    label = random.integers(0, len(CLASSES), boxes)
    (_coco if kind == "coco" else _yolo)(folder, pictures, owner, corner, extent, label)


def _coco(folder: Path, pictures: int, owner, corner, extent, label) -> None:
    images = [
        {"id": number, "file_name": f"{number:012}.png", "width": SIZE, "height": SIZE} for number in range(pictures)
    ]
    annotations = [
        {"id": number, "image_id": image, "category_id": category + 1, "bbox": [*xy, *wh], "iscrowd": 0,
         "area": wh[0] * wh[1], "segmentation": [[*xy, xy[0] + wh[0], xy[1], xy[0] + wh[0], xy[1] + wh[1]]]}
        for number, (image, category, xy, wh) in enumerate(
            zip(owner.tolist(), label.tolist(), corner.tolist(), extent.tolist(), strict=True))
    ]  # fmt: skip
    categories = [{"id": number, "name": name} for number, name in enumerate(CLASSES, start=1)]
    value = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "instances.json").write_text(json.dumps(value))


def _yolo(folder: Path, pictures: int, owner, corner, extent, label) -> None:
    (folder / "labels").mkdir()
    (folder / "data.yaml").write_text(f"names: {json.dumps(CLASSES)}\n")
    centre = (corner + extent / 2) / SIZE
    rows = np.column_stack((label, centre, extent / SIZE))
    starts = np.searchsorted(owner, np.arange(pictures + 1))
    for number in range(pictures):
        lines = (f"{int(row[0])} {row[1]:.6f} {row[2]:.6f} {row[3]:.6f} {row[4]:.6f}\n"
                 for row in rows[starts[number] : starts[number + 1]])  # fmt: skip
        (folder / "labels" / f"{number:012}.txt").write_text("".join(lines))


if __name__ == "__main__":
    main()
