"""Learning rates over a run."""

from __future__ import annotations

import pytest
import recipe
from recipe import Recipe

from isomer import catalogue
from isomer.flags import Train


@pytest.mark.parametrize("schedule", ["cosine", "step", "constant"])
def test_rises_in_a_line_to_the_peak(schedule):
    numbers = Recipe(1.0, warmup=0.1)
    rising = [numbers.factor(schedule, 100, step) for step in range(11)]
    assert rising == pytest.approx([(step + 1) / 11 for step in range(11)])


def test_falls_as_its_schedule_says():
    numbers = Recipe(1.0, warmup=0.1)
    cosine = [numbers.factor("cosine", 100, step) for step in range(10, 100)]
    assert cosine == sorted(cosine, reverse=True)
    assert numbers.factor("cosine", 100, 55) == pytest.approx(0.5)
    assert 0 < cosine[-1] < 0.001
    step = [numbers.factor("step", 90, step) for step in (9, 59, 60, 79, 80, 89)]
    assert step == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])
    assert {numbers.factor("constant", 100, step) for step in range(10, 100)} == {1.0}
    assert Recipe(1.0, warmup=0).factor("cosine", 10, 0) == 1


def test_every_model_has_learning_rates_and_pretrained_weights_are_not_spoilt(scripts):
    assert recipe.PEAKS.keys() == catalogue.load(scripts).keys()
    for name in recipe.PEAKS:
        scratch, tuned = (recipe.of(Train(model=name, weights=weights)).lr for weights in ("none", "coco"))
        assert 0 < tuned < scratch


def test_flags_beat_the_recipe():
    numbers = recipe.of(Train(lr=0.25, warmup=0.0, model="ssdlite320_mobilenet_v3_large", weights="none"))
    assert (numbers.lr, numbers.warmup, numbers.weight_decay) == (0.25, 0.0, Recipe(1.0).weight_decay)
