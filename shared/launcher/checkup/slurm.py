"""A Slurm cluster: its commands, its controller, the site's settings, and what nodes will not see.

Silent where nobody means to use one: another engine, no slurm.toml.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from isomer.errors import UserError, unknown
from launcher import archives, project
from launcher.checkup import NOTE, WARNING, Finding, World, folders
from launcher.engines import slurm as engine
from launcher.engines import venv
from launcher.options import Site as Flags
from launcher.slurm import queue, runtimes, site

# file systems that are one machine's own
LOCAL = ("ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "tmpfs", "overlay")


def find_commands(world: World) -> Iterator[Finding]:
    """No commands of Slurm's, or a controller that does not answer."""
    if not _is_meant(world):
        return
    absent = [name for name in queue.COMMANDS if world.which(name) is None]
    if absent:
        sentence = f"there is no {absent[0]} here: jobs are submitted on the cluster's front node"
        cure = "ssh FRONT-NODE    # or: sudo apt-get install slurm-client, with the cluster's slurm.conf and munge key"
        yield world.failure("slurm-missing", sentence, cure, engine.NAME)
        return
    said = world.ask("scontrol", "ping")
    if "UP" not in said.stdout:
        words = " ".join((said.stderr or said.stdout).split()) or "no word"
        sentence = f"Slurm's controller does not answer: {words}"
        yield world.failure("slurm-controller-silent", sentence, "scontrol ping    # until it says UP", engine.NAME)


def find_settings(world: World) -> Iterator[Finding]:
    """No settings, wrong ones, or a partition that is not there."""
    if not _is_meant(world):
        return
    source = _source(world)
    if not source.is_file():
        sentence = f"{source} is not there: jobs get the cluster's own partition, account, time and memory"
        yield Finding("slurm-no-settings", NOTE, sentence, f"cp {site.TEMPLATE} {source}")
        return
    try:
        settings = site.read(source, Flags())
    except UserError as error:
        yield world.failure("slurm-settings-wrong", str(error), f"$EDITOR {source}", engine.NAME)
        return
    known = _partitions(world)
    if settings.partition and known and settings.partition not in known:
        sentence = f"{settings.where('partition')}: {unknown('partition', settings.partition, known)}"
        yield world.failure("slurm-partition-unknown", sentence, "sinfo --summarize", engine.NAME)


def find_what_is_not_shared(world: World) -> Iterator[Finding]:
    """A data volume, or a repository, that nodes will not see."""
    settings = _settings(world)
    if settings is None:
        return
    yield from _not_shared(world, settings, "the data volume", world.data, "export ISOMER_DATA=FOLDER-THAT-ALL-SEE")
    yield from _not_shared(world, settings, "the repository", world.root, "git clone . FOLDER-THAT-ALL-SEE")


def _not_shared(world: World, settings: site.Site, what: str, path: Path, cure: str) -> Iterator[Finding]:
    kind = folders.file_system(world, folders.nearest(path))
    if settings.shared and not any(path.is_relative_to(folder) for folder in settings.shared):
        sentence = f"{what} {path} lies below none of what all nodes see ({settings.where('shared')})"
        yield world.failure("slurm-not-shared", sentence, cure, engine.NAME)
    elif not settings.shared and kind in LOCAL:
        sentence = (
            f"{what} {path} is on a disk of this machine ({kind}); nodes see it only where it is exported to them"
        )
        yield Finding("slurm-disk-local", WARNING, sentence, cure)


def find_runtime(world: World) -> Iterator[Finding]:
    """What the environment on the nodes lacks: room, a plug-in, archives of the images as they are."""
    settings = _settings(world)
    if settings is None:
        return
    if settings.runtime == "venv":
        yield from folders.find_disk(dataclasses.replace(world, engine=venv.NAME))
        return
    if settings.runtime == "pyxis" and "--container-image" not in world.ask("srun", "--help").stdout:
        sentence = f"{settings.where('runtime')}: this cluster's srun has no --container-image, so no pyxis"
        cure = f"$EDITOR {settings.source}    # venv, or apptainer"
        yield world.failure("slurm-runtime-missing", sentence, cure, engine.NAME)
    if settings.archives is None:
        sentence = f"{settings.source}: runtime is {settings.runtime}, and archives names no folder"
        yield world.failure("slurm-no-archives", sentence, f"$EDITOR {settings.source}", engine.NAME)
        return
    for name in project.images():
        if not runtimes.of(settings).is_ready(name, "auto"):
            what = "are of other files than those here" if archives.others(name, settings.archives) else "are not there"
            sentence = f"archives of {name} {what}: {settings.archives}"
            cure = f"./inv build --archive {settings.archives} --image {name}    # on a machine with Docker"
            yield Finding(f"slurm-archive-missing-{name}", WARNING, sentence, cure)


def _is_meant(world: World) -> bool:
    return world.engine == engine.NAME or _source(world).is_file()


def _source(world: World) -> Path:
    given = world.env.get(site.VARIABLE)
    return Path(given).expanduser().absolute() if given else world.root / site.NAME


def _settings(world: World) -> site.Site | None:
    """The site's settings, where a cluster is meant and they can be read."""
    if not _is_meant(world):
        return None
    try:
        return site.read(_source(world), Flags())
    except UserError:
        return None


def _partitions(world: World) -> list[str]:
    if world.which("sinfo") is None:
        return []
    return world.ask("sinfo", "--noheader", "--format=%R").stdout.split()
