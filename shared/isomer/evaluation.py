"""mAP and friends: the one evaluator, for every framework, the gate and parity. Wraps hotcoco.

The figures are COCO's (https://cocodataset.org/#detection-eval): AP over IoU 0.50 to 0.95 at 101 recalls, at most
100 detections per picture and class, small below 32² pixels, large from 96². A figure that is not defined, because
there is no ground truth for it, is None, never -1 or NaN.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from itertools import chain
from typing import Any

import numpy as np
from hotcoco import COCO, COCOeval

from isomer.contract import Thresholds
from isomer.dataset.canonical import Box, Split

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
class Score:
    """What was found above a score threshold at IoU 0.5, of one picture or of many; crowds are in none of these.

    right, wrong: COCO results, best first. found, missed: ground truth boxes.
    """

    right: tuple[dict, ...] = ()
    wrong: tuple[dict, ...] = ()
    found: tuple[Box, ...] = ()
    missed: tuple[Box, ...] = ()

    @classmethod
    def together(cls, scores: Iterable[Score]) -> Score:
        """Several as one."""
        scores = list(scores)
        return cls(*(tuple(chain.from_iterable(getattr(one, part.name) for one in scores)) for part in fields(cls)))

    @property
    def boxes(self) -> int:
        return len(self.found) + len(self.missed)

    @property
    def at_threshold(self) -> AtThreshold:
        right, shown = len(self.right), len(self.right) + len(self.wrong)
        return AtThreshold(
            precision=right / shown if shown else None,
            recall=right / self.boxes if self.boxes else None,
            F1=2 * right / (shown + self.boxes) if shown + self.boxes else None,
        )


@dataclass(frozen=True)
class Agreement:
    """Two detectors' detections matched by class at IoU 0.5: what both found, and what only one did."""

    both: int
    only_first: int
    only_second: int


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
    parts: dict[int, list[Score]] = {category: [] for category in range(1, len(split.classes) + 1)}
    for _, category, score in _scores(split, results, found, score_threshold):
        parts[category].append(score)
    scores = {category: Score.together(part) for category, part in parts.items()}
    per_class = {
        name: ClassMetrics(
            boxes=scores[category].boxes,
            mAP=_mean(precision[:, :, category - 1, ALL_AREAS, MOST_DETECTIONS]),
            AP50=_mean(precision[IOU_50, :, category - 1, ALL_AREAS, MOST_DETECTIONS]),
            AR=_mean(recall[:, category - 1, ALL_AREAS, MOST_DETECTIONS]),
            **asdict(scores[category].at_threshold),
        )
        for category, name in enumerate(split.classes, start=1)
    }
    total = Score.together(scores.values())
    return Metrics(
        images=len(split.pictures),
        boxes=total.boxes,
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
        **asdict(total.at_threshold),
    )


def precision_recall(split: Split, results: list[dict]) -> dict[str, list[float]]:
    """Precision at IoU 0.5 at the recalls `RECALLS`, by class name; a class without ground truth is left out."""
    precision = _run(split, results).eval["precision"][IOU_50, :, :, ALL_AREAS, MOST_DETECTIONS]
    return {name: precision[:, index].tolist() for index, name in enumerate(split.classes) if precision[0, index] >= 0}


def score_pictures(split: Split, results: list[dict], score_threshold: float = Thresholds.score) -> dict[int, Score]:
    """How each picture of the split went, by its id."""
    parts: dict[int, list[Score]] = {picture.id: [] for picture in split.pictures}
    for image_id, _, score in _scores(split, results, _run(split, results), score_threshold):
        parts[image_id].append(score)
    return {image_id: Score.together(part) for image_id, part in parts.items()}


def agreement(
    split: Split, first: list[dict], second: list[dict], score_threshold: float = Thresholds.score
) -> Agreement:
    """How far two detectors say the same on a split: the first's detections stand for the ground truth."""
    boxes: dict[int, list[Box]] = {}
    for result in first:
        if result["score"] > score_threshold:
            boxes.setdefault(result["image_id"], []).append(Box(result["category_id"], *result["bbox"]))
    said = replace(
        split, pictures=tuple(replace(picture, boxes=tuple(boxes.get(picture.id, ()))) for picture in split.pictures)
    )
    scores = score_pictures(said, second, score_threshold).values()
    return Agreement(
        both=sum(len(score.right) for score in scores),
        only_first=sum(len(score.missed) for score in scores),
        only_second=sum(len(score.wrong) for score in scores),
    )


def _known(split: Split, results: list[dict]) -> list[dict]:
    """The results of classes that the split knows; hotcoco would say on stderr what it leaves out."""
    return [result for result in results if 1 <= result["category_id"] <= len(split.classes)]


def _run(split: Split, results: list[dict]) -> COCOeval:
    pictures = {picture.id for picture in split.pictures}
    strangers = {result["image_id"] for result in results} - pictures
    if strangers:
        raise ValueError(f"results name pictures that the {split.name} split does not have: {sorted(strangers)[:5]}")
    truth = COCO(split.to_coco())
    found = COCOeval(truth, truth.load_res(_known(split, results)), "bbox")
    found.evaluate()
    found.accumulate()
    return found


def _scores(split: Split, results: list[dict], run: COCOeval, threshold: float) -> Iterator[tuple[int, int, Score]]:
    """The scores of every picture and class, with picture id and class.

    Matching goes down the scores, so leaving out what is below the threshold changes nothing above it.
    """
    # COCOeval names both by numbers from 1 in the order in which it was given them
    known = _known(split, results)
    boxes = [box for picture in split.pictures for box in picture.boxes]
    everything = run.params.area_rng[ALL_AREAS]
    for item in run.eval_imgs:
        if item is None or item["aRng"] != everything:
            continue
        shown = [
            (known[number - 1], matched)
            for number, matched, ignored in zip(
                item["dtIds"], item["dtMatches"][IOU_50], item["dtIgnore"][IOU_50], strict=True
            )
            if known[number - 1]["score"] > threshold and not ignored
        ]
        hit = {matched for _, matched in shown}
        wanted = [number for number, ignored in zip(item["gtIds"], item["gtIgnore"], strict=True) if not ignored]
        yield (
            item["image_id"],
            item["category_id"],
            Score(
                right=tuple(result for result, matched in shown if matched),
                wrong=tuple(result for result, matched in shown if not matched),
                found=tuple(boxes[number - 1] for number in wanted if number in hit),
                missed=tuple(boxes[number - 1] for number in wanted if number not in hit),
            ),
        )


def _mean(values: np.ndarray) -> float | None:
    """The mean of what is defined; COCOeval says -1 for what is not."""
    defined = values[values > -1]
    return float(defined.mean()) if defined.size else None
