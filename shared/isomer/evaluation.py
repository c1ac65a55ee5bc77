"""mAP and friends: the one evaluator, for every framework, the gate and parity. Wraps hotcoco.

The figures are COCO's (https://cocodataset.org/#detection-eval): AP over IoU 0.50 to 0.95 at 101 recalls, at most
100 detections per picture and class, small below 32² pixels, large from 96². A figure that is not defined, because
there is no ground truth for it, is None, never -1 or NaN.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from hotcoco import COCO, COCOeval

from isomer.contract import Thresholds
from isomer.dataset.canonical import Split

SIZES = ("small", "medium", "large")
RECALLS = np.linspace(0, 1, 101)
# Places in COCOeval's arrays: precision [IoU, recall, class, area, maxDets], recall [IoU, class, area, maxDets].
IOU_50, IOU_75 = 0, 5
ALL_AREAS, FIRST_SIZE, MOST_DETECTIONS = 0, 1, 2


@dataclass(frozen=True)
class AtThreshold:
    """What a client sees that shows detections with scores above a threshold; matched at IoU 0.5."""

    precision: float | None
    recall: float | None
    F1: float | None


@dataclass(frozen=True)
class ClassMetrics(AtThreshold):
    """One class; `boxes` is its number of ground truth boxes, without crowds."""

    boxes: int
    mAP: float | None  # noqa: N815 (the field's own name)
    AP50: float | None
    AR: float | None


@dataclass(frozen=True)
class Metrics(AtThreshold):
    """A detector on a split: fractions from 0 to 1, None where there is no ground truth to measure on."""

    images: int
    boxes: int
    detections: int
    mAP: float | None  # noqa: N815
    AP50: float | None
    AP75: float | None
    AR: float | None
    by_size: dict[str, float | None]  # mAP of small, medium and large objects
    score_threshold: float
    per_class: dict[str, ClassMetrics]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def evaluate(split: Split, results: list[dict], score_threshold: float = Thresholds.score) -> Metrics:
    """Measure COCO results on a split.

    Args:
        results: `image_id`, `category_id` (from 1), `score`, `bbox` [x, y, width, height] in pixels. A class that the
            split does not know is left out, as COCO does. For the AP they should hold low scores too.
        score_threshold: for precision, recall and F1 only; a score must be above.

    Raises:
        ValueError: a result names a picture that is not in the split, or its score is NaN.
    """
    found = _run(split, results)
    precision, recall = found.eval["precision"], found.eval["recall"]
    counts = _counts(found, score_threshold)
    per_class = {
        name: ClassMetrics(
            boxes=counts[category]["boxes"],
            mAP=_mean(precision[:, :, category - 1, ALL_AREAS, MOST_DETECTIONS]),
            AP50=_mean(precision[IOU_50, :, category - 1, ALL_AREAS, MOST_DETECTIONS]),
            AR=_mean(recall[:, category - 1, ALL_AREAS, MOST_DETECTIONS]),
            **asdict(_at_threshold(counts[category])),
        )
        for category, name in enumerate(split.classes, start=1)
    }
    total = sum(counts.values(), Counter())
    return Metrics(
        images=len(split.pictures),
        boxes=total["boxes"],
        detections=len(results),
        mAP=_mean(precision[..., ALL_AREAS, MOST_DETECTIONS]),
        AP50=_mean(precision[IOU_50, ..., ALL_AREAS, MOST_DETECTIONS]),
        AP75=_mean(precision[IOU_75, ..., ALL_AREAS, MOST_DETECTIONS]),
        AR=_mean(recall[..., ALL_AREAS, MOST_DETECTIONS]),
        by_size={
            size: _mean(precision[..., area, MOST_DETECTIONS]) for area, size in enumerate(SIZES, start=FIRST_SIZE)
        },
        score_threshold=score_threshold,
        per_class=per_class,
        **asdict(_at_threshold(total)),
    )


def precision_recall(split: Split, results: list[dict]) -> dict[str, list[float]]:
    """Precision at IoU 0.5 at the recalls `RECALLS`, by class name; a class without ground truth is left out."""
    precision = _run(split, results).eval["precision"][IOU_50, :, :, ALL_AREAS, MOST_DETECTIONS]
    return {name: precision[:, index].tolist() for index, name in enumerate(split.classes) if precision[0, index] >= 0}


def _run(split: Split, results: list[dict]) -> COCOeval:
    pictures = {picture.id for picture in split.pictures}
    strangers = {result["image_id"] for result in results} - pictures
    if strangers:
        raise ValueError(f"results name pictures that the {split.name} split does not have: {sorted(strangers)[:5]}")
    # hotcoco would say on stderr what it leaves out
    known = [result for result in results if 1 <= result["category_id"] <= len(split.classes)]
    truth = COCO(split.to_coco())
    found = COCOeval(truth, truth.load_res(known), "bbox")
    found.evaluate()
    found.accumulate()
    return found


def _counts(found: COCOeval, threshold: float) -> dict[int, Counter]:
    """By category id: ground truth boxes, and true and false positives above the threshold at IoU 0.5.

    Matching goes down the scores, so leaving out what is below the threshold changes nothing above it.
    """
    counts = {category: Counter() for category in found.params.cat_ids}
    everything = found.params.area_rng[ALL_AREAS]
    for item in found.eval_imgs:
        if item is None or item["aRng"] != everything:
            continue
        count = counts[item["category_id"]]
        count["boxes"] += sum(not ignored for ignored in item["gtIgnore"])
        for score, matched, ignored in zip(
            item["dtScores"], item["dtMatched"][IOU_50], item["dtIgnore"][IOU_50], strict=True
        ):
            if score > threshold and not ignored:
                count["true" if matched else "false"] += 1
    return counts


def _at_threshold(count: Counter) -> AtThreshold:
    shown = count["true"] + count["false"]
    both = shown + count["boxes"]
    return AtThreshold(
        precision=count["true"] / shown if shown else None,
        recall=count["true"] / count["boxes"] if count["boxes"] else None,
        F1=2 * count["true"] / both if both else None,
    )


def _mean(values: np.ndarray) -> float | None:
    """The mean of what is defined; COCOeval says -1 for what is not."""
    defined = values[values > -1]
    return float(defined.mean()) if defined.size else None
