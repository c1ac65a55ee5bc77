"""What checking and showing data costs: seconds and memory by the number of pictures and boxes.

    PYTHONPATH=shared python benchmarks/data_check.py [--scale 0.01] [--folder /tmp/somewhere]

in the onnx image's environment. Inputs are those of data_import.py: tiny pictures, of which every one, and a quarter
of the boxes, is a finding, so that finding places is measured too. The check looks at a source as it is; the page is
of a dataset of 5,000 drawn pictures. Seconds are those of the wall and, in brackets, of all processors together.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from data_import import CASES, ROOT, make
from rich.console import Console
from rich.table import Table

COCO_LIMIT = "60 s"
PAGE = (5000, "60 s, 5 MB")
ANSWERED = (0, 1)  # a check that finds errors says so by 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--folder", type=Path, help="where inputs are made and removed [default: a temporary one]")
    options = parser.parse_args()
    table = Table("what", "pictures", "boxes", "s", "MB", "limit", title=f"scale {options.scale:g}")
    for case in CASES:
        pictures, boxes = (max(10, round(number * options.scale)) for number in (case.pictures, case.boxes))
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            make(Path(folder) / "source", case.kind, pictures, boxes)
            figures = measure(Path(folder), "data_check", str(Path(folder) / "source"))
        limit = COCO_LIMIT if case.name == CASES[0].name else ""
        table.add_row(f"check {case.name}", f"{pictures:,}", f"{boxes:,}", *figures, limit)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        count = max(10, round(PAGE[0] * options.scale))
        measure(Path(folder), "data_make", "shapes", "--train", str(count), "--val", "1", "--test", "1")
        figures = measure(Path(folder), "data_show", "shapes")
        size = (Path(folder) / "data/reports/shapes/dataset.html").stat().st_size / 1e6
        table.add_row(f"show, a page of {size:.1f} MB", f"{count + 2:,}", "", *figures, PAGE[1])
    Console().print(table)


def measure(folder: Path, script: str, *arguments: str) -> tuple[str, str]:
    """Seconds and MB of one script with folder/data as its volume."""
    environment = os.environ | {"ISOMER_DATA": str(folder / "data"), "PYTHONPATH": str(ROOT / "shared")}
    command = [sys.executable, str(ROOT / f"images/onnx/{script}.py"), *arguments]
    start = time.monotonic()
    process = subprocess.Popen(command, env=environment, stdout=sys.stderr)
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) not in ANSWERED:
        sys.exit(f"{script} failed: see above")
    seconds = time.monotonic() - start
    return f"{seconds:.1f} ({usage.ru_utime + usage.ru_stime:.1f})", f"{usage.ru_maxrss / 1024:.0f}"


if __name__ == "__main__":
    main()
