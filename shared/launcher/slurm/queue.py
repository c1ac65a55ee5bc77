"""Slurm's own commands, typed. What they refuse is said in their own words, beside the setting that it is about."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from isomer.errors import UserError
from launcher.slurm.site import Site

COMMANDS = ("sbatch", "squeue", "scontrol", "scancel", "srun")
PREFIX = "isomer-"  # of the names of our jobs
ENDED = {
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "TIMEOUT",
}
PATIENCE = 60.0  # seconds in which a controller that is being restarted may be silent
# words of sbatch's refusals, and the setting that they are about
ABOUT = (
    ("partition", "partition"),
    ("account", "account"),
    ("qos", "qos"),
    ("feature", "constraint"),
    ("constraint", "constraint"),
    ("time", "time_limit"),
    ("memory", "memory"),
    ("gres", "gpus_per_node"),
)
# squeue's reasons, in words
REASONS = {
    "None": "about to start",
    "Resources": "no nodes are free",
    "Priority": "others come first",
    "Dependency": "an earlier step has not ended",
    "BeginTime": "it starts again soon",
    "JobArrayTaskLimit": "as many of the sweep as may run at once are running",
    "PartitionNodeLimit": "the partition has not so many nodes: ask for fewer --nodes",
    "PartitionTimeLimit": "the partition allows less time: give a shorter --time-limit",
    "PartitionDown": "the partition is down",
    "ReqNodeNotAvail": "nodes that it needs are down or reserved",
    "DependencyNeverSatisfied": "an earlier step failed",
    "BadConstraints": "no nodes are like that",
    "AssocGrpCpuLimit": "your account's processors are all in use",
    "QOSMaxJobsPerUserLimit": "you have as many jobs running as you may",
}
# with which it would wait for ever
NEVER = {"PartitionNodeLimit", "PartitionTimeLimit", "BadConstraints", "DependencyNeverSatisfied"}


@dataclass(frozen=True)
class Job:
    """A job as the queue has it; `id` of an array's task is ARRAY_TASK.

    Attributes:
        state: Slurm's word: PENDING, RUNNING, COMPLETED …
        reason: why it is pending, Slurm's word.
        exit_code: of the batch script, as shells count it; 0 until it has ended.
        log: where it writes.
    """

    id: str
    name: str
    state: str
    reason: str = "None"
    nodes: str = ""
    count: int = 1
    elapsed: str = "0:00"
    restarts: int = 0
    exit_code: int = 0
    log: str = ""

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED

    @property
    def never_starts(self) -> bool:
        return self.state == "PENDING" and self.reason in NEVER

    def why(self) -> str:
        """Why it is pending, in words with Slurm's own."""
        words = REASONS.get(self.reason.partition(",")[0])
        return f"{words} ({self.reason})" if words else self.reason


def missing() -> str | None:
    """Why Slurm cannot be used here, or None."""
    absent = [name for name in COMMANDS if not shutil.which(name)]
    if absent:
        return (
            f"there is no {absent[0]} on this machine: log in to the cluster's front node, or install Slurm's client "
            "commands (Debian: slurm-client) and your cluster's slurm.conf"
        )
    done = _run(["scontrol", "ping"])
    if "UP" in done.stdout:
        return None
    if "configuration source" in done.stderr:
        return (
            "Slurm's commands find no slurm.conf on this machine: log in to the cluster's front node, or set SLURM_CONF"
        )
    return f"Slurm's controller does not answer: {_words(done.stderr or done.stdout)}"


def submit(command: Sequence[str], site: Site, after: Iterable[str] = (), ended: Iterable[str] = ()) -> str:
    """Submit a batch script; the job's id.

    Args:
        command: the script, with its arguments.
        after: jobs that must have ended well before.
        ended: jobs that must have ended, well or not.

    Raises:
        UserError: Slurm refuses it; its own words, and the setting they are about.
    """
    line = ["sbatch", "--parsable"]
    conditions = [("afterok", ":".join(after)), ("afterany", ":".join(ended))]
    if words := ",".join(f"{kind}:{ids}" for kind, ids in conditions if ids):
        line += [f"--dependency={words}", "--kill-on-invalid-dep=yes"]
    done = _run([*line, *command])
    if done.returncode != 0:
        raise UserError(refusal(done.stderr, site))
    return done.stdout.strip().partition(";")[0]


def check(command: Sequence[str], site: Site) -> None:
    """Ask Slurm whether a batch script could ever run; nothing is submitted.

    Raises:
        UserError: it could not; what the partition has is said.
    """
    done = _run(["sbatch", "--test-only", *command])
    if done.returncode != 0:
        raise UserError(f"{refusal(done.stderr, site)}{_offer(site)}")


def _offer(site: Site) -> str:
    """What the partition has, for a job that wants more."""
    which = ["--partition", site.partition] if site.partition else []
    done = _run(["sinfo", "--noheader", "--format=%P|%D|%c|%m|%G|%l", *which])
    rows = [line.split("|") for line in done.stdout.splitlines()]
    default = [row for row in rows if row[0].endswith("*")]
    said = [
        f"Partition {name.rstrip('*')} has {nodes} nodes of {cores} processors, {memory} MB, "
        f"{'no GPUs' if 'gpu' not in gres else gres.partition('(')[0]}, jobs of at most {time}"
        for name, nodes, cores, memory, gres, time in (rows if site.partition else default or rows)
    ]
    return f". {'; '.join(said)}" if said else ""


