"""Training: the Model Garden's trainer and Orbit's controller around our task, from the last checkpoint to the end."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from typing import NoReturn

import device
import orbit
import room
import schedule
import tensorflow as tf
import tf_keras
import weights
from absl import logging
from checkpoints import Checkpoints
from cluster import Place
from evaluator import Evaluator
from freezing import freeze
from inputs import Batches
from job import Job
from learner import NOT_FINITE, Learner
from losses import PARTS
from model import Core, Task
from official.core.config_definitions import ExperimentConfig
from pictures import Pictures
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from isomer import training
from isomer.errors import EXIT_INTERRUPTED, GOES_ON, ProcessLost, UserError
from isomer.stream import Stream
from isomer.training import LOG_STEPS, TrainLog

LOOP_SECONDS = 2.0  # in which steps are done without a look at signals
# what TensorFlow says when another process of a cluster does not answer any more
LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.DeadlineExceededError, tf.errors.CancelledError)

# Orbit prints every loop to stdout besides logging it; our bar says the same in one line.
orbit.controller._log = logging.info


def train(job: Job) -> None:
    """Train the run to its end, from its last checkpoint if there is one.

    Raises:
        UserError: a picture cannot be read, the first weights do not fit, the memory is too small, the loss is not a
            number, or another process of the run has died.
    """
    training_ = Training(job)
    try:
        training_.run()
    except tf.errors.ResourceExhaustedError as error:
        if "No space left" in error.message:
            raise OSError(errno.ENOSPC, error.message, str(job.run.path)) from error
        raise room.too_small(job, training_.learner) from error
    except MemoryError as error:
        raise room.too_small(job, training_.learner) from error
    except tf.errors.InvalidArgumentError as error:
        raise training_.explained(error) from error
    except SystemExit as error:  # all were asked to stop, and all is saved
        if job.place.workers > 1:
            training_.leave(int(error.code or 0))
        raise
    except ProcessLost as error:
        # all may have been asked to stop, and the other was a little faster
        code = job.interruption.exit_code
        print(f"error: {error}" if code is None else GOES_ON, file=sys.stderr, flush=True)
        # TensorFlow's server would first wait half a minute for the one that is gone
        os._exit(error.exit_code if code is None else code)


@contextlib.contextmanager
def losses_told(place: Place) -> Iterator[None]:
    """Inside, TensorFlow's errors about a process that is gone become a sentence.

    Raises:
        ProcessLost: as it says.
    """
    try:
        yield
    except LOST as error:
        if place.workers == 1:
            raise
        raise ProcessLost(
            "another process of this run has ended or cannot be reached, so this one stopped too: the same command "
            "goes on from the last checkpoint"
        ) from error


class Training:
    """One process's part in a run."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.learner: Learner | None = None
        self.checkpoints: Checkpoints | None = None
        self._seconds_a_step: float | None = None

    def run(self) -> None:
        """From where the run is to its end."""
        job, plan = self.job, self.job.plan
        self.prepare()
        with (
            TrainLog(job.run, plan, self.done, job.place.first, job.options.logger) as self.log,
            losses_told(job.place),
        ):
            self._mark()
            evaluated = {line["step"] for line in training.evaluations(job.run) if line["step"] <= self.done}
            for stop in plan.eval_steps:
                if stop in evaluated or stop < self.done:
                    continue
                self._train_until(stop)
                if self._evaluate(stop):
                    break
        if job.place.first:
            self._finish()
        if job.place.workers > 1:
            # all at the same moment: TensorFlow's server would speak at length of the one that it lost
            with contextlib.suppress(*LOST):  # the other was faster, and all is done
                self._agree(False, None)
            self.leave(0)

    def leave(self, code: int) -> NoReturn:
        """End one of several processes: TensorFlow's own end would wait for those that were faster."""
        if self.checkpoints:
            self.checkpoints.close()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

    def explained(self, error: tf.errors.InvalidArgumentError) -> Exception:
        """What was wrong with the step that failed: the loss, or a picture."""
        if self.learner is None:
            return error
        step = int(self.learner.global_step.numpy()) + 1
        if NOT_FINITE in error.message:
            loss = float(sum(self.learner.report.numpy()))
            names = self.batches.names(step)
            return training.not_finite(loss, step, self.job.plan, names, self.checkpoints.latest)
        # what reads pictures is some batches ahead
        for ahead in range(step, step + 8):
            for name in dict.fromkeys(self.batches.names(ahead)):
                index = next(i for i, one in enumerate(self.job.train.pictures) if one.file_name == name)
                try:
                    self.batches.pictures.pixels(index)
                except UserError as problem:
                    return problem
        return error

    def prepare(self) -> None:
        """Everything up to the first step; in a cluster TensorFlow's engine waits for all processes."""
        job, options, place = self.job, self.job.options, self.job.place
        self.where = device.choose(options.device)
        device.share_processors(place)
        self.strategy = device.strategy(place)
        job.interruption.install()
        tf_keras.utils.set_random_seed(options.seed)
        if options.deterministic:
            tf.config.experimental.enable_op_determinism()
        latest = Checkpoints.latest_of(job.run)
        task = Task(job.architecture, options.size, len(job.dataset.classes), job.recipe)
        self.batches = self._batches(task)
        many = f" × {place.parts}" if place.parts > 1 else ""
        training.announce(job.run, job.plan, f"{self.where}{many}", job.recipe.lr, latest, place.parts, job.nodes)
        with self.strategy.scope(), device.policy(device.precision(options.amp)):
            core = Core(task)
            if job.weights and not latest:
                facts = weights.initialise(core, job.weights, job.dataset.classes)
                if place.first:
                    job.run.update(weights_from=facts)
            freeze(core.model, job.options.freeze)
            # between CPUs the hundreds of small messages of a step would take longer than the step
            if place.parts > 1 and self.where == "gpu":
                synchronise_norms(core.model)
            config = schedule.configure(job.plan, job.recipe, options)
            self.learner = Learner(
                ExperimentConfig(task=task.task_config, trainer=config),
                task,
                core.model,
                schedule.optimizer(task, config),
                self._dataset(latest),
                options.accumulate,
            )
        self.checkpoints = Checkpoints(
            job.run, self.learner.checkpoint, self.learner.global_step, options.keep, place.first
        )
        self.done = self.checkpoints.restore()
        self.evaluator = Evaluator(job, task, core.model, self.learner.optimizer)
        boards = place.first and options.logger == "tensorboard"
        self._boards = [str(job.run.tensorboard / split) for split in ("train", "val")] if boards else []
        self.controller = orbit.Controller(
            global_step=self.learner.global_step,
            trainer=self.learner,
            evaluator=self.evaluator,
            strategy=self.strategy,
            steps_per_loop=LOG_STEPS,
            summary_dir=self._boards[0] if boards else None,
            eval_summary_dir=self._boards[1] if boards else None,
        )

    def _mark(self) -> None:
        """Show in TensorBoard where the run has been started again; what was drawn after the checkpoint comes anew."""
        if not self._boards:
            return
        for folder in self._boards if self.done else ():
            writer = EventFileWriter(folder)
            hidden = SessionLog(status=SessionLog.START)
            writer.add_event(Event(wall_time=time.time(), step=self.done + 1, session_log=hidden))
            writer.close()
        if self.log.restart:
            with tf.summary.create_file_writer(self._boards[0]).as_default():
                tf.summary.scalar("restarts", self.log.restart["restart"], self.done)

    def _batches(self, task: Task) -> Batches:
        job, options, place = self.job, self.job.options, self.job.place
        pictures = Pictures(
            job.train, options.size, options.augment == "ssd", options.cache, options.workers, place.neighbours
        )
        if not pictures.kept:
            pictures.use_files(job.run.path / "pictures", place.first)
        # where pictures were copied, the others wait until they are
        self._agree(False, None)
        stream = Stream(job.train.pictures, options.seed, options.balance)
        return Batches(pictures, task.anchors, stream, job.plan.batch, options.augment, options.workers)

    def _dataset(self, step: int) -> tf.data.Dataset | tf.distribute.DistributedDataset:
        if self.job.place.parts == 1:
            return self.batches.after(step)
        return self.strategy.distribute_datasets_from_function(lambda context: self.batches.after(step, context))

    def _train_until(self, stop: int) -> None:
        learner, job = self.learner, self.job
        while (step := int(learner.global_step.numpy())) < stop:
            began, waited = time.monotonic(), float(learner.waited.numpy())
            count = min(self._steps_a_loop(step), stop - step)
            # in the first loop most of the time goes into building the graph, and nothing is lost with a step
            with job.interruption.at_once() if self._seconds_a_step is None else contextlib.nullcontext():
                self.controller.train(step + count)
            first, self._seconds_a_step = self._seconds_a_step is None, (time.monotonic() - began) / count
            figures = learner.train_loop_end()
            self.log.trained(
                step + count,
                figures["loss"],
                figures["learning_rate"],
                {name: figures[f"loss_{name}"] for name in PARTS},
                device.memory(self.where),
                None if first else float(learner.waited.numpy()) - waited,
            )
            save, code = self._agree(self.checkpoints.is_due, job.interruption.exit_code)
            if save or code is not None:
                self.checkpoints.save()
            if code is not None:
                job.interruption.request(code)
                job.interruption.leave()

    def _steps_a_loop(self, step: int) -> int:
        """Steps until the next look at signals, up to where the next line of the log is due; in all processes of a
        cluster as many, for they have agreed on how long one takes."""
        if self._seconds_a_step is None:
            return 1
        return min(max(int(LOOP_SECONDS / self._seconds_a_step), 1), LOG_STEPS - step % LOG_STEPS)

    def _evaluate(self, step: int) -> bool:
        """Measure the val split, keep the best weights; whether the run has come to its end early."""
        job = self.job
        self.checkpoints.save()
        with job.interruption.at_once():
            self.evaluator.take_over()
            enough = False
            if job.place.first:
                self.controller.evaluate()
                earlier = [line["mAP"] or 0.0 for line in training.evaluations(job.run)]
                if (self.evaluator.metrics.mAP or 0.0) >= max(earlier, default=0.0):
                    self.evaluator.keep()
                self.log.evaluated(step, self.evaluator.metrics)
                enough = training.has_stopped_improving(job.run, job.options.early_stop)
            enough, code = self._agree(enough, job.interruption.exit_code)
            if code is not None:
                job.interruption.request(code)
                job.interruption.leave()
        return enough

    def _finish(self) -> None:
        # from the log, because the run may have been killed between its last evaluation and here
        best = training.best_evaluation(self.job.run)
        versions = {name: metadata.version(name) for name in ("tensorflow", "tf-models-official")}
        steps = int(self.learner.global_step.numpy())
        where = device.describe(self.where, self.job.place)
        training.finish(self.job.run, steps, self.evaluator.best_weights, best, device=where, versions=versions)

    def _agree(self, wish: bool, code: int | None) -> tuple[bool, int | None]:
        """Whether any process of the cluster has the wish, and the exit code that one was asked for, if any.

        From then on all reckon with the same time for a step.
        """
        if self.job.place.workers == 1:
            return wish, code
        mine = tf.constant([wish, code is not None, bool(code), self._seconds_a_step or 0.0], tf.float32)
        each = self.strategy.experimental_distribute_values_from_function(lambda _: mine)
        total = self.strategy.reduce(tf.distribute.ReduceOp.SUM, each, axis=None).numpy()
        self._seconds_a_step = self._seconds_a_step and float(total[3]) / self.job.place.workers
        return total[0] > 0, (EXIT_INTERRUPTED if total[2] else 0) if total[1] else None


def synchronise_norms(model: tf_keras.Model) -> None:
    """Let batch norms average over the pictures of all GPUs: as one would, with the whole step."""
    for layer in model.submodules:
        if isinstance(layer, tf_keras.layers.BatchNormalization):
            layer.synchronized, layer.fused = True, False
