"""The training step: its loss is the Model Garden's, however the step is divided; nothing learns from no numbers."""

from __future__ import annotations

import time

import losses
import numpy as np
import pytest
import schedule
import tensorflow as tf
import tf_keras
from architectures import ARCHITECTURES
from learner import NOT_FINITE, Learner
from model import Core, Task
from official.core.config_definitions import ExperimentConfig
from recipe import Recipe

from isomer.flags import Train
from isomer.training import Plan

SIZE, BATCH, CLASSES = 96, 4, 3
PLAN = Plan(pictures=4, batch=BATCH, steps=10, eval_steps=(10,))
LIGHT = ARCHITECTURES["retinanet_mobilenet_v2_fpnlite"]


@pytest.fixture(scope="module")
def task() -> Task:
    return Task(LIGHT, SIZE, CLASSES, Recipe())


@pytest.fixture(scope="module")
def batch(task):
    random = np.random.default_rng(0)
    images = tf.constant(random.normal(size=(BATCH, SIZE, SIZE, 3)), tf.float32)
    targets = []
    for number in range(BATCH):
        # as many boxes as the picture's number: the first has none
        corner = random.uniform(0, 0.5, (number, 2))
        boxes = np.concatenate([corner, corner + random.uniform(0.2, 0.5, (number, 2))], axis=1).astype(np.float32)
        classes = random.integers(1, CLASSES + 1, number).astype(np.int32)
        targets.append(task.anchors.assign(tf.constant(boxes), tf.constant(classes)))
    return images, tuple(tf.stack(one) for one in zip(*targets, strict=True))


def learner(task: Task, batch, accumulate: int) -> Learner:
    """One that starts from the same weights each time, with frozen batch norms; a step is a plain descent."""
    tf_keras.utils.set_random_seed(0)
    core = Core(task)
    for layer in core.model.submodules:
        if isinstance(layer, tf_keras.layers.BatchNormalization):
            layer.trainable = False
    trainer = schedule.configure(PLAN, Recipe(), Train())
    stream = tf.data.Dataset.from_tensors(batch).repeat()
    config = ExperimentConfig(task=task.task_config, trainer=trainer)
    return Learner(config, task, core.model, tf_keras.optimizers.legacy.SGD(1e-3), stream, accumulate)


def test_the_loss_and_its_gradients_are_the_model_gardens(task, batch):
    images, (classes, deltas) = batch
    # a trained detector's logits and deltas are as far apart as these: small, large, right and wrong
    outputs = tf.nest.map_structure(lambda one: 6 * one, learner(task, batch, 1).model(images, training=True))
    positive = tf.cast(classes >= 0, tf.float32)
    labels = {
        "cls_targets": {"3": classes},
        "box_targets": {"3": deltas},
        "cls_weights": tf.ones_like(positive),
        "box_weights": positive,
    }
    # one level that holds all anchors, as flattening leaves them
    labels["cls_targets"]["3"] = classes[:, :, None, None]
    labels["box_targets"]["3"] = deltas[:, :, None, :]
    divisor = losses.count_positives(classes) + 1
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(outputs)
        total, class_loss, box_loss, _ = task.build_losses(outputs, labels)
        found = losses.parts(task.task_config, outputs, (classes, deltas)) / divisor
    weight = task.task_config.losses.box_loss_weight
    np.testing.assert_allclose(found, [class_loss, weight * box_loss], rtol=1e-5)
    np.testing.assert_allclose(tf.reduce_sum(found), total, rtol=1e-5)
    gradients = [tf.nest.flatten(tape.gradient(one, outputs)) for one in (found, total)]
    for ours, theirs in zip(*gradients, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-7)


def test_a_divided_step_is_the_same_step(task, batch):
    whole, divided = learner(task, batch, 1), learner(task, batch, 2)
    for one in (whole, divided):
        one.train(tf.constant(2))
    np.testing.assert_allclose(whole.report, divided.report, rtol=1e-5)
    for a, b in zip(whole.model.trainable_variables, divided.model.trainable_variables, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_no_weight_changes_when_the_loss_is_no_number(task, batch):
    images, targets = batch
    one = learner(task, (tf.where(tf.range(BATCH)[:, None, None, None] == 1, np.nan, images), targets), 1)
    before = [variable.numpy() for variable in one.model.variables]
    with pytest.raises(tf.errors.InvalidArgumentError, match=NOT_FINITE):
        one.train(tf.constant(3))
    assert int(one.global_step) == 0
    trainable = {variable.ref() for variable in one.model.trainable_variables}
    for variable, value in zip(one.model.variables, before, strict=True):
        if variable.ref() in trainable:
            np.testing.assert_array_equal(variable, value)


def test_waiting_for_pictures_is_measured(task, batch, monkeypatch):
    monkeypatch.setattr(Learner, "_step", lambda one, _: one.global_step.assign_add(1))
    slow = learner(task, batch, 1)

    def late(number):
        tf.py_function(lambda: time.sleep(0.3), [], [])
        return number

    slow._train_dataset = tf.data.Dataset.range(9).map(late)
    slow.train(tf.constant(5))
    assert 0.8 < float(slow.waited) < 3
