"""What was made from the repository's files, and no longer fits them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from launcher import locks, project
from launcher.checkup import NOTE, WARNING, Finding, World
from launcher.engines import docker, venv

PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;]+)", re.MULTILINE)


def find_stale(world: World) -> Iterator[Finding]:
    """Images or environments that were made from other files than those here."""
    if not world.is_usable:
        return
    for name in project.images():
        if world.engine == docker.NAME and docker.built(name) is not None and not docker.is_ready(name):
            sentence = f"the image of {name} was made from other files than those here; the next step builds it anew"
            yield Finding(f"image-stale-{name}", NOTE, sentence, f"./inv build --image {name}")
        if world.engine == venv.NAME and not venv.is_ready(name) and list(venv.VENVS.glob(f"{name}-*")):
            sentence = f"the environment of {name} was made from another lock; the next step makes a new one"
            yield Finding(f"environment-stale-{name}", NOTE, sentence, f"./inv build --engine venv --image {name}")


def find_locks(world: World) -> Iterator[Finding]:
    """Locks that hold other versions than their requirements ask for."""
    for source in locks.locked():
        lock = source.with_suffix(".lock")
        held = dict(_pins(lock.read_text())) if lock.is_file() else {}
        for name, version in _pins(source.read_text()):
            if held.get(name) != version:
                there = f"has {held[name]}" if name in held else "does not have it"
                sentence = f"{source.relative_to(project.ROOT)} asks for {name} {version}; its lock {there}"
                yield Finding("lock-out-of-date", WARNING, sentence, "./inv lock")
                break


def _pins(text: str) -> list[tuple[str, str]]:
    return [(name.lower().replace("_", "-").replace(".", "-"), version) for name, version in PIN.findall(text)]
