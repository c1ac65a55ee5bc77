"""Training: Lightning's trainer around our module, from the run's last checkpoint to its end."""

from __future__ import annotations

import logging
import warnings
from typing import Any, Literal

import device
import exhaustion
import group
import lightning
import models
import torch
import torchvision
import weights
from data import TrainingPictures
from job import Job
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from loading import STUCK, STUCK_SECONDS, Loading
from models.base import Detector
from module import Average, TrainingModule
from resuming import Checkpoints, step_of
from watch import Watch

from isomer.errors import ProcessLost, UserError
from isomer.training import TrainLog, announce, finish


def train(job: Job) -> None:
    """Train the run to its end.

    Raises:
        UserError: a picture cannot be read, the memory is too small, the loss is not a number, or another process of
            the run is gone.
    """
    where = device.choose(job.options.device, job.options.devices or 1)
    try:
        _train(job, where)
        return
    except ProcessLost:
        job.interruption.leave()  # all were asked to stop, and the other was a little faster
        raise
    except UserError as error:
        # one that a loader process raised arrives with that process's traceback in front
        raise UserError(str(error).rpartition("UserError: ")[2].strip()) from None
    except (RuntimeError, MemoryError, OSError) as error:
        if STUCK in str(error):
            raise ProcessLost(
                f"the processes that read pictures did not answer for {STUCK_SECONDS} s: the same command goes on from "
                "the checkpoint; with --workers 0 there are none"
            ) from error
        said = exhaustion.loader_sentence(error)
        if said:
            raise UserError(said) from error
        if not exhaustion.is_out_of_memory(error):
            raise
    # out here, where the error holds no tensors any more
    raise UserError(exhaustion.sentence(job, where))


def _train(job: Job, where: torch.device) -> None:
    options, plan, place = job.options, job.plan, job.place
    _quieten()
    with job.interruption.at_once():
        joined = group.join(place, where)
        detector = _detector(job)
        pictures = TrainingPictures(
            job.train, detector, job.stream, options.augment, options.cache, min(place.world, options.devices or 1)
        )
    checkpoints = Checkpoints(job.run, options.keep)
    checkpoint = checkpoints.newest()
    done = step_of(checkpoint) if checkpoint else 0
    group.check_same(place, "checkpoints", done)
    many = f" × {place.world}" if place.world > 1 else ""
    announce(job.run, plan, f"{where}{many}", job.recipe.lr, done, place.world, job.nodes)
    with TrainLog(job.run, plan, done, place.first, job.options.logger) as log, group.losses_told(place):
        watch = Watch(job, checkpoints, log)
        trainer = lightning.Trainer(
            accelerator="gpu" if where.type == "cuda" else "cpu",
            devices=options.devices or 1,
            num_nodes=options.nodes,
            **joined,
            precision=device.precision(where, amp=options.amp),
            max_steps=plan.steps,
            max_epochs=-1,
            accumulate_grad_batches=options.accumulate,
            # a GPU's processes share the statistics; torch's synchronised batch norm does not run on a CPU
            sync_batchnorm=where.type == "cuda" and place.world > 1,
            deterministic=options.deterministic,
            benchmark=where.type == "cuda" and not options.deterministic,
            callbacks=[*([Average(options.ema)] if options.ema else []), watch],
            logger=_logger(job, done, log.restart),
            log_every_n_steps=1,  # Watch logs, not Lightning, which warns of more than there are steps
            use_distributed_sampler=False,  # ours knows where the run goes on
            enable_checkpointing=False,  # Watch writes whole files, and counts seconds too
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        loading = Loading(pictures, plan, place, options.accumulate, options.workers)
        module = TrainingModule(detector, plan, job.recipe, options)
        trainer.fit(module, datamodule=loading, ckpt_path=checkpoint, weights_only=True)
        watch.evaluate_if_due(trainer, module)
    if place.first:
        _finish(job, trainer, watch, where)


def _detector(job: Job) -> Detector:
    """The model with the weights that it begins with; a checkpoint's come later."""
    options = job.options
    lightning.seed_everything(options.seed, verbose=False)
    detector = models.build(options.model, options.size, len(job.dataset.classes))
    if job.weights:
        facts = weights.load(detector, job.weights, job.dataset.classes)
        detector.hold_norms()
        if job.place.first:
            job.run.update(weights_from=facts)
    if options.freeze:
        detector.freeze(options.freeze)
    return detector


def _finish(job: Job, trainer: lightning.Trainer, watch: Watch, where: torch.device) -> None:
    versions = {"torch": torch.__version__, "torchvision": torchvision.__version__, "lightning": lightning.__version__}
    finish(job.run, trainer.global_step, watch.best_weights, watch.metrics, device=str(where), versions=versions)


def _logger(job: Job, done: int, restart: dict[str, Any] | None) -> Logger | Literal[False]:
    """TensorBoard's writer where the curves are to go there; MLflow's is the log's own."""
    if job.options.logger != "tensorboard":
        return False  # None would be Lightning's own, in the folder that the command runs in
    # what was logged after the checkpoint is hidden: it comes again
    made = TensorBoardLogger(job.run.path, name=job.run.tensorboard.name, version="", purge_step=done + 1)
    if restart:
        made.log_metrics({"restarts": restart["restart"]}, done)
    return made


def _quieten() -> None:
    """Leave out what Lightning says to those who write training code."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    # the stream of pictures goes on by itself; how many processes read, and what is frozen, is the user's choice
    unasked = ("dataloader is not resumable", "does not have many workers", "worker processes in total", "treespec")
    for message in (*unasked, "in eval mode", "`srun`"):
        warnings.filterwarnings("ignore", f".*{message}.*")
