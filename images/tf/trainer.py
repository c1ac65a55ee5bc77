"""Training: the Model Garden's trainer and Orbit's controller around our task."""

from __future__ import annotations

import errno
import time
from importlib import metadata
from pathlib import Path

import device
import orbit
import tensorflow as tf
import tensors
import tf_keras
import weights
from absl import logging
from architectures import ARCHITECTURES
from detector import WEIGHTS, Detector, nms
from freezing import freeze
from inputs import batches
from model import Core, Task
from official.core.base_trainer import Trainer
from official.core.config_definitions import ExperimentConfig, TrainerConfig
from official.modeling.optimization import OptimizationConfig
from recipe import Recipe
from records import prepare

from isomer import files, native, training
from isomer.contract import Thresholds
from isomer.dataset.canonical import Dataset, Split
from isomer.errors import UserError
from isomer.evaluation import evaluate
from isomer.flags import Train
from isomer.pretrained import Weights
from isomer.run import RunFolder
from isomer.training import CHECKPOINT_SECONDS, LOG_STEPS, Plan, TrainLog

# Orbit prints every loop to stdout besides logging it; our bar says the same in one line.
orbit.controller._log = logging.info


class Evaluator(orbit.AbstractEvaluator):
    """Measures the val split by the project's one evaluator, on the pixels and with the NMS of the gate."""

    def __init__(self, detector: Detector, split: Split) -> None:
        self._detector, self._split = detector, split

    def evaluate(self, num_steps: tf.Tensor) -> dict[str, float]:
        """The whole split, whatever `num_steps`; the full figures are in `metrics`."""
        results = native.predict_split(self._split, self._detector.raw, nms, Thresholds().for_evaluation())
        self.metrics = evaluate(self._split, results)
        return {name: getattr(self.metrics, name) or 0.0 for name in ("mAP", "AP50", "AP75", "AR")}


class Saver:
    """An Orbit action that writes a checkpoint whenever the last is CHECKPOINT_SECONDS old."""

    def __init__(self, manager: tf.train.CheckpointManager, step: tf.Variable) -> None:
        self._manager, self._step = manager, step
        self._last = time.monotonic()

    def __call__(self, outputs: dict) -> None:
        if time.monotonic() - self._last >= CHECKPOINT_SECONDS:
            self.save()

    def save(self) -> None:
        self._manager.save(checkpoint_number=self._step.numpy(), check_interval=False)
        self._last = time.monotonic()


def train(
    run: RunFolder,
    dataset: Dataset,
    train_split: Split,
    val_split: Split,
    options: Train,
    plan: Plan,
    numbers: Recipe,
    first: Weights | None,
    frozen_stages: int,
) -> None:
    """Train the run to its end, from its last checkpoint if there is one.

    Raises:
        UserError: a picture cannot be read, the first weights do not fit, the memory is too small, or the loss is not a
            number.
    """
    try:
        _train(run, dataset, train_split, val_split, options, plan, numbers, first, frozen_stages)
    except tf.errors.ResourceExhaustedError as error:
        if "No space left" in error.message:
            raise OSError(errno.ENOSPC, error.message, str(run.path)) from error
        raise UserError(f"out of memory at --batch {options.batch} and --size {options.size}: lower one") from error


def _train(
    run: RunFolder,
    dataset: Dataset,
    train_split: Split,
    val_split: Split,
    options: Train,
    plan: Plan,
    numbers: Recipe,
    first: Weights | None,
    frozen_stages: int,
) -> None:
    where = device.choose(options.device)
    tf_keras.utils.set_random_seed(options.seed + 1)  # with 0 tf.data takes no seed that is a tensor
    tf.config.experimental.enable_op_determinism()
    records = prepare(run.path / "records", dataset, train_split)
    task = Task(ARCHITECTURES[options.model], options.size, len(dataset.classes), numbers)
    core = Core(task)
    done = _step_of(tf.train.latest_checkpoint(run.checkpoints))
    if first and not done:
        run.update(weights_from=weights.initialise(core, first, dataset.classes))
    freeze(core.model, frozen_stages)
    config = ExperimentConfig(task=task.task_config, trainer=_schedule(plan, numbers))
    trainer = Trainer(
        config,
        task,
        core.model,
        task.create_optimizer(config.trainer.optimizer_config),
        evaluate=False,
        train_dataset=batches(records, task.parser, options.batch, options.seed, done * options.batch, options.workers),
    )
    manager = tf.train.CheckpointManager(
        trainer.checkpoint,
        run.checkpoints,
        max_to_keep=2,
        step_counter=trainer.global_step,
        checkpoint_interval=plan.steps,  # Saver saves more often
    )
    saver = Saver(manager, trainer.global_step)
    evaluator = Evaluator(Detector(core), val_split)
    with TrainLog(run, plan, done) as log:
        controller = orbit.Controller(
            global_step=trainer.global_step,
            trainer=trainer,
            evaluator=evaluator,
            steps_per_loop=lambda step: LOG_STEPS - step % LOG_STEPS,
            checkpoint_manager=manager,  # restores the last checkpoint here
            summary_dir=str(run.tensorboard / "train"),
            eval_summary_dir=str(run.tensorboard / "val"),
            train_actions=[lambda outputs: _log(log, trainer.global_step, outputs), saver],
        )
        evaluated = {line["step"] for line in run.metrics() if line["split"] == "val"}
        try:
            for stop in plan.eval_steps:
                if stop < done or stop in evaluated:
                    continue
                controller.train(stop)
                controller.evaluate()
                log.evaluated(stop, evaluator.metrics)
        except (KeyboardInterrupt, SystemExit):
            saver.save()
            raise
    trained = run.checkpoints / WEIGHTS
    with files.replacing(trained) as temporary:
        tensors.save(core.model, temporary, model=options.model, size=options.size, classes=dataset.classes)
    # from the log, because the run may have been killed between its last evaluation and here
    last = next(line for line in reversed(run.metrics()) if line["split"] == "val")
    metrics = {key: value for key, value in last.items() if key not in ("step", "epoch", "split")}
    versions = {name: metadata.version(name) for name in ("tensorflow", "tf-models-official")}
    training.finish(run, plan.steps, trained, metrics, device=where, versions=versions)


def _schedule(plan: Plan, numbers: Recipe) -> TrainerConfig:
    """Adam, a linear warm-up, then a cosine to zero at the last step."""
    warmup = max(round(plan.steps * numbers.warmup), 1)
    return TrainerConfig(
        train_steps=plan.steps,
        optimizer_config=OptimizationConfig(
            {
                "optimizer": {"type": "adam"},
                "learning_rate": {
                    "type": "cosine",
                    "cosine": {"initial_learning_rate": numbers.lr, "decay_steps": plan.steps},
                },
                "warmup": {"type": "linear", "linear": {"warmup_steps": warmup}},
            }
        ),
    )


def _log(log: TrainLog, step: tf.Variable, outputs: dict[str, tf.Tensor]) -> None:
    log.trained(int(step.numpy()), float(outputs["training_loss"]), float(outputs["learning_rate"]))


def _step_of(checkpoint: str | None) -> int:
    """The step in a checkpoint's name, `ckpt-STEP`; 0 without one."""
    return int(Path(checkpoint).name.rpartition("-")[2]) if checkpoint else 0
