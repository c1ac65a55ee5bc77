"""Which of a run's processes this one is, as torchrun, SLURM or Kubeflow have said in its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from isomer import processes
from isomer.errors import UserError
from isomer.flags import Train

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
    ("slurm", ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID")),
    ("kubeflow", ("RANK", "WORLD_SIZE")),
)


def place(options: Train, environment: Mapping[str, str] = os.environ) -> Place | None:
    """This process's place; None where it has still to start the run's processes itself.

    Raises:
        UserError: so many processes as were started are not --devices × --nodes; --nodes without anyone who says which
            node this is.
    """
    wanted = (options.devices or 1) * options.nodes
    found = _found(environment)
    if found is None:
        if options.nodes > 1 and not {"NODE_RANK", "MASTER_ADDR"} <= environment.keys():
            raise UserError(
                f"--nodes {options.nodes}: nothing says which node this is. Start it on every node with torchrun, srun "
                "or a PyTorchJob, or set MASTER_ADDR, MASTER_PORT and NODE_RANK"
            )
        return None if wanted > 1 else Place()
    if found.world != wanted:
        raise UserError(
            f"--devices {options.devices or 1} and --nodes {options.nodes} make {wanted} processes, but {found.by} "
            f"started {found.world}: give the numbers that it was started with"
        )
    return found


def _found(environment: Mapping[str, str]) -> Place | None:
    for name, variables in STARTERS:
        values = [int(environment[key]) for key in variables if key in environment]
        # a single task is what a SLURM batch script itself is
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
