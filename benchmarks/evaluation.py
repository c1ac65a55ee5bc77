"""How long an evaluation takes: isomer.evaluation against pycocotools, same boxes, same detections, same figures.

    .isomer/venvs/tf-HASH/bin/python benchmarks/evaluation.py      (pycocotools comes with Model Garden)

Each is timed from COCO results in memory to the twelve figures; isomer.evaluation gives precision, recall, F1, a
confusion matrix and all of it by class besides. Seconds are those of the wall and, in brackets, of all processors
together, which other work on the machine does not lengthen.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import time
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "shared"))

from isomer.dataset.canonical import Box, Picture, Split
from isomer.evaluation import evaluate

SIDE = 640  # pixels of a picture


def drawn(pictures: int, detections: int, classes: int, boxes: int, seed: int = 0) -> tuple[Split, list[dict]]:
    """Boxes, and detections of which up to half are jittered copies of them; scores fall off as detectors' do."""
    rng = np.random.default_rng(seed)
    made, results = [], []
    for number in range(1, pictures + 1):
        count = int(rng.integers(0, 2 * boxes + 1))
        corners = np.concatenate(
            [rng.uniform(0, SIDE * 0.8, (count, 2)), rng.uniform(8, SIDE * 0.4, (count, 2))], axis=1
        )
        categories = rng.integers(1, classes + 1, count)
        made.append(
            Picture(
                number,
                f"{number}.jpg",
                SIDE,
                SIDE,
                tuple(Box(int(of), *map(float, box)) for of, box in zip(categories, corners, strict=True)),
            )
        )
        found = np.concatenate(
            [rng.uniform(0, SIDE * 0.8, (detections, 2)), rng.uniform(8, 250, (detections, 2))], axis=1
        )
        of = rng.integers(1, classes + 1, detections)
        copies = min(detections // 2, count * 3)
        if copies:
            which = rng.integers(0, count, copies)
            found[:copies] = corners[which] + rng.normal(0, 8, (copies, 4))
            of[:copies] = categories[which]
        found[:, 2:] = found[:, 2:].clip(1)
        results += [
            {"image_id": number, "category_id": int(category), "bbox": box, "score": float(score)}
            for category, box, score in zip(of, found.tolist(), rng.random(detections) ** 4, strict=True)
        ]
    return Split("test", Path("nowhere"), tuple(f"class {n}" for n in range(classes)), tuple(made)), results


def by_pycocotools(split: Split, results: list[dict]) -> list[float]:
    """COCO's twelve figures."""
    truth = COCO()
    truth.dataset = split.to_coco()
    truth.createIndex()
    evaluator = COCOeval(truth, truth.loadRes(results), "bbox")
    evaluator.evaluate()
    evaluator.accumulate()
    evaluator.summarize()
    return list(evaluator.stats)


def timed(work, *arguments):
    start, start_cpu = time.perf_counter(), time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        found = work(*arguments)
    return found, time.perf_counter() - start, time.process_time() - start_cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=5000)
    parser.add_argument("--detections", type=int, default=100, help="of each picture")
    parser.add_argument("--boxes", type=int, default=7, help="of each picture, on average")
    options = parser.parse_args()
    table = Table(
        title=f"{options.pictures} pictures of {options.boxes} boxes and {options.detections} detections each, "
        f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}"
    )
    for heading in ("classes", "pycocotools", "isomer.evaluation", "times", "largest difference"):
        table.add_column(heading, justify="right")
    for classes in (1, 20, 80):
        split, results = drawn(options.pictures, options.detections, classes, options.boxes)
        ours, seconds, cpu = timed(evaluate, split, results)
        theirs, their_seconds, their_cpu = timed(by_pycocotools, split, results)
        mine = [ours.mAP, ours.AP50, ours.AP75, *ours.by_size.values(), ours.AR]
        gap = max(abs(one - other) for one, other in zip(mine, [*theirs[:6], theirs[8]], strict=True))
        table.add_row(
            str(classes),
            f"{their_seconds:.1f} s ({their_cpu:.1f})",
            f"{seconds:.2f} s ({cpu:.2f})",
            f"{their_seconds / seconds:.1f} ({their_cpu / cpu:.1f})",
            f"{gap:.0e}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
