"""Measuring the val split while training, and keeping the best weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import orbit
import tensorflow as tf
import tensors
import tf_keras
from detector import Detector, nms
from job import Job
from model import Core, Task
from official.modeling.optimization import ExponentialMovingAverage

from isomer import evaluation, files, native
from isomer.contract import Thresholds
from isomer.evaluation import Metrics

BEST = "best.h5"


class Evaluator(orbit.AbstractEvaluator):
    """Measures a float32 twin of the model: on the pixels and with the NMS of the gate, by the project's evaluator.

    The twin takes over the weights, or their average where there is one: the model in training is left alone, so
    evaluating changes nothing of what comes after it.
    """

    def __init__(self, job: Job, task: Task, model: tf_keras.Model, optimizer: tf_keras.optimizers.Optimizer) -> None:
        self.job, self._model = job, model
        self._core = Core(task)
        self._detector = Detector(self._core)
        inner = getattr(optimizer, "inner_optimizer", optimizer)  # of a loss scale
        self._averages = inner if isinstance(inner, ExponentialMovingAverage) else None
        self.metrics: Metrics | None = None

    @property
    def best_weights(self) -> Path:
        return self.job.run.checkpoints / BEST

    def evaluate(self, num_steps: tf.Tensor) -> dict[str, float]:
        """The whole split, whatever `num_steps`; the full figures are in `metrics`."""
        results = native.predict_split(self.job.val, self._raw, nms, Thresholds().for_evaluation())
        self.metrics = evaluation.evaluate(self.job.val, results)
        return {name: getattr(self.metrics, name) or 0.0 for name in ("mAP", "AP50", "AP75", "AR")}

    def keep(self) -> None:
        """Write the weights that were measured last as the best."""
        options, classes = self.job.options, self.job.dataset.classes
        with files.replacing(self.best_weights) as temporary:
            tensors.save(self._core.model, temporary, model=options.model, size=options.size, classes=classes)

    def take_over(self) -> None:
        """Give the twin the weights as they are now; in a cluster all processes must."""
        theirs, ours = tensors.variables(self._model), tensors.variables(self._core.model)
        # what is frozen is not among them, and has no average
        averaged = set() if self._averages is None else {id(weight) for weight in self._model.trainable_variables}
        for name, variable in ours.items():
            source = theirs[name]
            if id(source) in averaged:
                source = self._averages.get_slot(source, "average")
            variable.assign(source.numpy())

    def _raw(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.job.interruption.leave()
        return self._detector.raw(pixels)
