"""train-torch: SSDLite on a dataset of the volume. The same command again goes on where it stopped."""

from __future__ import annotations

import logging
import warnings
from dataclasses import asdict, replace

import lightning
import torch
import torchvision
from inference import choose_device
from lightning.pytorch.loggers import TensorBoardLogger
from model import ARCHITECTURE, BATCH_NORM_MOMENTUM, Detector
from module import Recipe, TrainingModule
from watch import LAST, Watch

from data import TrainingPictures
from isomer.dataset import canonical
from isomer.errors import UserError, run_main
from isomer.flags import Train, parse
from isomer.interruption import Interruption
from isomer.progress import say
from isomer.run import RunFolder, start_or_resume
from isomer.training import Plan, TrainLog, already_done, finish
from isomer.volume import Volume

FRAMEWORK = "torch"


def main() -> None:
    config = parse(Train, prog="train-torch")
    device = choose_device(config.device)
    if config.batch < 2:
        raise UserError("--batch 1 leaves batch normalisation nothing to average over: give 2 or more")
    volume = Volume.from_environment()
    dataset = canonical.load(volume.dataset(config.data))
    train_split, val_split = dataset.split("train"), dataset.split("val")
    recipe = Recipe() if config.lr is None else replace(Recipe(), lr=config.lr)
    saved = {"architecture": ARCHITECTURE, "batch_norm_momentum": BATCH_NORM_MOMENTUM, **asdict(recipe)}
    run = start_or_resume(volume, dataset, config, FRAMEWORK, saved)
    if already_done(run):
        return
    plan = Plan.of(config, len(train_split.pictures))

    quieten()
    lightning.seed_everything(config.seed, verbose=False)
    detector = Detector(config.size, len(dataset.classes))
    pictures = TrainingPictures(train_split, config.size, detector.anchors, config.seed)
    module = TrainingModule(detector, pictures, plan, recipe, config.workers)
    checkpoint, done = last_checkpoint(run)
    say(
        f"{run.name}: step {done} of {plan.steps}, {plan.batch} pictures each, {config.size}x{config.size}, on {device}"
    )
    with TrainLog(run, plan, done) as log, Interruption() as interruption:
        watch = Watch(run, plan, val_split, log, interruption)
        trainer = lightning.Trainer(
            accelerator="gpu" if device.type == "cuda" else "cpu",
            devices=1,
            max_steps=plan.steps,
            gradient_clip_val=recipe.gradient_norm,
            callbacks=[watch],
            logger=TensorBoardLogger(run.path, name=run.tensorboard.name, version="", purge_step=done),
            log_every_n_steps=1,  # Watch logs, not Lightning; more than the steps there are would be warned of
            enable_checkpointing=False,  # Watch writes whole files, and counts seconds too
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(module, ckpt_path=checkpoint)
        watch.evaluate_if_due(trainer, module)
    versions = {"torch": torch.__version__, "torchvision": torchvision.__version__, "lightning": lightning.__version__}
    finish(run, trainer.global_step, watch.best_weights, watch.metrics, device=str(device), versions=versions)


def last_checkpoint(run: RunFolder) -> tuple[str | None, int]:
    """The checkpoint to go on from and how many steps it has behind it."""
    path = run.checkpoints / LAST
    if not path.is_file():
        return None, 0
    return str(path), torch.load(path, map_location="cpu", weights_only=True, mmap=True)["global_step"]


def quieten() -> None:
    """Leave out what Lightning says to those who write training code."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    # the stream of pictures goes on by itself, and how many processes read is the user's choice
    warnings.filterwarnings("ignore", ".*dataloader is not resumable.*")
    warnings.filterwarnings("ignore", ".*treespec.*")
    warnings.filterwarnings("ignore", ".*does not have many workers.*")


if __name__ == "__main__":
    run_main(main)
