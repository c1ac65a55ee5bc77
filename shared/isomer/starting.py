"""The begin of a training in one process or in several: all have the same code, packages, flags, pictures and run."""

from __future__ import annotations

import dataclasses
import hashlib
import sys
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from isomer import processes
from isomer.dataset.canonical import Dataset, Split
from isomer.errors import UserError
from isomer.flags import FREE, Train, option
from isomer.meeting import Meeting
from isomer.progress import say
from isomer.run import RunFolder, start_or_resume
from isomer.training import already_done
from isomer.volume import Volume, default_run

CLOCK_SECONDS = 30.0  # that clocks may differ without a word
SHARED_SECONDS = 10.0  # until one node sees what another has written: NFS may take some
PROBES = 16  # pictures that are looked for on every node
VOLUME = "the data volume must be the same shared folder on all nodes"


def compare(meeting: Meeting, options: Train, dataset: Dataset, train: Split) -> None:
    """Hold the processes of a run against each other.

    Raises:
        UserError: a node runs other code, has other packages, has settled on other flags or sees another dataset.
    """
    if meeting.task is None:
        return
    mine = meeting.each(lambda: facts(options, dataset, train))
    said = [(node, found) for node, found in meeting.all((meeting.task.node, mine))]
    difference = differing(said)
    if difference:
        meeting.refuse(difference)
    meeting.all(None)  # so that all look at their clocks at the same moment
    for words in off([(node, clock) for node, clock in meeting.all((meeting.task.node, time.time()))]):
        say(words)


def begin(
    meeting: Meeting, first: bool, volume: Volume, dataset: Dataset, options: Train, framework: str, recipe: dict
) -> RunFolder | None:
    """The run's folder, made or found by the first process; None where the run is done. The others fall silent.

    Raises:
        UserError: as of start_or_resume; a node does not see the folder that the first one has made.
    """
    if not first:
        processes.leave_words_to_the_first()
    there = RunFolder(volume.runs / (options.run or default_run(dataset.name, framework)))
    run = meeting.each(lambda: start_or_resume(volume, dataset, options, framework, recipe) if first else there)
    if meeting.task is None and not first and options.fresh:
        return run  # the first may still be clearing away what was done
    started = meeting.all(run.record().get("started") if first else None)[0]
    meeting.each(lambda: None if meeting.task is None else _wait_for(run, started))
    return None if already_done(run) else run


def facts(options: Train, dataset: Dataset, train: Split) -> dict[str, Any]:
    """What must be the same in all processes of a run.

    Raises:
        UserError: a picture of the dataset is not there.
    """
    return {
        "code": _code(),
        "packages": {one.metadata["Name"].lower(): one.version for one in metadata.distributions()},
        "flags": {key: str(value) for key, value in dataclasses.asdict(options).items() if key not in FREE},
        "dataset": [dataset.name, dataset.sha256, _probe(train)],
    }


def differing(said: Sequence[tuple[str, dict[str, Any]]]) -> str | None:
    """What of (node, facts) is not as on the first node, as a sentence."""
    first, reference = said[0]
    for node, found in said[1:]:
        if found["code"] != reference["code"]:
            return (
                f"{node} runs other code of the project than {first} (sha256 {found['code'][:12]} and "
                f"{reference['code'][:12]}): let all nodes run one copy on the shared file system"
            )
        if found["packages"] != reference["packages"]:
            names = found["packages"].items() ^ reference["packages"].items()
            name = min(name for name, _ in names)
            theirs, ours = (packages.get(name, "missing") for packages in (found["packages"], reference["packages"]))
            return (
                f"{node} has other packages than {first}: {name} is {theirs} there and {ours} on {first}: let all "
                "nodes use one environment"
            )
        if found["flags"] != reference["flags"]:
            key = next(key for key, value in found["flags"].items() if value != reference["flags"].get(key))
            return (
                f"{option(key)} has come to be {found['flags'][key]} on {node} and {reference['flags'][key]} on "
                f"{first}: {VOLUME}"
            )
        if found["dataset"] != reference["dataset"]:
            return (
                f"dataset {found['dataset'][0]!r} is another on {node} than on {first} (sha256 "
                f"{found['dataset'][1][:12]} and {reference['dataset'][1][:12]}): {VOLUME}"
            )
    return None


def off(clocks: Sequence[tuple[str, float]]) -> list[str]:
    """Warnings of (node, seconds) about clocks that are not as the first node's."""
    first, reference = clocks[0]
    apart = {node: clock - reference for node, clock in clocks}
    return [
        f"warning: the clock of {node} is {abs(by):.0f} s {'ahead of' if by > 0 else 'behind'} that of {first}: times "
        "of files will mislead; let the nodes keep time (chrony, systemd-timesyncd)"
        for node, by in apart.items()
        if abs(by) > CLOCK_SECONDS
    ]


def _code() -> str:
    """SHA-256 of the script's folder and of this library, as they are on this node."""
    digest = hashlib.sha256()
    for folder in (Path(sys.argv[0]).resolve().parent, Path(__file__).parent):
        for path in sorted(folder.rglob("*.py")):
            digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _probe(train: Split) -> list[int]:
    """Sizes of some pictures, over the whole split."""
    count = len(train.pictures)
    chosen = {round(place * (count - 1) / max(PROBES - 1, 1)) for place in range(PROBES)}
    try:
        return [train.path(train.pictures[index]).stat().st_size for index in sorted(chosen)]
    except OSError as error:
        raise UserError(f"{error.filename} cannot be read ({error.strerror}): {VOLUME}") from None


def _wait_for(run: RunFolder, started: str) -> None:
    end = time.monotonic() + SHARED_SECONDS
    while run.record().get("started") != started:
        if time.monotonic() > end:
            raise UserError(f"{run.path} is not there as the first node has made it: {VOLUME}")
        time.sleep(0.2)
