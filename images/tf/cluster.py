"""Which of a run's processes this one is, as TF_CONFIG or Slurm says; imports no framework.

Several GPUs of one machine are one process's (MirroredStrategy). Several CPU processes, several machines, or the tasks
of a Slurm job, one a device, are a cluster (MultiWorkerMirroredStrategy), which TensorFlow reads from TF_CONFIG:
https://www.tensorflow.org/guide/distributed_training#setting_up_the_tf_config_environment_variable

Under Slurm TF_CONFIG is made of what Slurm's variables say (`export`). tf.distribute's SlurmClusterResolver would have
to be given everything: by itself it asks nvidia-smi, gives every job port 8888, and sorts nodes by name as text (n10
before n2) while Slurm numbers its tasks in another order.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from isomer import processes, slurm
from isomer.errors import UserError
from isomer.flags import Train
from isomer.slurm import Task

VARIABLE = "TF_CONFIG"
EXAMPLE = '{"cluster": {"worker": ["HOST0:PORT", "HOST1:PORT"]}, "task": {"type": "worker", "index": 0}}'
GPU = re.compile(r"nvidia\d+")  # in /dev; not those of the driver itself


@dataclass(frozen=True)
class Place:
    """Process `index` of `workers`, each with `devices` of its own."""

    index: int = 0
    workers: int = 1
    devices: int = 1
    neighbours: int = 1  # processes of the run on this machine, itself among them

    @property
    def first(self) -> bool:
        """Whether it is the one that writes."""
        return self.index == 0

    @property
    def parts(self) -> int:
        """How many devices share a step."""
        return self.workers * self.devices


def place(options: Train, environment: Mapping[str, str] = os.environ) -> Place | None:
    """This process's place; None where it has still to start the run's processes itself (`start`).

    Raises:
        UserError: there are fewer devices than --devices; TF_CONFIG is missing with --nodes, cannot be read, or names
            another number of workers; --batch cannot be divided.
    """
    devices = options.devices or 1
    of_slurm = task(environment)
    if not of_slurm:
        _check_devices(options, devices)
    _check_batch(options, options.nodes * devices)
    if of_slurm:
        # a process for every device, on GPUs too: who starts the tasks need not know the framework
        return Place(of_slurm.rank, of_slurm.count, neighbours=of_slurm.per_node)
    on_cpu = devices > 1 and options.device == "cpu"
    workers = options.nodes * (devices if on_cpu else 1)
    here = devices if on_cpu else 1
    devices = 1 if on_cpu else devices
    if VARIABLE not in environment:
        if options.nodes > 1:
            raise UserError(
                f"--nodes {options.nodes}: {VARIABLE} is not set. Start it with srun, or on every machine set "
                f"{VARIABLE}='{EXAMPLE}' with your hosts and that machine's index, and give the same command"
            )
        return None if workers > 1 else Place(devices=devices)
    names, index = _read(environment[VARIABLE])
    if names != workers:
        raise UserError(
            f"{VARIABLE} names {names} workers, but --nodes {options.nodes}"
            f"{f' with --devices {options.devices} --device cpu' if on_cpu else ''} makes {workers}: let them agree"
        )
    return Place(index, workers, devices, here)


def task(environment: Mapping[str, str] = os.environ) -> Task | None:
    """What Slurm says, unless somebody has set TF_CONFIG."""
    return None if VARIABLE in environment else slurm.task(environment)


def export(found: Task, addresses: Sequence[str], environment: MutableMapping[str, str] = os.environ) -> None:
    """Set TF_CONFIG for a task of Slurm's, and show it the GPU that is its own: as many tasks as devices share a node.

    Args:
        addresses: of the machines of all tasks, in their order.
    """
    local: dict[str, int] = {}
    workers = []
    for address in addresses:
        local[address] = local.get(address, 0) + 1
        workers.append(f"{address}:{found.port + local[address]}")
    task_ = {"type": "worker", "index": found.rank}
    environment[VARIABLE] = json.dumps({"cluster": {"worker": workers}, "task": task_})
    words = environment.get("CUDA_VISIBLE_DEVICES")
    visible = words.split(",") if words else [str(number) for number in range(gpus(environment))]
    # a single one is what srun has bound to the task
    if found.per_node > 1 and len(visible) > 1:
        environment["CUDA_VISIBLE_DEVICES"] = visible[found.local % len(visible)]


def start(options: Train) -> int:
    """Run this command as a cluster of CPU processes on this machine; their exit code."""
    count = options.devices or 1
    ports: set[int] = set()
    while len(ports) < count:
        ports.add(processes.free_port())
    addresses = [f"127.0.0.1:{port}" for port in ports]
    return processes.run_together(
        [
            {VARIABLE: json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}})}
            for index in range(count)
        ]
    )


def gpus(environment: Mapping[str, str] = os.environ, devices: Path = Path("/dev")) -> int:
    """How many NVIDIA GPUs this process may use, without asking a framework."""
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        words = [word.strip() for word in visible.split(",")]
        # CUDA takes those before the first that is none
        return next((number for number, word in enumerate(words) if word in ("", "-1")), len(words))
    return sum(bool(GPU.fullmatch(path.name)) for path in devices.iterdir()) or int((devices / "dxg").exists())


def _check_devices(options: Train, wanted: int) -> None:
    if wanted == 1:
        return
    if options.device == "cpu":
        there = len(os.sched_getaffinity(0))
        if wanted > there:
            raise UserError(f"--devices {wanted} --device cpu: this machine has {there} processors")
    elif wanted > (there := gpus()):
        raise UserError(
            f"--devices {wanted}: this machine has {there} GPUs; --device cpu starts so many processes instead"
        )


def _check_batch(options: Train, devices: int) -> None:
    parts = devices * options.accumulate
    if options.batch % parts:
        near = max(round(options.batch / parts), 1) * parts
        raise UserError(
            f"--batch {options.batch} is the pictures of a step over all devices and nodes; {devices} devices and "
            f"--accumulate {options.accumulate} cannot divide it evenly: give --batch {near}"
        )
    if devices > 1 and options.batch // parts < 2:
        raise UserError(
            f"--batch {options.batch} leaves batch normalisation nothing to average over: give 2 or more for "
            "each device, node and accumulated batch"
        )


def _read(text: str) -> tuple[int, int]:
    """The number of workers in TF_CONFIG and this one's index among them; a chief comes first."""
    try:
        config = json.loads(text)
        cluster, task = config.get("cluster", {}), config.get("task", {})
        names = [(kind, index) for kind in ("chief", "worker") for index in range(len(cluster.get(kind, [])))]
        return len(names), names.index((task["type"], int(task["index"])))
    except (AttributeError, KeyError, TypeError, ValueError):
        raise UserError(
            f"{VARIABLE}={text}: it must name all workers and say which of them this one is, like {EXAMPLE}"
        ) from None
