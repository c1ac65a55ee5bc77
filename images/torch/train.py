"""train-torch: a detector on a dataset of the volume. The same command again goes on where it stopped."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import cluster
import passive  # noqa: F401 (before torch)
import recipe
from cluster import Place
from job import Job

from isomer import catalogue, pretrained, processes, slurm, starting
from isomer.catalogue import Model
from isomer.dataset import canonical
from isomer.dataset.canonical import Dataset
from isomer.errors import UserError, run_main
from isomer.flags import Train
from isomer.interruption import Interruption
from isomer.meeting import Meeting
from isomer.pretrained import Weights
from isomer.settings import settle
from isomer.slurm import Task
from isomer.stream import Stream
from isomer.training import Plan
from isomer.volume import Volume


def main() -> None:
    volume = Volume.from_environment()
    models = catalogue.load(Path(__file__).parent)
    task = cluster.task()
    with Interruption() as interruption:
        with interruption.at_once(), Meeting(task) as meeting:
            options, place, dataset, weights = meeting.each(lambda: _settle(models, volume, task))
            if place is None:
                sys.exit(cluster.start(options))
            processes.end_with_supervisor()
            train, val = meeting.each(lambda: (dataset.split("train"), dataset.split("val")))
            starting.compare(meeting, options, dataset, train)
            numbers = recipe.of(options)
            run = starting.begin(meeting, place.first, volume, dataset, options, "torch", dataclasses.asdict(numbers))
            if run is None:
                return
            if task:
                cluster.export(task, meeting.addresses)
        nodes = task.nodes if task else ()
        stream = Stream(train.pictures, options.seed, options.balance)
        plan = Plan.of(options, len(stream))
        job = Job(run, dataset, train, val, stream, options, plan, numbers, weights, place, interruption, nodes)
        with interruption.at_once():
            import trainer  # torch takes seconds to load: what can be said without it has been said
        trainer.train(job)


def _settle(
    models: dict[str, Model], volume: Volume, task: Task | None
) -> tuple[Train, Place | None, Dataset, Weights | None]:
    """What this process is asked to do, and with what."""
    options = slurm.by_node(settle("torch", models, volume), task)
    place = cluster.place(options)
    _check(options, started=task is not None)
    dataset = canonical.load(volume.dataset(options.data))
    return options, place, dataset, pretrained.find(options.weights, models[options.model], volume, "torch")


def _check(options: Train, *, started: bool) -> None:
    """What can be wrong with the flags together, on this machine.

    Args:
        started: Slurm has started the processes, and given each its cores.

    Raises:
        UserError: as it says.
    """
    if cluster.share(options) < 2:
        raise UserError(
            f"--batch {options.batch} leaves batch normalisation nothing to average over: give 2 or more for "
            "each device, node and accumulated batch"
        )
    if started:
        return
    if options.device == "cpu":
        cluster.check_cores(options.devices or 1)
    elif options.device == "gpu" or (options.devices or 1) > 1:
        import device  # torch takes seconds to import: only where its answer decides whether there is a run

        if device.choose(options.device, options.devices or 1).type == "cpu":
            cluster.check_cores(options.devices or 1)


if __name__ == "__main__":
    run_main(main, goes_on=True)
