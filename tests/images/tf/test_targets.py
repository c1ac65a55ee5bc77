"""Anchors' targets against the Model Garden's own labeler."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from architectures import ARCHITECTURES
from official.vision.ops.anchor import AnchorLabeler
from targets import NOTHING, Anchors


@pytest.fixture(scope="module", params=["retinanet_mobilenet_v2_fpnlite", "retinanet_resnet50_fpn"])
def anchors(request):
    return Anchors(ARCHITECTURES[request.param], 128)


def random_boxes(count: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(count)
    centres, sides = random.uniform(0, 1, (count, 2)), random.uniform(0.01, 0.9, (count, 2))
    boxes = np.clip(np.concatenate([centres - sides / 2, centres + sides / 2], axis=1), 0, 1).astype(np.float32)
    return boxes, random.integers(1, 9, count).astype(np.int32)


@pytest.mark.parametrize("count", [0, 1, 2, 7, 60])
def test_as_the_model_garden_says(anchors, count):
    boxes, classes = random_boxes(count)
    found_classes, found_deltas = (one.numpy() for one in anchors.assign(tf.constant(boxes), tf.constant(classes)))
    labeler = AnchorLabeler(0.5, 0.5)
    wanted_classes, wanted_deltas, _, class_weights, box_weights = labeler.label_anchors(
        anchors.levels, tf.constant(boxes * 128), tf.constant(classes)[:, None]
    )
    wanted = np.concatenate([level.numpy().ravel() for level in wanted_classes.values()])
    np.testing.assert_array_equal(found_classes, wanted)
    positive = box_weights.numpy() > 0
    np.testing.assert_array_equal(found_classes != NOTHING, positive)
    deltas = np.concatenate([level.numpy().reshape(-1, 4) for level in wanted_deltas.values()])
    np.testing.assert_allclose(found_deltas[positive], deltas[positive], atol=1e-5)
    assert (found_deltas[~positive] == 0).all()
    assert (class_weights.numpy() == 1).all()  # there is none between right and wrong to be ignored


def test_the_same_box_twice_is_the_firsts(anchors):
    boxes = tf.constant([[0.2, 0.2, 0.6, 0.6]] * 2)
    classes, _ = anchors.assign(boxes, tf.constant([5, 6]))
    assert set(classes.numpy()) == {NOTHING, 5}
