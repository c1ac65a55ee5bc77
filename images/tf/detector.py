"""A trained run, ready to look at pictures: the two functions that evaluation, prediction and the gate ask for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensors
from architectures import ARCHITECTURES
from inputs import normalise, resize
from model import Core, Task
from recipe import Recipe
from suppression import nms as nms

from isomer.run import RunFolder

WEIGHTS = "last.h5"


class Detector:
    """TensorFlow end to end: pixels to raw boxes and scores, and TensorFlow's own NMS."""

    def __init__(self, core: Core) -> None:
        self.core = core
        # one signature for all pictures: another trace would cost seconds
        signature = [tf.TensorSpec([None, None, None, 3], tf.uint8)]
        self._raw = tf.function(lambda pixels: core(normalise(resize(pixels, core.size))), signature)

    def raw(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As isomer.native.Raw."""
        boxes, scores = self._raw(pixels)
        return boxes.numpy(), scores.numpy()


def load(run: RunFolder, weights: Path, classes: int, size: int | None = None) -> Detector:
    """The detector of a trained run; for another input size where one is given."""
    core = Core(task(run, classes, size))
    tensors.restore(core.model, weights)
    return Detector(core)


def task(run: RunFolder, classes: int, size: int | None = None) -> Task:
    """The task of a run, as its config.json has it, but for the size; the pyramid keeps its levels."""
    config = run.config()
    architecture = ARCHITECTURES[config["model"]]
    architecture = replace(architecture, last_level=architecture.max_level(config["size"]))
    return Task(architecture, size or config["size"], classes, Recipe(**config["recipe"]))
