"""The training step: the Model Garden's trainer, with steps that may be divided into batches and over processes."""

from __future__ import annotations

import time

import losses
import tensorflow as tf
import tf_keras
from model import Task
from official.core.base_trainer import Trainer
from official.core.config_definitions import ExperimentConfig

NOT_FINITE = "the loss or its gradients are no numbers"


class Learner(Trainer):
    """A step has the same gradients however it is divided: the loss is divided by the positive anchors of all of it.

    Attributes:
        report: variables that hold the parts of the last step's loss, over all processes.
        waited: a variable, seconds in which no batch was ready.
    """

    def __init__(
        self,
        config: ExperimentConfig,
        task: Task,
        model: tf_keras.Model,
        optimizer: tf_keras.optimizers.legacy.Optimizer,
        batches: tf.data.Dataset | tf.distribute.DistributedDataset,
        accumulate: int,
    ) -> None:
        """Args: accumulate: batches that a process divides its share of a step into."""
        super().__init__(config, task, model, optimizer, evaluate=False, train_dataset=batches)
        self.accumulate = accumulate
        same = {"trainable": False, "aggregation": tf.VariableAggregation.ONLY_FIRST_REPLICA}
        self.report = tf.Variable(tf.zeros([len(losses.PARTS)]), name="report", **same)
        self.waited = tf.Variable(0.0, dtype=tf.float64, name="waited", **same)

    def train_step(self, iterator: tf.data.Iterator) -> None:
        """One step, timed from where the batch is asked for to where it is there.

        Raises:
            tf.errors.InvalidArgumentError: NOT_FINITE; no weight has changed.
        """
        asked = _now()
        with tf.control_dependencies([asked]):
            inputs = next(iterator)
        with tf.control_dependencies(tf.nest.flatten(self.strategy.experimental_local_results(inputs))):
            self.waited.assign_add(_now() - asked)
        self.strategy.run(self._step, args=(inputs,))

    def train_loop_end(self) -> dict[str, float]:
        """The last step's loss, as TensorBoard shows it."""
        parts = dict(zip(losses.PARTS, self.report.numpy().tolist(), strict=True))
        step = self.optimizer.iterations - 1
        lr = self.optimizer.learning_rate
        return {
            "loss": sum(parts.values()),
            **{f"loss_{name}": value for name, value in parts.items()},
            "learning_rate": float(lr(step) if callable(lr) else lr),
        }

    def _step(self, inputs: tuple[tf.Tensor, tuple[tf.Tensor, tf.Tensor]]) -> None:
        images, targets = inputs
        positives = self._everywhere(losses.count_positives(targets[0])) + 1.0
        gradients, parts = self._gradients(images, targets, positives)
        parts = self._everywhere(parts)
        self.report.assign(parts)
        # a sum that overflows is as bad; with a loss scale, gradients may overflow, and the optimizer passes them over
        watched = [tf.reduce_sum(parts)]
        if not self._scales:
            watched.append(self._everywhere(tf.reduce_sum([tf.reduce_sum(one * one) for one in gradients])))
        with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(tf.math.is_finite(watched)), [NOT_FINITE])]):
            gradients = [tf.identity(one) for one in gradients]
            self.global_step.assign_add(1)
        self.optimizer.apply_gradients(list(zip(gradients, self.model.trainable_variables, strict=True)))

    def _gradients(
        self, images: tf.Tensor, targets: tuple[tf.Tensor, tf.Tensor], positives: tf.Tensor
    ) -> tuple[list[tf.Tensor], tf.Tensor]:
        """This process's share of the gradients and of the parts of the loss."""
        if self.accumulate == 1:
            return self._of_batch(images, targets, positives)
        divided = tf.nest.map_structure(
            lambda one: tf.reshape(one, [self.accumulate, -1, *one.shape[1:]]), (images, targets)
        )

        def add(number: tf.Tensor, gradients: list[tf.Tensor], parts: tf.Tensor):
            batch_images, batch_targets = tf.nest.map_structure(lambda one: one[number], divided)
            more, found = self._of_batch(batch_images, batch_targets, positives)
            return number + 1, [a + b for a, b in zip(gradients, more, strict=True)], parts + found

        zeros = [tf.zeros_like(variable) for variable in self.model.trainable_variables]
        first = (tf.constant(0), zeros, tf.zeros([len(losses.PARTS)]))
        _, gradients, parts = tf.while_loop(
            lambda number, *_: number < self.accumulate, add, first, parallel_iterations=1
        )
        return gradients, parts

    def _of_batch(
        self, images: tf.Tensor, targets: tuple[tf.Tensor, tf.Tensor], positives: tf.Tensor
    ) -> tuple[list[tf.Tensor], tf.Tensor]:
        with tf.GradientTape() as tape:
            parts = losses.parts(self.task.task_config, self.model(images, training=True), targets) / positives
            loss = tf.reduce_sum(parts)
            loss = self.optimizer.get_scaled_loss(loss) if self._scales else loss
        variables = self.model.trainable_variables
        gradients = [
            tf.zeros_like(variable) if one is None else one
            for one, variable in zip(tape.gradient(loss, variables), variables, strict=True)
        ]
        return self.optimizer.get_unscaled_gradients(gradients) if self._scales else gradients, parts

    @property
    def _scales(self) -> bool:
        return isinstance(self.optimizer, tf_keras.mixed_precision.LossScaleOptimizer)

    def _everywhere(self, value: tf.Tensor) -> tf.Tensor:
        """The sum over all processes and devices."""
        if self.strategy.num_replicas_in_sync == 1:
            return value
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, value)


def _now() -> tf.Tensor:
    """Seconds, in a graph; tf.timestamp is an error with --deterministic."""
    return tf.ensure_shape(tf.numpy_function(time.monotonic, [], tf.float64), [])
