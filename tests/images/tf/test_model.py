"""The detectors take any size from 96 up, except where it is said, and pad nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf
from architectures import ARCHITECTURES, MIN_LEVEL
from model import Core, Task
from recipe import Recipe

LIGHT = ARCHITECTURES["retinanet_mobilenet_v2_fpnlite"]


@pytest.mark.parametrize(("size", "level"), [(96, 5), (160, 5), (320, 6), (512, 7), (640, 7), (2048, 7)])
def test_levels_follow_from_the_size(size, level):
    assert LIGHT.max_level(size) == level


@pytest.mark.parametrize(("size", "classes"), [(96, 1), (101, 2), (160, 90), (230, 3)])
def test_boxes_and_scores_of_every_anchor(size, classes):
    core = Core(Task(LIGHT, size, classes, Recipe()))
    boxes, scores = core(tf.zeros([2, size, size, 3]))
    levels = range(MIN_LEVEL, LIGHT.max_level(size) + 1)
    per_cell = LIGHT.anchor_scales * len(LIGHT.anchor_ratios)
    anchors = sum(math.ceil(size / 2**level) ** 2 for level in levels) * per_cell
    assert boxes.shape == (2, anchors, 4)
    assert scores.shape == (2, anchors, classes)
    assert np.isfinite(boxes).all()
    assert np.isfinite(scores).all()


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("retinanet_mobilenet_v2_fpn128", 101),
        ("retinanet_resnet50_fpn", 101),
        ("retinanet_spinenet49_mobile", 128),
    ],
)
def test_the_others_go_to_level_7(name, size):
    core = Core(Task(ARCHITECTURES[name], size, 3, Recipe()))
    images = tf.random.stateless_normal([2, size, size, 3], [0, 1])
    boxes, scores = core(images)
    anchors = sum(math.ceil(size / 2**level) ** 2 for level in range(MIN_LEVEL, 8)) * 9
    assert boxes.shape == (2, anchors, 4)
    assert scores.shape == (2, anchors, 3)
    for together, alone in zip((boxes, scores), core(images[:1]), strict=True):
        np.testing.assert_allclose(together[:1], alone, atol=1e-5)


@pytest.mark.parametrize("size", [96, 101, 160, 333])
def test_anchors_cover_the_image_and_no_more(size):
    anchors = Task(LIGHT, size, 1, Recipe()).anchors.levels
    for level, corners in anchors.items():
        cells = math.ceil(size / 2 ** int(level))
        rows, columns, _ = corners.shape
        assert rows == columns == cells
        first = corners.numpy()[:, :, :4]  # one anchor of each cell
        centres = (first[..., :2] + first[..., 2:]) / 2
        expected = (np.arange(cells) + 0.5) * size / cells
        np.testing.assert_allclose(centres[:, 0, 0], expected, rtol=1e-5)
        np.testing.assert_allclose(centres[0, :, 1], expected, rtol=1e-5)


def test_batch_norm_of_the_core_is_not_in_training_mode():
    core = Core(Task(LIGHT, 96, 1, Recipe()))
    images = tf.random.stateless_normal([3, 96, 96, 3], [0, 1])
    together, alone = core(images), core(images[:1])
    for many, one in zip(together, alone, strict=True):
        np.testing.assert_allclose(many[:1], one, atol=1e-5)
