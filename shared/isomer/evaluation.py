"""mAP and friends: the one evaluator, for every framework, the gate and parity. Wraps hotcoco.

The figures are COCO's (https://cocodataset.org/#detection-eval): AP over IoU 0.50 to 0.95 at 101 recalls, at most
100 detections per picture and class, small below 32² pixels, large from 96². A figure that is not defined, because
there is no ground truth for it, is None, never -1 or NaN.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from itertools import chain
from typing import Any

import numpy as np
from hotcoco import COCO, COCOeval

from isomer.contract import Thresholds
from isomer.dataset.canonical import Box, Picture, Split

SIZES = ("small", "medium", "large")
RECALLS = np.linspace(0, 1, 101)
MOST_DETECTIONS = 100  # of a picture and class
# Places in COCOeval's arrays: precision [IoU, recall, class, area], recall [IoU, class, area].
IOU_50, IOU_75 = 0, 5
ALL_AREAS, FIRST_SIZE = 0, 1


@dataclass(frozen=True)
class AtThreshold:
    """What a client sees that shows detections with scores above a threshold; matched at IoU 0.5."""

    precision: float | None
    recall: float | None
    F1: float | None

    @classmethod
    def of(cls, right: int, shown: int, boxes: int) -> AtThreshold:
        """From how many detections are right, how many are shown, and how many boxes there are."""
        return AtThreshold(
            precision=right / shown if shown else None,
            recall=right / boxes if boxes else None,
            F1=2 * right / (shown + boxes) if shown + boxes else None,
        )


@dataclass(frozen=True)
class ClassMetrics(AtThreshold):
    """One class; `boxes` is its number of ground truth boxes, without crowds."""

    boxes: int
    mAP: float | None  # noqa: N815 (the field's own name)
    AP50: float | None
    AR: float | None


@dataclass(frozen=True)
class Match:
    """A detection, and which of its picture's boxes it found at IoU 0.5: its index, None where it found none."""

    result: dict
    box: int | None


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
        return AtThreshold.of(len(self.right), len(self.right) + len(self.wrong), self.boxes)


@dataclass(frozen=True)
class Agreement:
    """Two detectors' detections matched by class at IoU 0.5: what both found, and what only one did."""

    both: int
    only_first: int
    only_second: int


@dataclass(frozen=True)
class Metrics(AtThreshold):
    """A detector on a split: fractions from 0 to 1, None where there is no ground truth to measure on.

    by_size: mAP of small, medium and large objects. confusion: how often a box of one class was found as another, as
    (class, found as, count) above the score threshold; None for a box that was not found, or a find without a box.
    """

    images: int
    boxes: int
    detections: int
    mAP: float | None  # noqa: N815
    AP50: float | None
    AP75: float | None
    AR: float | None
    by_size: dict[str, float | None]
    score_threshold: float
    per_class: dict[str, ClassMetrics]
    confusion: list[tuple[str | None, str | None, int]]

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
    truth, known = COCO(split.to_coco()), _known(split, results)
    precision, recall = _precision_recall(truth, known)
    scores = _score_pictures(split, truth, known, score_threshold)
    total = Score.together(scores.values())
    right, wrong = (Counter(result["category_id"] for result in part) for part in (total.right, total.wrong))
    boxes = Counter(box.category for box in (*total.found, *total.missed))
    per_class = {
        name: ClassMetrics(
            boxes=boxes[category],
            mAP=_mean(precision[:, :, category - 1, ALL_AREAS]),
            AP50=_mean(precision[IOU_50, :, category - 1, ALL_AREAS]),
            AR=_mean(recall[:, category - 1, ALL_AREAS]),
            **asdict(AtThreshold.of(right[category], right[category] + wrong[category], boxes[category])),
        )
        for category, name in enumerate(split.classes, start=1)
    }
    return Metrics(
        images=len(split.pictures),
        boxes=total.boxes,
        detections=len(results),
        mAP=_mean(precision[..., ALL_AREAS]),
        AP50=_mean(precision[IOU_50, ..., ALL_AREAS]),
        AP75=_mean(precision[IOU_75, ..., ALL_AREAS]),
        AR=_mean(recall[..., ALL_AREAS]),
        by_size={size: _mean(precision[..., area]) for area, size in enumerate(SIZES, start=FIRST_SIZE)},
        score_threshold=score_threshold,
        per_class=per_class,
        confusion=_confusion(split, scores, right),
        **asdict(total.at_threshold),
    )


def precision_recall(split: Split, results: list[dict]) -> dict[str, list[float]]:
    """Precision at IoU 0.5 at the recalls `RECALLS`, by class name; a class without ground truth is left out."""
    precision = _precision_recall(COCO(split.to_coco()), _known(split, results))[0][IOU_50, :, :, ALL_AREAS]
    return {name: precision[:, index].tolist() for index, name in enumerate(split.classes) if precision[0, index] >= 0}


def score_pictures(split: Split, results: list[dict], score_threshold: float = Thresholds.score) -> dict[int, Score]:
    """How each picture of the split went, by its id."""
    return _score_pictures(split, COCO(split.to_coco()), _known(split, results), score_threshold)


