"""Kinds of error: cases made by hand, and hotcoco's own counts of TIDE's errors as the second opinion."""

from __future__ import annotations

import numpy as np
import pytest
from hotcoco import COCO, COCOeval

from isomer import mistakes
from isomer.dataset.canonical import Box, Picture, Split
from isomer.mistakes import BACKGROUND, BOTH, DUPLICATE, KINDS, MISSED, POORLY_PLACED, RIGHT, WRONG_CLASS

TIDE = {"Cls": WRONG_CLASS, "Loc": POORLY_PLACED, "Both": BOTH, "Dupe": DUPLICATE, "Bkg": BACKGROUND, "Miss": MISSED}


def split_of(*pictures: tuple[Box, ...], classes: tuple[str, ...] = ("cat", "dog")) -> Split:
    made = tuple(Picture(number, f"{number}.jpg", 100, 100, boxes) for number, boxes in enumerate(pictures, start=1))
    return Split("test", None, classes, made)


def found(category: int, score: float, *bbox: float, image: int = 1) -> dict:
    return {"image_id": image, "category_id": category, "score": score, "bbox": list(bbox)}


@pytest.mark.parametrize(
    ("result", "kind", "box"),
    [
        (found(1, 0.5, 11, 11, 20, 20), DUPLICATE, 0),
        (found(1, 0.5, 22, 10, 20, 20), POORLY_PLACED, 0),
        (found(2, 0.5, 11, 11, 20, 20), WRONG_CLASS, 0),
        (found(2, 0.5, 22, 10, 20, 20), BOTH, 0),
        (found(1, 0.5, 60, 60, 20, 20), BACKGROUND, None),
        (found(1, 0.95, 11, 11, 20, 20), RIGHT, 0),
    ],
)
def test_one_detection_beside_a_right_one(result, kind, box):
    split = split_of((Box(1, 10, 10, 20, 20),))
    judged = mistakes.judge(split, [found(1, 0.9, 10, 10, 20, 20), result])
    (one,) = [one for one in judged[1] if one.result is result]
    assert (one.kind, one.box) == (kind, box)


def test_a_box_is_found_hinted_at_or_missed_as_the_threshold_says():
    split = split_of((Box(1, 0, 0, 20, 20), Box(1, 40, 40, 20, 20), Box(2, 70, 70, 20, 20), Box(1, 70, 0, 9, 9, True)))
    results = [found(1, 0.8, 0, 0, 20, 20), found(2, 0.5, 40, 40, 20, 20)]
    judged = mistakes.judge(split, results)
    assert mistakes.reached(split.pictures[0], judged[1]) == [(0.8, 0), (0, 0.5), (0, 0), (np.inf, np.inf)]
    assert [mistakes.count(split, judged, at)[MISSED] for at in (0.3, 0.6, 0.9)] == [1, 2, 3]
    assert mistakes.count(split, judged, 0.6) == dict.fromkeys(KINDS, 0) | {RIGHT: 1, MISSED: 2}


def test_nothing_to_find_and_nothing_found():
    split = split_of((), (Box(1, 0, 0, 9, 9),))
    judged = mistakes.judge(split, [found(1, 0.9, 0, 0, 9, 9)])
    assert [one.kind for one in judged[1]] == [BACKGROUND]
    assert mistakes.count(split, judged)[MISSED] == 1


@pytest.mark.parametrize("seed", range(5))
def test_counts_are_those_of_another_implementation(seed):
    rng = np.random.default_rng(seed)
    pictures, results = [], []
    for number in range(1, 30):
        boxes = tuple(Box(int(rng.integers(1, 4)), *rng.uniform(0, 60, 2), *rng.uniform(10, 40, 2)) for _ in range(4))
        pictures.append(boxes)
        for box in boxes:
            near = np.array([box.x, box.y, box.width, box.height]) + rng.normal(0, 6, (3, 4))
            classes = rng.choice([box.category, box.category, 1], 3)
            for bbox, category in zip(near, classes, strict=True):
                results.append(found(int(category), rng.random(), *np.maximum(bbox, 2), image=number))
    split = split_of(*pictures, classes=("a", "b", "c"))
    truth = COCO(split.to_coco())
    run = COCOeval(truth, truth.load_res(results), "bbox")
    run.evaluate()
    wanted = run.tide_errors(pos_thr=0.5, bg_thr=0.1)["counts"]
    counts = mistakes.count(split, mistakes.judge(split, results), 0.0)
    assert {kind: counts[kind] for kind in TIDE.values()} == {TIDE[name]: value for name, value in wanted.items()}
    assert counts[DUPLICATE] and counts[BOTH], "the made-up detections hold every kind"


def test_gains_are_those_of_the_authors_own_program():
    """What tidecv 1.0.1 says of the same boxes (https://github.com/dbolya/tide), in fractions."""
    rng = np.random.default_rng(1)
    pictures, results = [], []
    for number in range(1, 41):
        boxes = tuple(Box(int(rng.integers(1, 4)), *rng.uniform(0, 60, 2), *rng.uniform(10, 40, 2)) for _ in range(4))
        pictures.append(boxes)
        for box in boxes:
            if rng.random() < 0.2:
                continue
            near = np.array([box.x, box.y, box.width, box.height]) + rng.normal(0, 5, (2, 4))
            for bbox, category in zip(near, rng.choice([box.category, box.category, 1], 2), strict=True):
                results.append(found(int(category), float(rng.random()), *np.maximum(bbox, 2), image=number))
    gains = mistakes.gains(split_of(*pictures, classes=("a", "b", "c")), results)
    assert gains == pytest.approx(
        {
            WRONG_CLASS: 0.02655396963542815,
            POORLY_PLACED: 0.4413101060295507,
            BOTH: 0.010079333410368374,
            DUPLICATE: 0.007510758660220223,
            BACKGROUND: 0.004750532503854074,
            MISSED: 0.03667199312021685,
        }
    )


def test_no_detection_gains_by_nothing_but_what_was_missed():
    split = split_of((Box(1, 0, 0, 20, 20),))
    assert mistakes.gains(split, []) == pytest.approx(dict.fromkeys(mistakes.MISTAKES, 0))