def refusal(message: str, site: Site) -> str:
    """What to tell the person whose job Slurm refuses."""
    words = _words(message)
    about = next((name for word, name in ABOUT if word in words.lower()), None)
    where = f" ({site.where(about)}; `sinfo` shows what there is)" if about else ""
    return f"Slurm refuses the job: {words}{where}"


def job(identity: str) -> Job | None:
    """A job; None where Slurm does not know it (any more).

    Raises:
        UserError: the controller has been silent for a minute.
    """
    lines = _shown(identity)
    return _parse(lines[0]) if lines else None


def tasks(array: str) -> dict[str, Job]:
    """The tasks of a job array by number, ARRAY_TASK, as far as Slurm knows them (still).

    Raises:
        UserError: the controller has been silent for a minute.
    """
    found = {}
    for line in _shown(array):
        numbers = re.search(r"ArrayTaskId=(\S+)", line)
        for number in _numbers(numbers[1]) if numbers else ():
            found[f"{array}_{number}"] = replace(_parse(line), id=f"{array}_{number}")
    return found


def _numbers(text: str) -> list[int]:
    """`0,2-4,10-19:3%2` -> 0, 2, 3, 4, 10, 13, 16, 19: an array's tasks that wait, as Slurm says them."""
    found: list[int] = []
    for part in text.partition("%")[0].split(","):
        first, _, rest = part.partition("-")
        last, _, step = rest.partition(":")
        found += range(int(first), int(last or first) + 1, int(step or 1))
    return found


def _shown(identity: str) -> list[str]:
    """What Slurm knows of a job, or of all tasks of an array, a line each; none where it does not know it."""
    deadline = time.monotonic() + PATIENCE
    while True:
        done = _run(["scontrol", "show", "job", "-o", identity])
        if done.returncode == 0:
            return done.stdout.splitlines()
        if "Invalid job id" in done.stderr:
            return []
        if time.monotonic() > deadline:
            raise UserError(
                f"Slurm's controller does not answer: {_words(done.stderr)}. Job {identity} is not touched by that: "
                f"./inv jobs shows it, ./inv jobs-log {identity} its log"
            )
        time.sleep(1)


def jobs() -> list[Job]:
    """This user's jobs of ours that are pending or running, oldest first.

    Raises:
        UserError: Slurm cannot say.
    """
    done = _run(["squeue", "--me", "--noheader", "--array", "--sort=i", "--format=%i|%j|%T|%r|%N|%D|%M"])
    if done.returncode != 0:
        raise UserError(f"squeue: {_words(done.stderr)}")
    rows = [line.split("|") for line in done.stdout.splitlines()]
    return [
        Job(row[0], row[1], row[2], row[3], row[4], int(row[5]), row[6]) for row in rows if row[1].startswith(PREFIX)
    ]


def cancel(identity: str) -> None:
    """Cancel a job: its training saves first.

    Raises:
        UserError: Slurm refuses.
    """
    done = _run(["scancel", identity])
    if done.returncode != 0:
        raise UserError(f"job {identity} is not cancelled: {_words(done.stderr)}")


def has_gpus(partition: str | None) -> bool:
    """Whether nodes of a partition (None: of any) have GPUs."""
    which = ["--partition", partition] if partition else []
    return "gpu" in _run(["sinfo", "--noheader", "--format=%G", *which]).stdout


def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """One of Slurm's commands, to its end."""
    return _run(command)


def _parse(line: str) -> Job:
    values = dict(re.findall(r"(\w+)=(\S*)", line))
    code, _, signal = values.get("ExitCode", "0:0").partition(":")
    task = values.get("ArrayTaskId", "")
    return Job(
        id=f"{values['ArrayJobId']}_{task}" if task.isdigit() else values["JobId"],
        name=values.get("JobName", ""),
        state=values["JobState"],
        reason=values.get("Reason", "None"),
        nodes=values.get("NodeList", "").replace("(null)", ""),
        count=int(values.get("NumNodes", "1").partition("-")[0]),
        elapsed=values.get("RunTime", ""),
        restarts=int(values.get("Restarts", 0)),
        exit_code=int(code) or (128 + int(signal) if int(signal or 0) else 0),
        log=values.get("StdOut", ""),
    )


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    # squeue's columns could be set otherwise by the user
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("SQUEUE_", "SBATCH_"))}
    clean["SLURM_BITSTR_LEN"] = "0"  # the numbers of an array's tasks, however many
    return subprocess.run(
        list(command), capture_output=True, text=True, check=False, env=clean, stdin=subprocess.DEVNULL
    )


def _words(message: str) -> str:
    """Slurm's message without the names of its commands, in one line."""
    lines = [re.sub(r"^(\w+: (error: )?|allocation failure: )", "", line).strip() for line in message.splitlines()]
    return "; ".join(dict.fromkeys(line for line in lines if line)) or "it does not say why"
