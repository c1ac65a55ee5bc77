"""The evaluator against figures worked out by hand."""

import json
from pathlib import Path

import numpy as np
import pytest

from isomer.dataset.canonical import Box, Picture, Split
from isomer.evaluation import Agreement, Score, agreement, evaluate, precision_recall, score_pictures

CLASSES = ("cat", "dog", "owl")


def split(*boxes: tuple[Box, ...]) -> Split:
    """A split of 200x200 pictures, numbered from 1, with these boxes."""
    pictures = tuple(Picture(n, f"{n}.png", 200, 200, tuple(of)) for n, of in enumerate(boxes, start=1))
    return Split("test", Path("nowhere"), CLASSES, pictures)


def result(image_id: int, category_id: int, score: float, *bbox: float) -> dict:
    return {"image_id": image_id, "category_id": category_id, "score": score, "bbox": list(bbox)}


TWO_CATS = split((Box(1, 10, 10, 20, 20),), (Box(1, 100, 100, 50, 50),))


def test_known_truth():
    results = [
        result(1, 1, 0.9, 10, 10, 20, 20),  # a hit at IoU 1
        result(2, 1, 0.8, 0, 0, 50, 50),  # a miss
        result(2, 1, 0.7, 100, 100, 50, 32.5),  # a hit at IoU 0.65: counts up to IoU 0.65, four of ten
    ]
    metrics = evaluate(TWO_CATS, results, score_threshold=0.75)
    # recall 0 to 0.5 (51 of 101 places) at precision 1, the other 50 at 2/3, where the second cat is found at all
    with_both = (51 + 50 * 2 / 3) / 101
    assert (metrics.AP50, metrics.AP75) == pytest.approx((with_both, 51 / 101))
    assert metrics.mAP == pytest.approx((4 * with_both + 6 * 51 / 101) / 10)
    assert metrics.AR == pytest.approx((4 * 1 + 6 * 0.5) / 10)
    assert metrics.by_size["large"] is None
    assert metrics.by_size["small"] == pytest.approx(1)
    assert (metrics.precision, metrics.recall, metrics.F1) == (0.5, 0.5, 0.5)
    assert (metrics.images, metrics.boxes, metrics.detections) == (2, 2, 3)
    assert metrics.per_class["cat"].AP50 == metrics.AP50
    assert metrics.per_class["dog"].AP50 is None
    assert evaluate(TWO_CATS, results, score_threshold=0.5).precision == pytest.approx(2 / 3)


def test_curve_is_the_one_the_ap_is_the_mean_of():
    results = [result(1, 1, 0.9, 10, 10, 20, 20), result(2, 1, 0.8, 0, 0, 50, 50), result(2, 1, 0.7, 100, 100, 50, 50)]
    curves = precision_recall(TWO_CATS, results)
    assert list(curves) == ["cat"]
    assert curves["cat"][:51] == pytest.approx([1.0] * 51)
    assert curves["cat"][51:] == pytest.approx([2 / 3] * 50)
    assert sum(curves["cat"]) / 101 == pytest.approx(evaluate(TWO_CATS, results).AP50)


def test_no_detections():
    metrics = evaluate(TWO_CATS, [])
    assert (metrics.mAP, metrics.recall, metrics.F1) == (0, 0, 0)
    assert metrics.precision is None


def test_no_ground_truth():
    metrics = evaluate(split((), ()), [result(1, 1, 0.9, 0, 0, 9, 9)])
    assert metrics.mAP is metrics.AP50 is metrics.recall is None
    assert metrics.precision == 0


def test_crowd_neither_counts_nor_is_missed():
    crowded = split((Box(1, 10, 10, 20, 20), Box(1, 100, 100, 90, 90, crowd=True)))
    metrics = evaluate(crowded, [result(1, 1, 0.8, 10, 10, 20, 20), result(1, 1, 0.9, 110, 110, 30, 30)])
    assert (metrics.AP50, metrics.precision, metrics.recall, metrics.boxes) == pytest.approx((1, 1, 1, 1))


def test_unknown_class_is_left_out_and_unknown_picture_is_an_error():
    assert evaluate(TWO_CATS, [result(1, 4, 0.9, 10, 10, 20, 20)]).AP50 == 0
    with pytest.raises(ValueError, match="test split does not have: \\[7\\]"):
        evaluate(TWO_CATS, [result(7, 1, 0.9, 10, 10, 20, 20)])


