"""train-tf: the Model Garden's RetinaNet on a canonical dataset. The same command again goes on where it stopped."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import cluster
import heap
import quiet  # noqa: F401 (before tensorflow)
import recipe
from architectures import ARCHITECTURES
from job import Job

from isomer import catalogue, pretrained, processes, training
from isomer.dataset import canonical
from isomer.errors import UserError, run_main
from isomer.interruption import Interruption
from isomer.run import RunFolder, start_or_resume
from isomer.settings import settle
from isomer.training import Plan
from isomer.volume import Volume, default_run


def main() -> None:
    volume = Volume.from_environment()
    models = catalogue.load(Path(__file__).parent)
    options = settle("tf", models, volume)
    dataset = canonical.load(volume.dataset(options.data))
    train, val = dataset.split("train"), dataset.split("val")
    weights = pretrained.find(options.weights, models[options.model], volume, "tf")
    if options.device == "gpu" and not cluster.gpus():
        raise UserError("--device gpu: there is no GPU here; use --device auto or cpu")
    place = cluster.place(options)
    if options.device == "cpu" or not cluster.gpus():
        heap.use_huge_pages()
    if place is None:
        sys.exit(cluster.start(options))
    processes.end_with_supervisor()
    if place.first:
        numbers = recipe.of(options)
        run = start_or_resume(volume, dataset, options, "tf", dataclasses.asdict(numbers))
        if training.already_done(run):
            return
    else:
        processes.leave_words_to_the_first()
        run = RunFolder(volume.runs / (options.run or default_run(options.data, "tf")))
    with Interruption() as interruption:
        plan = Plan.of(options, len(train.pictures))
        job = Job(
            run,
            dataset,
            train,
            val,
            options,
            plan,
            recipe.of(options),
            ARCHITECTURES[options.model],
            weights,
            place,
            interruption,
        )
        with interruption.at_once():
            import trainer  # TensorFlow takes seconds to load: what can be said without it has been said
        trainer.train(job)


if __name__ == "__main__":
    run_main(main, goes_on=True)
