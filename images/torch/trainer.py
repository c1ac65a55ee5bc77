"""Training: Lightning's trainer around our module, from the run's last checkpoint to its end."""

from __future__ import annotations

import logging
import warnings

import device
import lightning
import models
import torch
import torchvision
from data import TrainingPictures
from lightning.pytorch.loggers import TensorBoardLogger
from module import TrainingModule
from recipe import Recipe
from watch import LAST, Watch

from isomer.dataset.canonical import Dataset, Split
from isomer.errors import UserError
from isomer.flags import Train
from isomer.interruption import Interruption
from isomer.progress import say
from isomer.run import RunFolder
from isomer.training import Plan, TrainLog, finish


def train(
    run: RunFolder, dataset: Dataset, train_split: Split, val_split: Split, options: Train, plan: Plan, recipe: Recipe
) -> None:
    """Train the run to its end.

    Raises:
        UserError: a picture cannot be read, the memory is too small, or the loss is not a number.
    """
    try:
        _train(run, dataset, train_split, val_split, options, plan, recipe)
    except torch.OutOfMemoryError as error:
        raise UserError(f"out of memory at --batch {plan.batch} and --size {options.size}: lower one") from error
    except UserError as error:
        # one that a loader process raised arrives with that process's traceback in front
        raise UserError(str(error).rpartition("UserError: ")[2].strip()) from None


def _train(
    run: RunFolder, dataset: Dataset, train_split: Split, val_split: Split, options: Train, plan: Plan, recipe: Recipe
) -> None:
    _quieten()
    lightning.seed_everything(options.seed, verbose=False)
    where = device.choose(options.device)
    detector = models.build(options.model, options.size, len(dataset.classes))
    pictures = TrainingPictures(train_split, detector, options.seed)
    module = TrainingModule(detector, pictures, plan, recipe, options.workers)
    checkpoint, done = _last_checkpoint(run)
    say(f"train {run.name} on {where}: {plan.steps} steps of {plan.batch} pictures, {done} done")
    with TrainLog(run, plan, done) as log, Interruption() as interruption:
        watch = Watch(run, plan, val_split, log, interruption)
        trainer = lightning.Trainer(
            accelerator="gpu" if where.type == "cuda" else "cpu",
            devices=1,
            max_steps=plan.steps,
            gradient_clip_val=recipe.gradient_norm,
            callbacks=[watch],
            logger=TensorBoardLogger(run.path, name=run.tensorboard.name, version="", purge_step=done),
            log_every_n_steps=1,  # Watch logs, not Lightning, which warns of more than there are steps
            enable_checkpointing=False,  # Watch writes whole files, and counts seconds too
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(module, ckpt_path=checkpoint)
        watch.evaluate_if_due(trainer, module)
    versions = {"torch": torch.__version__, "torchvision": torchvision.__version__, "lightning": lightning.__version__}
    finish(run, trainer.global_step, watch.best_weights, watch.metrics, device=str(where), versions=versions)


def _last_checkpoint(run: RunFolder) -> tuple[str | None, int]:
    """The checkpoint to go on from and how many steps it has behind it."""
    path = run.checkpoints / LAST
    if not path.is_file():
        return None, 0
    return str(path), torch.load(path, map_location="cpu", weights_only=True, mmap=True)["global_step"]


def _quieten() -> None:
    """Leave out what Lightning says to those who write training code."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    # the stream of pictures goes on by itself, and how many processes read is the user's choice
    for message in ("dataloader is not resumable", "does not have many workers", "treespec"):
        warnings.filterwarnings("ignore", f".*{message}.*")