def test_json_without_nan_and_without_a_word(capfd):
    for boxes in ((), (Box(2, 0, 0, 5, 5),)):
        metrics = evaluate(split(boxes), [])
        assert json.loads(json.dumps(metrics.to_json(), allow_nan=False))["per_class"]["dog"]["boxes"] == len(boxes)
    assert capfd.readouterr() == ("", "")


def test_pictures_are_scored_one_by_one():
    results = [
        result(1, 1, 0.9, 10, 10, 20, 20),
        result(1, 1, 0.8, 11, 10, 20, 20),  # the same cat again
        result(1, 1, 0.1, 50, 50, 20, 20),  # below the threshold
        result(2, 2, 0.9, 100, 100, 50, 50),  # a cat called a dog
    ]
    cat, other_cat = Box(1, 10, 10, 20, 20), Box(1, 100, 100, 50, 50)
    scores = score_pictures(split((cat,), (other_cat,), ()), results)
    assert scores == {
        1: Score(right=(results[0],), wrong=(results[1],), found=(cat,)),
        2: Score(wrong=(results[3],), missed=(other_cat,)),
        3: Score(),
    }
    assert [score.at_threshold.F1 for score in scores.values()] == [pytest.approx(2 / 3), 0, None]


def test_agreement_counts_what_both_found():
    first = [result(1, 1, 0.9, 10, 10, 20, 20), result(2, 2, 0.9, 50, 50, 30, 30), result(2, 3, 0.2, 0, 0, 9, 9)]
    second = [result(1, 1, 0.4, 12, 10, 20, 20), result(2, 1, 0.9, 50, 50, 30, 30), result(2, 2, 0.9, 0, 0, 30, 30)]
    assert agreement(TWO_CATS, first, second) == Agreement(both=1, only_first=1, only_second=2)
    assert agreement(TWO_CATS, second, first) == Agreement(both=1, only_first=2, only_second=1)
    assert agreement(TWO_CATS, [], []) == Agreement(0, 0, 0)


def test_confusion():
    cat, dog = Box(1, 10, 10, 20, 20), Box(2, 100, 100, 50, 50)
    results = [
        result(1, 2, 0.9, 11, 10, 20, 20),  # a dog where a cat is, which is found too
        result(1, 1, 0.8, 10, 10, 20, 20),
        result(1, 3, 0.7, 100, 100, 50, 50),  # an owl where a dog is
        result(2, 1, 0.6, 0, 0, 50, 50),  # a cat out of nothing
        result(3, 2, 0.2, 10, 10, 20, 20),  # below the threshold
        result(4, 1, 0.9, 110, 110, 30, 30),  # in a crowd: counts as nothing
    ]
    crowd = Box(1, 100, 100, 90, 90, crowd=True)
    metrics = evaluate(split((cat, dog), (), (cat,), (crowd,)), results, score_threshold=0.5)
    assert sorted(metrics.confusion, key=str) == [
        ("cat", "cat", 1),
        ("cat", None, 1),
        ("dog", "owl", 1),
        (None, "cat", 1),
        (None, "dog", 1),
    ]


def test_confusion_adds_up():
    """Of every class as many boxes as there are, as many finds as are shown, and the right ones in between."""
    rng = np.random.default_rng(0)

    def box() -> list[float]:
        return [*rng.uniform(0, 100, 2), *rng.uniform(20, 60, 2)]

    pictures = [[Box(int(rng.integers(1, 4)), *box()) for _ in range(6)] for _ in range(30)]
    results = [
        result(number, int(rng.integers(1, 4)), float(rng.random()), *(box_.x, box_.y, box_.width, box_.height))
        for number, boxes in enumerate(pictures, 1)
        for box_ in [*boxes, *boxes]
    ]
    metrics = evaluate(split(*pictures), results, score_threshold=0.3)
    shown = [item for item in results if item["score"] > 0.3]
    for category, name in enumerate(CLASSES, 1):
        rows = sum(count for truth, _, count in metrics.confusion if truth == name)
        columns = sum(count for _, found, count in metrics.confusion if found == name)
        right = sum(count for truth, found, count in metrics.confusion if truth == found == name)
        assert rows == metrics.per_class[name].boxes
        assert columns == sum(item["category_id"] == category for item in shown)
        assert right / columns == pytest.approx(metrics.per_class[name].precision)
