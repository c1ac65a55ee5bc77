"""Learning rates by step, and what the optimizer does, against their formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import schedule
import tensorflow as tf
from model import Task
from official.modeling.optimization import OptimizerFactory
from recipe import Recipe, of

from isomer.flags import Train
from isomer.training import Plan

STEPS = 90
PLAN = Plan(pictures=90, batch=1, steps=STEPS, eval_steps=(STEPS,))


def rates(numbers: Recipe, name: str) -> list[float]:
    config = schedule.configure(PLAN, numbers, Train(schedule=name)).optimizer_config
    rate = OptimizerFactory(config).build_learning_rate()
    return [float(rate(step)) if callable(rate) else rate for step in range(STEPS + 1)]


def test_cosine():
    found = rates(Recipe(lr=0.1, warmup=0.1), "cosine")
    assert found[0] == 0
    assert found[9] == max(found)
    expected = [0.05 * (1 + math.cos(math.pi * step / STEPS)) for step in range(10, STEPS + 1)]
    np.testing.assert_allclose(found[10:], expected, rtol=1e-4, atol=1e-8)
    assert found[-1] < 1e-6


def test_step():
    found = rates(Recipe(lr=0.1, warmup=0.0), "step")
    np.testing.assert_allclose(found[:60], 0.1)
    np.testing.assert_allclose(found[62:80], 0.01, rtol=1e-5)
    np.testing.assert_allclose(found[82:], 0.001, rtol=1e-5)


@pytest.mark.parametrize("warmup", [0.0, 0.1])
def test_constant(warmup):
    found = rates(Recipe(lr=0.1, warmup=warmup), "constant")
    np.testing.assert_allclose(found[round(warmup * STEPS) :], 0.1, rtol=1e-5)
    if warmup:
        np.testing.assert_allclose(found[:9], [0.1 * step / 9 for step in range(9)], atol=1e-6)


def made(options: Train) -> tf.keras.optimizers.Optimizer:
    return Task.create_optimizer(schedule.configure(PLAN, of(options), options).optimizer_config)


def test_weight_decay_shrinks_kernels_only():
    options = Train(weight_decay=0.5, lr=0.1, warmup=0.0, schedule="constant")
    kernel, bias = tf.Variable([1.0], name="head/kernel"), tf.Variable([1.0], name="head/bias")
    made(options).apply_gradients([(tf.zeros([1]), kernel), (tf.zeros([1]), bias)])
    np.testing.assert_allclose(kernel, [1 - 0.1 * 0.5], rtol=1e-6)
    np.testing.assert_allclose(bias, [1.0])


def test_gradients_are_not_cut():
    """The Model Garden's AdamW cuts them to length 1 unless told otherwise."""
    plain, decayed = (tf.Variable([0.0, 0.0], name=name) for name in ("a/bias", "b/bias"))
    gradients = [tf.constant([1000.0, 0.001]), tf.constant([0.5, 0.001])]
    for gradient in gradients:
        for variable, decay in ((plain, 0.0), (decayed, 0.1)):
            if not hasattr(variable, "optimizer"):
                variable.optimizer = made(Train(weight_decay=decay, lr=0.1, warmup=0.0, schedule="constant"))
            variable.optimizer.apply_gradients([(gradient, variable)])
    np.testing.assert_allclose(plain, decayed, rtol=1e-6)


def test_the_average_follows_the_weights():
    options = Train(ema=0.9, lr=0.1, warmup=0.0, schedule="constant")
    optimizer = made(options)
    layer = tf.keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    model = tf.keras.Sequential([layer])
    model.build([None, 1])
    optimizer.shadow_copy(model)
    average = 0.0
    for step in range(1, 30):
        optimizer.apply_gradients([(tf.ones([1, 1]), layer.kernel)])
        decay = min(0.9, (1 + step) / (10 + step))
        average = decay * average + (1 - decay) * float(layer.kernel[0, 0])
    np.testing.assert_allclose(optimizer.get_slot(layer.kernel, "average"), [[average]], rtol=1e-5)
