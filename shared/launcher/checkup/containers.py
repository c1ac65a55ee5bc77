"""Docker: its command, its engine, and what a step needs of both."""

from __future__ import annotations

import datetime
import functools
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docker.errors import DockerException

from launcher.checkup import NOTE, Finding, World
from launcher.engines import docker as engine

OLDEST = (20, 10)  # compose.yaml's mounts and the Dockerfiles' BuildKit work from there on
INSTALL = "curl -fsSL https://get.docker.com | sudo sh"
PLUGINS = {"compose": "docker-compose-plugin", "buildx": "docker-buildx-plugin"}
CLOCK_SECONDS = 5.0
UNREACHABLE = (DockerException, OSError)


def find_engine(world: World) -> Iterator[Finding]:
    """No command, no engine, no permission; or one that is too old, or another user's."""
    try:
        info = information(world)
    except UNREACHABLE as error:
        yield _unreachable(world, str(error))
        return
    version = info.get("ServerVersion", "")
    if _numbers(version) < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        sentence = f"the Docker engine is version {version}; {wanted} or newer is needed"
        yield world.failure("engine-too-old", sentence, INSTALL, engine.NAME)
    if any("rootless" in option for option in info.get("SecurityOptions") or ()):
        yield world.failure(
            "engine-rootless",
            "the Docker engine is rootless: a step's user is another one than you, and cannot write your data volume",
            "docker context use default    # or: ISOMER_ENGINE=venv ./inv …",
            engine.NAME,
        )


def find_plugins(world: World) -> Iterator[Finding]:
    """The docker command's parts that steps and builds call."""
    program = world.which("docker")
    if program is None:
        return
    for name, package in PLUGINS.items():
        if world.ask(program, name, "version").returncode != 0:
            sentence = f"the docker command has no {name} plug-in"
            yield world.failure(f"{name}-missing", sentence, f"sudo apt-get install {package}", engine.NAME)


def find_clock_difference(world: World) -> Iterator[Finding]:
    """The engine's clock, where it runs in a machine of its own, against ours."""
    try:
        said = information(world).get("SystemTime", "")
    except UNREACHABLE:
        return
    # nanoseconds are more digits than Python reads
    known = re.match(r"(.*?\.\d{1,6})\d*(Z|[+-]\d\d:\d\d)$", said)
    if known:
        theirs = datetime.datetime.fromisoformat(known[1] + known[2].replace("Z", "+00:00"))
        ahead = (theirs - datetime.datetime.now(datetime.UTC)).total_seconds()
        if abs(ahead) > CLOCK_SECONDS:
            words = f"the Docker engine's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} this one"
            yield world.failure("clock-skew", words, "sudo timedatectl set-ntp true", engine.NAME)


def information(world: World) -> dict[str, Any]:
    """What the engine says of itself (`docker info`), asked once a world.

    Raises:
        UNREACHABLE: no engine answers.
    """
    return _information(engine.address(world.env))


@functools.cache
def _information(address: str | None) -> dict[str, Any]:
    return engine.connect(address, timeout=4).info()


def _unreachable(world: World, error: str) -> Finding:
    """Why no engine answers; a note where Docker was never installed: the other engine is there."""
    program = world.which("docker")
    address = engine.address(world.env) or "unix:///var/run/docker.sock"
    socket = Path(address.removeprefix("unix://"))
    is_there = address.startswith("unix://") and socket.exists() and stat.S_ISSOCK(socket.stat().st_mode)
    if program is None and not is_there:
        return Finding("engine-missing", NOTE, "there is no Docker here: steps run in virtual environments", INSTALL)
    if "Permission denied" in error or (is_there and not os.access(socket, os.R_OK | os.W_OK, effective_ids=True)):
        return world.failure(
            "engine-no-permission",
            f"a Docker engine is there, but this user may not use {socket}",
            'sudo usermod -aG docker "$USER" && newgrp docker',
            engine.NAME,
        )
    return world.failure(
        "engine-not-running", f"no Docker engine answers at {address}", "sudo systemctl start docker", engine.NAME
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(word) for word in re.findall(r"\d+", version)[:2])
