"""train-tf: the Model Garden's RetinaNet on a canonical dataset."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import quiet  # noqa: F401 (before tensorflow)
from architectures import ARCHITECTURES
from recipe import Recipe

from isomer import catalogue, pretrained, training
from isomer.dataset import canonical
from isomer.errors import run_main
from isomer.run import start_or_resume
from isomer.settings import settle
from isomer.training import Plan
from isomer.volume import Volume


def main() -> None:
    volume = Volume.from_environment()
    models = catalogue.load(Path(__file__).parent)
    options = settle("tf", models, volume)
    dataset = canonical.load(volume.dataset(options.data))
    train, val = dataset.split("train"), dataset.split("val")
    architecture = ARCHITECTURES[options.model]
    architecture.check_size(options.size)
    frozen_stages = architecture.frozen_stages(options.freeze)
    first = pretrained.find(options.weights, models[options.model], volume, "tf")
    numbers = Recipe() if options.lr is None else Recipe(lr=options.lr)
    if options.device == "gpu":
        import device  # TensorFlow takes seconds to import: only where its answer decides whether there is a run

        device.choose(options.device)
    run = start_or_resume(volume, dataset, options, "tf", dataclasses.asdict(numbers))
    if training.already_done(run):
        return

    import trainer

    plan = Plan.of(options, len(train.pictures))
    trainer.train(run, dataset, train, val, options, plan, numbers, first, frozen_stages)


if __name__ == "__main__":
    run_main(main)
