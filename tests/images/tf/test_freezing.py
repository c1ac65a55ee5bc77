"""What --freeze holds still, and what it does not."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from architectures import ARCHITECTURES
from freezing import freeze, stages
from model import Core, Task
from recipe import Recipe
from tensors import variables

NAMES = ("retinanet_mobilenet_v2_fpnlite", "retinanet_resnet50_fpn", "retinanet_spinenet49_mobile")
SIDE = 128


def detector(name: str, size: int = SIDE) -> tf_keras.Model:
    return Core(Task(ARCHITECTURES[name], size, 1, Recipe())).model


def train_a_step(model: tf_keras.Model) -> None:
    images = tf.random.stateless_normal([2, SIDE, SIDE, 3], [0, 1])
    with tf.GradientTape() as tape:
        outputs = model(images, training=True)
        loss = tf.add_n([tf.reduce_sum(value**2) for part in outputs.values() for value in part.values()])
    weights = model.trainable_variables
    for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
        weight.assign_sub(1e-3 * tf.math.l2_normalize(gradient) + 1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_frozen_stages_stay_as_they_are_in_training(name):
    model = detector(name)
    freeze(model, "2")
    held = {id(weight) for stage in stages(model.backbone)[:2] for layer in stage for weight in layer.weights}
    before = {key: weight.numpy() for key, weight in variables(model).items()}
    train_a_step(model)
    for key, weight in variables(model).items():
        assert np.array_equal(before[key], weight) == (id(weight) in held), key


@pytest.mark.parametrize("name", NAMES)
def test_the_backbone_is_all_its_stages(name):
    model = detector(name)
    layers = [layer for stage in stages(model.backbone) for layer in stage]
    assert sorted(layer.name for layer in layers) == sorted(
        layer.name for layer in model.backbone.layers if layer.weights
    )
    others = len(model.trainable_variables) - len(model.backbone.trainable_variables)
    freeze(model, "backbone")
    assert model.backbone.trainable_variables == []
    assert len(model.trainable_variables) == others > 0


def test_frozen_norms_stay_while_all_else_learns():
    model = detector(NAMES[0])
    freeze(model, "norms")
    norms = [one for one in model.submodules if isinstance(one, tf_keras.layers.BatchNormalization)]
    held = {id(weight) for norm in norms for weight in norm.weights}
    before = {key: weight.numpy() for key, weight in variables(model).items()}
    train_a_step(model)
    for key, weight in variables(model).items():
        assert np.array_equal(before[key], weight) == (id(weight) in held), key


def test_nothing_is_frozen_unless_it_is_asked_for():
    model = detector(NAMES[0])
    count = len(model.trainable_variables)
    freeze(model, None)
    assert len(model.trainable_variables) == count


@pytest.mark.parametrize("size", [96, 101, 333])
def test_stages_do_not_depend_on_the_size(size):
    numbers = [[len(stage) for stage in stages(detector(NAMES[0], one).backbone)] for one in (size, 320)]
    assert numbers[0] == numbers[1]
