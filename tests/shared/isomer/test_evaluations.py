"""What evaluate works out besides the metrics: the best threshold, means over known classes, the worst pictures."""

from __future__ import annotations

import numpy as np
import pytest

from isomer import class_names, evaluations, mistakes
from isomer.dataset.canonical import Box, Picture, Split
from isomer.evaluation import evaluate


def split_of(*pictures: tuple[Box, ...]) -> Split:
    made = tuple(Picture(number, f"{number}.jpg", 100, 100, boxes) for number, boxes in enumerate(pictures, start=1))
    return Split("test", None, ("cat", "dog"), made)


def found(image: int, category: int, score: float, *bbox: float) -> dict:
    return {"image_id": image, "category_id": category, "score": score, "bbox": list(bbox)}


@pytest.mark.parametrize("seed", range(4))
def test_no_other_threshold_is_better(seed):
    random = np.random.default_rng(seed)
    boxes = [tuple(Box(1, *random.uniform(0, 70, 2), 20, 20) for _ in range(3)) for _ in range(15)]
    split = split_of(*boxes)
    results = [
        found(number, 1, round(float(random.random()), 1), box.x + random.normal(0, 4), box.y, 20, 20)
        for number, some in enumerate(boxes, start=1)
        for box in some
        for _ in range(2)
    ]
    best = evaluations.best_threshold(split, mistakes.judge(split, results))
    every = {score: evaluate(split, results, score).F1 for score in np.arange(0, 1, 0.05)}
    assert best["F1"] == pytest.approx(max(every.values()))
    assert evaluate(split, results, best["score"]).F1 == pytest.approx(best["F1"])


def test_nothing_right_has_no_best_threshold():
    split = split_of((Box(1, 0, 0, 20, 20),))
    assert evaluations.best_threshold(split, mistakes.judge(split, [])) is None
    assert evaluations.best_threshold(split_of(()), {1: ()}) is None


def test_worst_pictures_first_and_good_ones_not_at_all():
    cat = Box(1, 0, 0, 20, 20)
    split = split_of((cat,), (cat, Box(1, 50, 50, 20, 20)), (cat,), ())
    results = [found(number, 1, 0.9, 0, 0, 20, 20) for number in (1, 2)]
    names = class_names.match(("cat",), split.classes, {})
    one = evaluations.measure({"name": "one"}, names, split, results, 0.5)
    assert [(item["file_name"], item["mistakes"]) for item in one.worst] == [("3.jpg", 1), ("2.jpg", 1)]
    assert one.known == {"mAP": pytest.approx(0.5, abs=0.01), "AP50": pytest.approx(0.5, abs=0.01), "AR": 0.5}
    assert one.to_json()["mistakes"]["counts"]["missed"] == 2
