"""train-torch: a detector on a dataset of the volume. The same command again goes on where it stopped."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import cluster
import passive  # noqa: F401 (before torch)
import recipe
from job import Job

from isomer import catalogue, pretrained, processes, training
from isomer.dataset import canonical
from isomer.errors import UserError, run_main
from isomer.flags import Train
from isomer.interruption import Interruption
from isomer.run import RunFolder, start_or_resume
from isomer.settings import settle
from isomer.stream import Stream
from isomer.training import Plan
from isomer.volume import Volume, default_run


def main() -> None:
    volume = Volume.from_environment()
    models = catalogue.load(Path(__file__).parent)
    options = settle("torch", models, volume)
    place = cluster.place(options)
    _check(options)
    dataset = canonical.load(volume.dataset(options.data))
    train, val = dataset.split("train"), dataset.split("val")
    weights = pretrained.find(options.weights, models[options.model], volume, "torch")
    if place is None:
        sys.exit(cluster.start(options))
    processes.end_with_supervisor()
    numbers = recipe.of(options)
    if place.first:
        run = start_or_resume(volume, dataset, options, "torch", dataclasses.asdict(numbers))
        if training.already_done(run):
            return
    else:
        processes.leave_words_to_the_first()
        run = RunFolder(volume.runs / (options.run or default_run(dataset.name, "torch")))
    with Interruption() as interruption:
        stream = Stream(train.pictures, options.seed, options.balance)
        plan = Plan.of(options, len(stream))
        job = Job(run, dataset, train, val, stream, options, plan, numbers, weights, place, interruption)
        with interruption.at_once():
            import trainer  # torch takes seconds to load: what can be said without it has been said
        trainer.train(job)


def _check(options: Train) -> None:
    """What can be wrong with the flags together, on this machine.

    Raises:
        UserError: as it says.
    """
    if cluster.share(options) < 2:
        raise UserError(
            f"--batch {options.batch} leaves batch normalisation nothing to average over: give 2 or more for "
            "each device, node and accumulated batch"
        )
    if options.device == "cpu":
        cluster.check_cores(options.devices or 1)
    elif options.device == "gpu" or (options.devices or 1) > 1:
        import device  # torch takes seconds to import: only where its answer decides whether there is a run

        if device.choose(options.device, options.devices or 1).type == "cpu":
            cluster.check_cores(options.devices or 1)


if __name__ == "__main__":
    run_main(main, goes_on=True)
