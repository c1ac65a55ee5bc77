"""What Slurm says of a process that it has started: which task of how many, on which nodes. Standard library only."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace

from isomer.errors import UserError
from isomer.flags import Train

NODES = "ISOMER_NODES"  # host names with commas, as our batch script has asked Slurm for them
FIRST_PORT, JOBS, PORTS = 25000, 350, 20  # of the first job, of how many, of each
RESTART = "ISOMER_RESTART"  # why the job was started again, in words: "time limit", "preempted" …


@dataclass(frozen=True)
class Task:
    """Task `rank` of `count` of a job's step, the `local`-th of its node; `nodes` are the step's, in Slurm's order."""

    rank: int
    count: int
    local: int
    node: str
    nodes: tuple[str, ...]
    job: str
    launcher: str  # address of the machine that srun runs on, usually the first node: where names are not resolved

    @property
    def first(self) -> bool:
        return self.rank == 0

    @property
    def per_node(self) -> int:
        return max(self.count // len(self.nodes), 1)

    @property
    def cores(self) -> int:
        """What of its node's processor cores is its own."""
        said = os.environ.get("SLURM_CPUS_PER_TASK")
        # where Slurm binds tasks to cores, the others' are not among those that are seen
        return int(said) if said else max(len(os.sched_getaffinity(0)) // self.per_node, 1)

    @property
    def port(self) -> int:
        """Where the first task listens; the PORTS - 1 after it are for frameworks.

        Of neighbours on a node each has its own, none that Lightning takes for another job (15000 to 24999), and none
        that Linux gives away by itself (from 32768).
        """
        return FIRST_PORT + int(self.job) % JOBS * PORTS


@dataclass(frozen=True)
class Restart:
    """Slurm has started the job again; `reason` in words, if anyone has said one."""

    job: str
    count: int
    reason: str | None


def task(environment: Mapping[str, str] = os.environ) -> Task | None:
    """The place among the tasks that one srun has started; None where that is a single one, or srun did not start it.

    A batch script sees the job's number of tasks too, but it is no task: only a step's tasks know STEP_NUM_TASKS.

    Raises:
        UserError: the names of the nodes cannot be had.
    """
    count = int(environment.get("SLURM_STEP_NUM_TASKS", 1))
    if count < 2:
        return None
    nodes = hosts(environment)
    return Task(
        rank=int(environment["SLURM_PROCID"]),
        count=count,
        local=int(environment["SLURM_LOCALID"]),
        node=environment.get("SLURMD_NODENAME") or nodes[int(environment.get("SLURM_NODEID", 0))],
        nodes=nodes,
        job=environment["SLURM_JOB_ID"],
        launcher=environment.get("SLURM_LAUNCH_NODE_IPADDR") or nodes[0],
    )


def by_node(options: Train, found: Task | None) -> Train:
    """--devices as Slurm has started tasks on each node, where it is not given.

    Raises:
        UserError: so many tasks as were started are not --devices × --nodes.
    """
    if found is None:
        return options
    if options.devices is None and found.per_node > 1:
        options = replace(options, devices=found.per_node)
    check(options, found.count, "slurm")
    return options


def check(options: Train, started: int, by: str) -> None:
    """Hold the number of processes that somebody has started against what the flags say.

    Raises:
        UserError: they differ.
    """
    wanted = (options.devices or 1) * options.nodes
    if started != wanted:
        raise UserError(
            f"--devices {options.devices or 1} and --nodes {options.nodes} make {wanted} processes, but {by} "
            f"started {started}: give the numbers that it was started with"
        )


def hosts(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The host names of the nodes of this step.

    Raises:
        UserError: neither the batch script nor Slurm's own tool says them.
    """
    count = int(environment.get("SLURM_STEP_NUM_NODES", environment.get("SLURM_NNODES", 1)))
    said = tuple(environment.get(NODES, "").split(","))
    if len(said) == count and all(said):
        return said
    short = environment.get("SLURM_STEP_NODELIST", environment.get("SLURM_JOB_NODELIST", ""))
    if "[" not in short:
        return tuple(short.split(","))
    try:
        shown = subprocess.run(["scontrol", "show", "hostnames", short], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise UserError(
            f"which nodes are {short}? scontrol cannot be asked here ({error}): export {NODES} in the batch script, as "
            f"`{NODES}=$(scontrol show hostnames | paste -sd,)`"
        ) from None
    return tuple(shown.stdout.split())


def restart(environment: Mapping[str, str] = os.environ) -> Restart | None:
    """Whether this is a job that goes on after Slurm, or the job itself, has put it back into the queue."""
    count = int(environment.get("SLURM_RESTART_COUNT") or 0)
    reason = environment.get(RESTART) or None
    if not count and not reason:
        return None
    return Restart(environment.get("SLURM_JOB_ID", ""), count, reason)
