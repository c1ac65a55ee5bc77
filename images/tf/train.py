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
from isomer.training import Plan
from isomer.volume import Volume


def main() -> None:
    volume = Volume.from_environment()
    models = catalogue.load(Path(__file__).parent)
    task = cluster.task()
    if not cluster.gpus():
        heap.use_huge_pages()
    with Interruption() as interruption:
        with interruption.at_once(), Meeting(task) as meeting:
            options, place, dataset, weights = meeting.each(lambda: _settle(models, volume, task))
            if options.device == "cpu" and not task:  # not in the middle of a meeting, for it begins again
                heap.use_huge_pages()
            if place is None:
                sys.exit(cluster.start(options))
            processes.end_with_supervisor()
            train, val = meeting.each(lambda: (dataset.split("train"), dataset.split("val")))
            starting.compare(meeting, options, dataset, train)
            numbers = recipe.of(options)
            run = starting.begin(meeting, place.first, volume, dataset, options, "tf", dataclasses.asdict(numbers))
            if run is None:
                return
            if task:
                cluster.export(task, meeting.addresses)
        plan = Plan.of(options, len(train.pictures))
        architecture = ARCHITECTURES[options.model]
        nodes = task.nodes if task else ()
        job = Job(run, dataset, train, val, options, plan, numbers, architecture, weights, place, interruption, nodes)
        with interruption.at_once():
            import trainer  # TensorFlow takes seconds to load: what can be said without it has been said
        trainer.train(job)


def _settle(
    models: dict[str, Model], volume: Volume, task: Task | None
) -> tuple[Train, Place | None, Dataset, Weights | None]:
    """What this process is asked to do, and with what."""
    options = slurm.by_node(settle("tf", models, volume), task)
    dataset = canonical.load(volume.dataset(options.data))
    weights = pretrained.find(options.weights, models[options.model], volume, "tf")
    if options.device == "gpu" and not cluster.gpus():
        raise UserError("--device gpu: there is no GPU here; use --device auto or cpu")
    return options, cluster.place(options), dataset, weights


if __name__ == "__main__":
    run_main(main, goes_on=True)
