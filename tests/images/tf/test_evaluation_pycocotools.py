"""The evaluator against pycocotools, which comes with Model Garden."""

from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from isomer.dataset.canonical import Box, Picture, Split
from isomer.evaluation import evaluate

CLASSES = ("cat", "dog", "owl")


def truth(rng: np.random.Generator, pictures: int, most: int, classes: int = 3, crowd: float = 0.1) -> Split:
    def box() -> Box:
        width, height = rng.uniform(5, 150, 2)
        x, y = rng.uniform(0, 200, 2)
        return Box(int(rng.integers(1, classes + 1)), x, y, width, height, crowd=bool(rng.random() < crowd))

    made = tuple(
        Picture(n, f"{n}.png", 350, 350, tuple(box() for _ in range(rng.integers(0, most + 1))))
        for n in range(1, pictures + 1)
    )
    return Split("test", Path("nowhere"), CLASSES, made)


def guesses(rng: np.random.Generator, split: Split, noise: float, extra: int) -> list[dict]:
    """Jittered copies of the ground truth, some of another class, and boxes out of nothing."""
    found = []
    for picture in split.pictures:
        for box in picture.boxes * 2:
            jitter = rng.normal(0, noise, 4)
            bbox = [box.x + jitter[0], box.y + jitter[1], box.width + abs(jitter[2]), box.height + abs(jitter[3])]
            category = box.category if rng.random() < 0.8 else int(rng.integers(1, 4))
            found.append((picture.id, category, bbox))
        for _ in range(extra):
            found.append((picture.id, int(rng.integers(1, 4)), rng.uniform(5, 150, 4).tolist()))
    return [
        {"image_id": image, "category_id": category, "bbox": bbox, "score": round(float(rng.random()), 2)}
        for image, category, bbox in found
    ]


def by_pycocotools(split: Split, results: list[dict]) -> COCOeval:
    gt = COCO()
    gt.dataset = split.to_coco()
    gt.createIndex()
    dt = COCO()
    dt.dataset = gt.dataset | {
        "annotations": [
            item | {"id": n, "area": item["bbox"][2] * item["bbox"][3], "iscrowd": 0}
            for n, item in enumerate(results, start=1)
        ]
    }
    dt.createIndex()
    evaluator = COCOeval(gt, dt, "bbox")
    evaluator.evaluate()
    evaluator.accumulate()
    evaluator.summarize()
    return evaluator


def mean(values: np.ndarray) -> float | None:
    """As COCOeval summarizes."""
    defined = values[values > -1]
    return float(defined.mean()) if defined.size else None


CASES = {
    "noise": lambda rng: (s := truth(rng, 20, 6), guesses(rng, s, 3, 2)),
    "bad": lambda rng: (s := truth(rng, 20, 6), guesses(rng, s, 25, 5)),
    "exact": lambda rng: (s := truth(rng, 10, 5, crowd=0), guesses(rng, s, 0, 0)),
    "many": lambda rng: (s := truth(rng, 2, 30), guesses(rng, s, 5, 200)),
    "one class has no boxes": lambda rng: (s := truth(rng, 10, 4, classes=2), guesses(rng, s, 5, 2)),
    "only crowds": lambda rng: (s := truth(rng, 5, 3, crowd=1), guesses(rng, s, 5, 2)),
    "more than a hundred of a class": lambda rng: (s := truth(rng, 2, 150, classes=1), guesses(rng, s, 5, 400)),
    "all scores are ties": lambda rng: (
        s := truth(rng, 10, 6),
        [item | {"score": 0.5} for item in guesses(rng, s, 8, 3)],
    ),
    "one picture": lambda rng: (s := truth(rng, 1, 1), guesses(rng, s, 1, 1)),
    "no detections": lambda rng: (truth(rng, 5, 3), []),
    "no boxes": lambda rng: (s := truth(rng, 5, 0), guesses(rng, s, 5, 2)),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_same_figures_as_pycocotools(case, seed):
    split, results = CASES[case](np.random.default_rng(seed))
    ours = evaluate(split, results)
    theirs = by_pycocotools(split, results)
    stats = [None if value < 0 else value for value in theirs.stats]
    mine = [ours.mAP, ours.AP50, ours.AP75, *ours.by_size.values(), ours.AR]
    assert mine == pytest.approx([*stats[:6], stats[8]], abs=1e-6)
    precision, recall = theirs.eval["precision"], theirs.eval["recall"]
    for index, name in enumerate(CLASSES):
        one = ours.per_class[name]
        expected = [
            mean(precision[:, :, index, 0, 2]),
            mean(precision[0, :, index, 0, 2]),
            mean(recall[:, index, 0, 2]),
        ]
        assert [one.mAP, one.AP50, one.AR] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_same_hits_and_misses_as_pycocotools(case):
    """Precision, recall and F1 above a threshold, from how pycocotools matched at IoU 0.5."""
    threshold = 0.4
    split, results = CASES[case](np.random.default_rng(3))
    ours = evaluate(split, results, threshold)
    theirs = by_pycocotools(split, results)
    whole = theirs.params.areaRng[0]
    for category, name in enumerate(CLASSES, start=1):
        right = shown = boxes = 0
        for item in theirs.evalImgs:
            if item is None or item["aRng"] != whole or item["category_id"] != category:
                continue
            above = (np.array(item["dtScores"]) > threshold) & ~item["dtIgnore"][0].astype(bool)
            right += int((above & (item["dtMatches"][0] > 0)).sum())
            shown += int(above.sum())
            boxes += int((1 - item["gtIgnore"]).sum())
        one = ours.per_class[name]
        expected = [
            right / shown if shown else None,
            right / boxes if boxes else None,
            2 * right / (shown + boxes) if shown + boxes else None,
        ]
        assert [one.precision, one.recall, one.F1] == pytest.approx(expected, abs=1e-6)
        assert one.boxes == boxes
