"""train-torch: SSDLite on a dataset of the volume. The same command again goes on where it stopped."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import passive  # noqa: F401 (before torch)
from recipe import Recipe

from isomer import catalogue, training
from isomer.dataset import canonical
from isomer.errors import UserError, run_main
from isomer.run import start_or_resume
from isomer.settings import settle
from isomer.training import Plan
from isomer.volume import Volume


def main() -> None:
    volume = Volume.from_environment()
    models = catalogue.load(Path(__file__).parent)
    options = settle("torch", models, volume)
    if options.batch < 2:
        raise UserError("--batch 1 leaves batch normalisation nothing to average over: give 2 or more")
    dataset = canonical.load(volume.dataset(options.data))
    train, val = dataset.split("train"), dataset.split("val")
    recipe = Recipe() if options.lr is None else Recipe(lr=options.lr)
    if options.device == "gpu":
        import device  # torch takes seconds to import: only where its answer decides whether there is a run

        device.choose(options.device)
    run = start_or_resume(volume, dataset, options, "torch", dataclasses.asdict(recipe))
    if training.already_done(run):
        return

    import trainer

    trainer.train(run, dataset, train, val, options, Plan.of(options, len(train.pictures)), recipe)


if __name__ == "__main__":
    run_main(main)