def match_pictures(split: Split, results: list[dict]) -> dict[int, tuple[Match, ...]]:
    """Each picture's detections, best first, by its id: what lies in a crowd and unknown classes are left out."""
    return _match_pictures(split, COCO(split.to_coco()), _known(split, results))


def tide_gains(split: Split, results: list[dict]) -> dict[str, float]:
    """What AP50 would gain if one kind of error were mended: TIDE's ΔAP, under TIDE's names (`isomer.mistakes`)."""
    run = _evaluator(COCO(split.to_coco()), _known(split, results))
    run.evaluate()
    return run.tide_errors(pos_thr=0.5, bg_thr=0.1)["delta_ap"]


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


def _score_pictures(split: Split, truth: COCO, known: list[dict], score_threshold: float) -> dict[int, Score]:
    """`score_pictures`; matching goes down the scores, so leaving out what is below changes nothing above."""
    matches = _match_pictures(split, truth, [result for result in known if result["score"] > score_threshold])
    return {picture.id: _score(picture, matches[picture.id]) for picture in split.pictures}


def _score(picture: Picture, matches: tuple[Match, ...]) -> Score:
    taken = {match.box for match in matches}
    boxes = [(index, box) for index, box in enumerate(picture.boxes) if not box.crowd]
    return Score(
        right=tuple(match.result for match in matches if match.box is not None),
        wrong=tuple(match.result for match in matches if match.box is None),
        found=tuple(box for index, box in boxes if index in taken),
        missed=tuple(box for index, box in boxes if index not in taken),
    )


def _match_pictures(split: Split, truth: COCO, known: list[dict]) -> dict[int, tuple[Match, ...]]:
    run = _evaluator(truth, known)
    run.params.iou_thrs = [0.5]
    run.params.area_rng = [run.params.area_rng[ALL_AREAS]]
    run.params.area_rng_lbl = [run.params.area_rng_lbl[ALL_AREAS]]
    run.evaluate()
    # no errors in the labels are looked for; COCOeval names both by numbers from 1 in the order in which it got them
    seen = run.image_diagnostics(iou_thr=0.5, score_thr=2.0)
    places = (index for picture in split.pictures for index in range(len(picture.boxes)))
    boxes = dict(enumerate(places, start=1))
    matches: dict[int, list[Match]] = {picture.id: [] for picture in split.pictures}
    # a crowd, and what lies in one, has no status
    for number, result in enumerate(known, start=1):
        if number in seen["dt_status"]:
            matches[result["image_id"]].append(Match(result, boxes.get(seen["dt_match"].get(number))))
    return {
        image_id: tuple(sorted(found, key=lambda match: -match.result["score"])) for image_id, found in matches.items()
    }


def _confusion(split: Split, scores: dict[int, Score], right: Counter[int]) -> list[tuple[str | None, str | None, int]]:
    """`Metrics.confusion`: what is right stands; what is left over is matched at IoU 0.5 whatever its class."""
    left = replace(
        split, pictures=tuple(replace(picture, boxes=scores[picture.id].missed) for picture in split.pictures)
    )
    wrong = [result for score in scores.values() for result in score.wrong]
    counts = _evaluator(COCO(left.to_coco()), wrong).confusion_matrix(iou_thr=0.5, max_det=max(len(wrong), 1))["matrix"]
    names = (*split.classes, None)
    found = {(names[row], names[column]): int(counts[row, column]) for row, column in np.argwhere(counts)}
    found |= {(name, name): right[category] for category, name in enumerate(split.classes, start=1) if right[category]}
    return [(*pair, count) for pair, count in found.items()]


def _known(split: Split, results: list[dict]) -> list[dict]:
    """The results of classes that the split knows; hotcoco would say on stderr what it leaves out.

    Raises:
        ValueError: a result names a picture that is not in the split.
    """
    strangers = {result["image_id"] for result in results} - {picture.id for picture in split.pictures}
    if strangers:
        raise ValueError(f"results name pictures that the {split.name} split does not have: {sorted(strangers)[:5]}")
    last = len(split.classes)
    return [result for result in results if 1 <= result["category_id"] <= last]


def _evaluator(truth: COCO, results: list[dict]) -> COCOeval:
    made = COCOeval(truth, truth.load_res(results), "bbox")
    made.params.max_dets = [MOST_DETECTIONS]
    return made


def _precision_recall(truth: COCO, known: list[dict]) -> tuple[np.ndarray, np.ndarray]:
    """Precision [IoU, recall, class, area] and recall [IoU, class, area]; -1 where there is no ground truth."""
    run = _evaluator(truth, known)
    run.evaluate()
    run.accumulate()
    found = run.eval
    return found["precision"][..., 0], found["recall"][..., 0]


def _mean(values: np.ndarray) -> float | None:
    """The mean of what is defined; COCOeval says -1 for what is not."""
    defined = values[values > -1]
    return float(defined.mean()) if defined.size else None
