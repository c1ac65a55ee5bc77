"""What is wrong with a detection: TIDE's kinds of error (Bolya et al. 2020, https://arxiv.org/abs/2008.08115).

Every detection gets one kind, by its IoU with the picture's boxes: 0.5 is a find, below 0.1 there is nothing.

    right                         it found a box of its class that no better detection had found
    poorly placed                 0.1 to 0.5 with a box of its class (TIDE: Loc)
    wrong class                   at least 0.5 with a box of another class (Cls)
    duplicate                     at least 0.5 with a box of its class that a better detection had found (Dupe)
    background                    at most 0.1 with any box (Bkg)
    wrong class, poorly placed    0.1 to 0.5 with a box of another class (Both)

A box is found, or only hinted at by a detection of wrong class or poorly placed, or missed (Miss). Which kind a
detection is depends on better ones only, so a score threshold hides detections and changes no kind: one judgement
serves every threshold.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from isomer.contract import Thresholds
from isomer.dataset.canonical import Box, Picture, Split
from isomer.evaluation import Match, match_pictures, tide_gains

RIGHT, WRONG_CLASS, POORLY_PLACED, BOTH, DUPLICATE, BACKGROUND = KINDS = (
    "right",
    "wrong class",
    "poorly placed",
    "wrong class, poorly placed",
    "duplicate",
    "background",
)
MISSED = "missed"
MISTAKES = (MISSED, *KINDS[1:])
HINTS = (WRONG_CLASS, POORLY_PLACED)  # mended, such a detection would have found the box
FOUND, NOTHING = 0.5, 0.1  # IoU
TIDE = {
    MISSED: "Miss",
    WRONG_CLASS: "Cls",
    POORLY_PLACED: "Loc",
    BOTH: "Both",
    DUPLICATE: "Dupe",
    BACKGROUND: "Bkg",
}


@dataclass(frozen=True)
class Judged:
    """A detection (a COCO result), its kind, and the index of its picture's box that it is about, if there is one."""

    result: dict
    kind: str
    box: int | None


def judge(split: Split, results: list[dict]) -> dict[int, tuple[Judged, ...]]:
    """Every detection's kind, by picture id, best first.

    Left out are unknown classes, what lies in a crowd, and more than 100 detections of a picture and class.

    Args:
        results: COCO results, of any score.

    Raises:
        ValueError: a result names a picture that is not in the split, or its score is NaN.
    """
    matches = match_pictures(split, results)
    return {picture.id: _judge(picture, matches[picture.id]) for picture in split.pictures}


def reached(picture: Picture, judged: tuple[Judged, ...]) -> list[tuple[float, float]]:
    """How sure each box of a picture was found, and hinted at: the best such detection's score, 0 for none.

    At a score threshold a box is found if the first is above it, missed if neither is. A crowd's are infinite.
    """
    scores = [[np.inf if box.crowd else 0.0] * 2 for box in picture.boxes]
    for one in judged:
        if one.box is not None and one.kind in (RIGHT, *HINTS):
            place = scores[one.box]
            which = 0 if one.kind == RIGHT else 1
            place[which] = max(place[which], one.result["score"])
    return [tuple(pair) for pair in scores]


def count(
    split: Split, judged: dict[int, tuple[Judged, ...]], score_threshold: float = Thresholds.score
) -> dict[str, int]:
    """How many there are of each of `KINDS` and of `MISSED` with scores above a threshold."""
    counts = Counter(one.kind for found in judged.values() for one in found if one.result["score"] > score_threshold)
    missed = sum(
        max(scores) <= score_threshold for picture in split.pictures for scores in reached(picture, judged[picture.id])
    )
    return {kind: counts[kind] for kind in KINDS} | {MISSED: missed}


def gains(split: Split, results: list[dict]) -> dict[str, float]:
    """What AP50 would gain if all of one of `MISTAKES` were mended, each for itself (TIDE's ΔAP); not to be summed.

    Mended means: of the right class or place, or if that finds nothing new, and for the other kinds, left out; a missed
    box is one less to be found. A class of which nothing is found gains nothing: without its boxes it has no AP.

    Args:
        results: COCO results, down to low scores.
    """
    found = tide_gains(split, results)
    return {kind: found[TIDE[kind]] for kind in MISTAKES}


def _judge(picture: Picture, matches: tuple[Match, ...]) -> tuple[Judged, ...]:
    usable = [index for index, box in enumerate(picture.boxes) if not box.crowd]
    if not usable or not matches:
        return tuple(Judged(match.result, BACKGROUND, None) for match in matches)
    boxes = [picture.boxes[index] for index in usable]
    overlaps = iou([match.result["bbox"] for match in matches], [_edges(box) for box in boxes])
    categories = np.array([match.result["category_id"] for match in matches])
    same = categories[:, None] == np.array([box.category for box in boxes])
    # the place, best first, of the detection that found each box
    finders = {match.box: place for place, match in enumerate(matches) if match.box is not None}
    found_at = np.array([finders.get(index, len(matches)) for index in usable])
    taken = found_at < np.arange(len(matches))[:, None]
    judged = []
    for match, kind, place in zip(matches, *_kinds(overlaps, same, taken), strict=True):
        if match.box is not None:
            judged.append(Judged(match.result, RIGHT, match.box))
        else:
            judged.append(Judged(match.result, kind, usable[place] if kind != BACKGROUND else None))
    return tuple(judged)


def _kinds(overlaps: np.ndarray, same: np.ndarray, taken: np.ndarray) -> tuple[list[str], list[int]]:
    """The kinds of detections that are not right, tested in TIDE's order, and the boxes that they are about.

    All [detections, boxes]. same: of one class; taken: a better detection had found the box.
    """
    of_class, of_others = np.where(same, overlaps, 0), np.where(same, 0, overlaps)
    of_taken = np.where(taken, of_class, 0)
    best = of_class.max(axis=1)
    tests = [
        (best >= NOTHING) & (best <= FOUND),
        of_others.max(axis=1) >= FOUND,
        of_taken.max(axis=1) >= FOUND,
        overlaps.max(axis=1) <= NOTHING,
    ]
    kinds = np.select(tests, [POORLY_PLACED, WRONG_CLASS, DUPLICATE, BACKGROUND], BOTH)
    places = [table.argmax(axis=1) for table in (of_class, of_others, of_taken, overlaps)]
    return kinds.tolist(), np.select(tests, places, places[-1]).tolist()


def _edges(box: Box) -> tuple[float, float, float, float]:
    return box.x, box.y, box.width, box.height


def iou(first: list, second: list) -> np.ndarray:
    """IoU of each box with each other one, [n, m]; boxes are x, y, width, height in pixels."""
    one = np.asarray(first, float).reshape(-1, 1, 4)
    other = np.asarray(second, float).reshape(1, -1, 4)
    low = np.maximum(one[..., :2], other[..., :2])
    high = np.minimum(one[..., :2] + one[..., 2:], other[..., :2] + other[..., 2:])
    shared = np.clip(high - low, 0, None).prod(axis=-1)
    whole = one[..., 2:].prod(axis=-1) + other[..., 2:].prod(axis=-1) - shared
    return np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)
