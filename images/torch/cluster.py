"""Which of a run's processes this one is, as torchrun, Slurm or Kubeflow have said in its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass

from isomer import processes, slurm
from isomer.errors import UserError
from isomer.flags import Train
from isomer.slurm import Task

LOCALHOST = "127.0.0.1"


@dataclass(frozen=True)
class Place:
    """Process `rank` of `world`, the `local`-th of its machine; `by` is who started it."""

    rank: int = 0
    world: int = 1
    local: int = 0
    by: str = ""

    @property
    def first(self) -> bool:
        """Whether it is the one that writes."""
        return self.rank == 0


# who, and its variables for rank, world, local; Kubeflow's PyTorchJob starts one process a pod
STARTERS = (
    ("torchrun", ("RANK", "WORLD_SIZE", "LOCAL_RANK")),
    ("kubeflow", ("RANK", "WORLD_SIZE")),
)


def task(environment: Mapping[str, str] = os.environ) -> Task | None:
    """What Slurm says, unless it has started torchrun, which then says it."""
    return None if _found(environment) else slurm.task(environment)


def place(options: Train, environment: Mapping[str, str] = os.environ) -> Place | None:
    """This process's place; None where it has still to start the run's processes itself.

    Raises:
        UserError: so many processes as were started are not --devices × --nodes; --nodes without anyone who says which
            node this is.
    """
    wanted = (options.devices or 1) * options.nodes
    found = _found(environment)
    if found is None and (of_slurm := slurm.task(environment)):
        found = Place(of_slurm.rank, of_slurm.count, of_slurm.local, "slurm")
    if found is None:
        if options.nodes > 1 and not {"NODE_RANK", "MASTER_ADDR"} <= environment.keys():
            raise UserError(
                f"--nodes {options.nodes}: nothing says which node this is. Start it on every node with torchrun, srun "
                "or a PyTorchJob, or set MASTER_ADDR, MASTER_PORT and NODE_RANK"
            )
        return None if wanted > 1 else Place()
    slurm.check(options, found.world, found.by)
    return found


def export(found: Task, addresses: Sequence[str], environment: MutableMapping[str, str] = os.environ) -> None:
    """Say in the environment how the processes of a step of Slurm reach one another, for Lightning and for gloo.

    Args:
        addresses: of all processes, in their order.
    """
    # a step may have fewer nodes and tasks than its job, of which Lightning would read
    environment |= {
        "SLURM_NTASKS": str(found.count),
        "SLURM_NTASKS_PER_NODE": str(found.per_node),
        "SLURM_NNODES": str(len(found.nodes)),
        "MASTER_ADDR": addresses[0],
    }
    environment.setdefault("OMP_NUM_THREADS", str(found.cores))
    # it warns of addresses without a name
    environment.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    # gloo takes the interface of the host's own name, which on many machines is the loopback's
    interface = processes.interface_of(addresses[found.rank])
    if interface:
        environment.setdefault("GLOO_SOCKET_IFNAME", interface)


def _found(environment: Mapping[str, str]) -> Place | None:
    for name, variables in STARTERS:
        values = [int(environment[key]) for key in variables if key in environment]
        if len(values) == len(variables) and values[1] > 1:
            return Place(values[0], values[1], values[2] if len(values) > 2 else 0, name)
    return None


def share(options: Train) -> int:
    """Pictures of a batch: what a process computes at once.

    Raises:
        UserError: --batch cannot be divided by processes and --accumulate.
    """
    world = (options.devices or 1) * options.nodes
    parts = world * options.accumulate
    if options.batch % parts:
        near = max(round(options.batch / parts), 1) * parts
        raise UserError(
            f"--batch {options.batch} is the pictures of a step over all devices and nodes; {world} processes and "
            f"--accumulate {options.accumulate} cannot divide it evenly: give --batch {near}"
        )
    return options.batch // parts


def check_cores(count: int) -> None:
    """--devices with --device cpu are processes, of which each wants a core.

    Raises:
        UserError: there are fewer.
    """
    cores = len(os.sched_getaffinity(0))
    if count > cores:
        raise UserError(f"--devices {count} with --device cpu: there are {cores} processor cores here")


def start(options: Train) -> int:
    """Start this node's processes of the run, with torchrun's variables; the exit code when all have ended."""
    here, node = options.devices or 1, int(os.environ.get("NODE_RANK", 0))
    cores = len(os.sched_getaffinity(0))
    common = {
        "WORLD_SIZE": str(here * options.nodes),
        "GROUP_RANK": str(node),
        "MASTER_ADDR": os.environ.get("MASTER_ADDR", LOCALHOST),
        "MASTER_PORT": os.environ.get("MASTER_PORT") or str(processes.free_port()),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(max(cores // here, 1))),
    }
    ranks = [{"RANK": str(node * here + local), "LOCAL_RANK": str(local)} for local in range(here)]
    return processes.run_together([common | rank for rank in ranks])
