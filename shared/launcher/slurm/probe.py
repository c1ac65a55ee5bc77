"""Asking the nodes, before a job waits for them, whether they see what it needs: volume, code, environment."""

from __future__ import annotations

import hashlib
import os
import secrets
import shlex
import subprocess
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from isomer import files
from isomer.errors import UserError
from isomer.progress import say
from launcher import project
from launcher.slurm import batch, queue
from launcher.slurm.site import Site
from launcher.step import Step

SECONDS = 24 * 3600.0  # for which an answer is believed
APART_SECONDS = 30.0  # of clocks, from which files seem newer than they are
KEPT = project.STATE / "slurm"


@dataclass(frozen=True)
class Need:
    """What every node must have: a command of the shell that succeeds there, and what is said of a node where not."""

    test: str
    sentence: str


def check(step: Step, site: Site, gpus: int, needs: Sequence[Need], lock: Path) -> None:
    """Run a small job on as many nodes as the step's, unless that went well within a day.

    Args:
        needs: of the environment.
        lock: the locked set that the environment is of.

    Raises:
        UserError: Slurm refuses it, or a node does not see the volume, the repository or the environment, sees another
            lock, or has another time; the node is named.
    """
    volume = project.make_volume().root
    _check_shared(site, volume)
    wanted = [str(word) for word in (volume, project.ROOT, files.sha256_of_file(lock), step.nodes, gpus > 0)]
    wanted += [need.test for need in needs] + batch.surroundings(site)
    wanted += [f"{key}={value}" for key, value in batch.place(site).items()]
    done = KEPT / hashlib.sha256("\n".join(wanted).encode()).hexdigest()[:16]
    if done.is_file() and time.time() - done.stat().st_mtime < SECONDS:
        return
    say(f"asking {step.nodes} node{'s' * (step.nodes > 1)} whether they see {volume} (once a day)")
    token = volume / f".probe-{secrets.token_hex(4)}"
    token.touch()
    try:
        answers = _ask(step, site, gpus, token, needs, lock)
    finally:
        for path in volume.glob(f"{token.name}*"):
            path.unlink(missing_ok=True)
    _judge(answers, step.nodes, token, needs, lock)
    KEPT.mkdir(parents=True, exist_ok=True)
    done.write_text("\n".join(wanted) + "\n")


def _check_shared(site: Site, volume: Path) -> None:
    """Refuse what the site says no node will see."""
    folders = [Path(word) for word in site.shared]
    for what, path in (("the data volume", volume), ("the repository", project.ROOT)):
        if folders and not any(path.is_relative_to(folder) for folder in folders):
            said = ", ".join(site.shared)
            cure = "set ISOMER_DATA to a folder there" if path == volume else "clone it there"
            raise UserError(
                f"{what} {path} lies below none of what all nodes see ({said}; {site.where('shared')}): {cure}"
            )


def _ask(
    step: Step, site: Site, gpus: int, token: Path, needs: Sequence[Need], lock: Path
) -> list[tuple[float, list[str]]]:
    """What each node says, a line of words, and when it came."""
    quoted = {"token": token, "root": project.ROOT / "tasks.py", "lock": lock}
    values = " ".join(f"{key}={shlex.quote(str(value))}" for key, value in quoted.items())
    lines = [
        f"{values}; name=${{SLURMD_NODENAME:-$(hostname)}}",
        '[ -e "$token" ] && seen=yes || seen=no; touch "$token-$name" 2>/dev/null && written=yes || written=no',
        '[ -e "$root" ] && code=yes || code=no; set -- $(sha256sum "$lock" 2>/dev/null); lacks=none',
        *("{", *batch.surroundings(site), ":", "} >/dev/null 2>&1"),
        *(f"[ $lacks != none ] || {need.test} >/dev/null 2>&1 || lacks={place}" for place, need in enumerate(needs)),
        'echo "probe $name $seen $written $code $lacks ${1:-none} $(date +%s.%N)"',
    ]
    options = [f"--{key}={value}" for key, value in batch.place(site).items() if value is not None]
    options += [f"--gres=gpu:{gpus}"] if gpus else []
    options += ["--job-name", f"{queue.PREFIX}probe", "--time=2", f"--nodes={step.nodes}", "--ntasks-per-node=1"]
    line = ["srun", *options, *_plain(site.options), "/bin/bash", "-c", "\n".join(lines)]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("SRUN_", "SLURM_"))}
    environment |= {key: os.environ[key] for key in ("SLURM_CONF", "SLURM_CLUSTERS") if key in os.environ}
    child = subprocess.Popen(
        line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    answers, errors = [], []
    try:
        assert child.stdout and child.stderr
        for text in child.stdout:
            answers.append((time.time(), text.split()))
        errors = child.stderr.read().splitlines()
        code = child.wait()
    except BaseException:
        child.terminate()
        with suppress(subprocess.TimeoutExpired):
            child.wait(5)
        raise
    if code != 0 and not answers:
        raise UserError(queue.refusal("\n".join(errors), site))
    return [(when, words) for when, words in answers if words[:1] == ["probe"] and len(words) == 8]


def _plain(options: Iterable[str]) -> list[str]:
    return batch.sbatch_words(options)


def _judge(answers: list[tuple[float, list[str]]], nodes: int, token: Path, needs: Sequence[Need], lock: Path) -> None:
    """Say what is wrong, of the first node where something is."""
    volume, wanted = token.parent, files.sha256_of_file(lock)
    for when, (_, name, seen, written, code, lacks, sha256, clock) in answers:
        if seen == "no":
            raise UserError(
                f"node {name} does not see the data volume {volume}: put it on a file system that all nodes share, and "
                "say where it is with ISOMER_DATA"
            )
        if written == "no":
            raise UserError(f"node {name} cannot write in the data volume {volume}: check its owner and mount there")
        if code == "no":
            raise UserError(
                f"node {name} does not see the repository {project.ROOT}: clone it on a file system that all nodes "
                "share"
            )
        if sha256 != wanted:
            raise UserError(f"node {name} has another {lock.name} than this machine: let both see the same {lock}")
        if lacks != "none":
            raise UserError(f"node {name} {needs[int(lacks)].sentence}")
        if abs(when - float(clock)) > APART_SECONDS:
            raise UserError(
                f"the clock of node {name} is {float(clock) - when:+.0f} s off this machine's: let its administrator "
                "start time synchronisation, or files will seem newer than they are"
            )
    if len(answers) < nodes:
        raise UserError(f"only {len(answers)} of {nodes} nodes answered a probe job: see `sinfo`")
