"""The docker engine: `docker compose run`, with compose.yaml saying what a step may do."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from isomer import answers
from isomer.errors import UserError
from launcher import mounts, process, project
from launcher.process import Command
from launcher.step import Step, provenance

NAME = "docker"
LISTEN = "0.0.0.0"  # inside a container, whose port is given to 127.0.0.1 of this machine alone
IN_BACKGROUND = False  # a build says much, and takes the whole processor
GPU_FILE, CAMERA_FILE, SCREEN_FILE = "compose.gpu.yaml", "compose.camera.yaml", "compose.screen.yaml"
INPUTS_LABEL = "isomer.inputs"


def address(env: Mapping[str, str]) -> str | None:
    """Where the engine is that the docker command would talk to; None for the place that Docker has by itself."""
    from docker.context import ContextAPI

    if env.get("DOCKER_HOST"):
        return env["DOCKER_HOST"]
    context = ContextAPI.get_current_context()
    return context.Host if context else None


def connect(address: str | None, timeout: float = 20) -> Any:
    """A client of the engine at an address.

    Raises:
        docker.errors.DockerException: none answers within `timeout` seconds.
    """
    import docker

    made = docker.DockerClient(base_url=address, timeout=timeout) if address else docker.from_env(timeout=timeout)
    made.ping()
    return made


@cache
def client() -> Any:
    """A client of the engine; raises as connect does."""
    return connect(address(os.environ))


@cache
def unavailable() -> str | None:
    import docker

    try:
        client()
    except (docker.errors.DockerException, OSError) as error:
        if "Permission denied" in str(error):
            return "a Docker engine is there, but this user may not use it (is it in the group docker?)"
        return "no Docker engine answers; start one, or see `docker info`"
    try:
        done = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    except OSError:
        return "an engine answers, but there is no docker command"
    return None if done.returncode == 0 else "an engine answers, but docker has no compose plug-in"


@cache
def gpu() -> str | None:
    return "the NVIDIA runtime" if "nvidia" in client().info().get("Runtimes", {}) else None


def version() -> str:
    return f"Docker {client().version()['Version']}, compose.yaml"


def place() -> Path:
    """Where the engine keeps its images (its own disk, when it runs elsewhere)."""
    return Path(client().info()["DockerRootDir"])


def lock_of(image: str, device: str = "auto") -> Path:
    """The locked set that is in an image."""
    return project.lock_of(image)


def image_tag(image: str) -> str:
    return f"isomer-{image}"


def built(image: str) -> Any | None:
    """The built image, as the SDK gives it."""
    from docker.errors import ImageNotFound

    try:
        return client().images.get(image_tag(image))
    except ImageNotFound:
        return None


def is_ready(image: str, device: str = "auto") -> bool:
    found = built(image)
    return found is not None and found.labels.get(INPUTS_LABEL) == project.inputs_sha256(image)


def prepare(image: str, device: str = "auto") -> None:
    """Build an image that is missing or was made from other files."""
    if not is_ready(image):
        build(image)


def build(image: str) -> None:
    """Build an image; what has not changed comes from the engine's cache.

    Raises:
        UserError: the build failed.
    """
    inputs = project.inputs_sha256(image)
    made = Command(("docker", "compose", "build", "--build-arg", f"INPUTS={inputs}", image), _caller())
    process.show(made)
    if process.run(made) != 0:
        hint = (
            "" if "ISOMER_BASE_IMAGE" in os.environ else "; ISOMER_BASE_IMAGE names a base where no registry is reached"
        )
        raise UserError(f"could not build the image of {image} (see above){hint}")


def web(image: str) -> str:
    """The folder of onnxruntime-web's files, as a step sees it: in the image since its build."""
    return mounts.WEB


def describe(image: str) -> str:
    """The image's name and unpacked size."""
    found = built(image)
    if found is None:
        return "no image yet"
    return f"{image_tag(image)}, {found.attrs['Size'] / 1e9:.2f} GB" + (
        "" if is_ready(image) else ", to be built again"
    )


def command(step: Step, name: str) -> Command:
    """The command that runs a step in a container called `name`."""
    service = step.image if not step.network else f"{step.image}-online"
    added = _added(step)
    files = [word for name in ("compose.yaml", *added) for word in ("-f", name)] if added else []
    options: list[str] = ["--rm", "--name", name]
    if not _has_terminal():
        options.append("--no-TTY")
    for path, writes in mounts.of(step).items():
        if ":" in str(path):
            raise UserError(f"Docker cannot mount a path with a colon: {path}")
        options += ["--volume", f"{path}:{mounts.inside(path)}{'' if writes else ':ro'}"]
    if step.port:
        options += ["--publish", f"127.0.0.1:{step.port}:{step.port}"]
    env = {key: mounts.seen(value) for key, value in step.env.items()}
    if step.tests:
        env["ISOMER_SCRIPTS"] = str(mounts.CODE / "images" / step.image)
        options += ["--workdir", str(mounts.CODE)]
        for item in ("tests", "docs", "pyproject.toml"):
            options += ["--volume", f"{project.ROOT / item}:{mounts.CODE / item}:ro"]
    for key, value in env.items():
        options += ["--env", f"{key}={value}"]
    argv = [mounts.seen(item) for item in step.argv]
    found = built(step.image)
    known = provenance(step.image, NAME, found.id if found else "unknown", project.lock_of(step.image))
    known.pop("ISOMER_ENGINE")  # compose.yaml says it
    line = ("docker", "compose", *files, "run", *options, service, step.program, *argv)
    return Command(line, {**_caller(), **known, **_machine(step)})


def _added(step: Step) -> list[str]:
    """The compose files that map of this machine what the step asks for."""
    wanted = {GPU_FILE: gpu() and step.device != "cpu", CAMERA_FILE: step.camera, SCREEN_FILE: step.screen}
    return [name for name, is_wanted in wanted.items() if is_wanted]


def _machine(step: Step) -> dict[str, str]:
    """What those files must be told.

    Raises:
        UserError: the screen is not one of this machine.
    """
    told = {}
    if step.camera:
        told |= {"ISOMER_CAMERA": str(step.camera), "ISOMER_CAMERA_GROUP": str(step.camera.stat().st_gid)}
    if step.screen:
        display = os.environ.get("DISPLAY", "")
        if not display.startswith(":"):
            raise UserError(
                f"--show: a container reaches only an X screen of this machine, and DISPLAY is {display!r}; "
                "use --engine venv"
            )
        told |= {"ISOMER_HOSTNAME": socket.gethostname(), "ISOMER_XAUTHORITY": _cookies()}
    return told


def _cookies() -> str:
    """The file that lets its owner use the X server; empty where the server knows its users otherwise."""
    path = Path(os.environ.get("XAUTHORITY") or Path.home() / ".Xauthority")
    return str(path) if path.is_file() else ""


def shown(step: Step) -> str:
    """The command of a step, for --dry-run."""
    return command(step, f"isomer-{step.image}").line()


def run(step: Step) -> int:
    project.make_volume()
    name = f"isomer-{step.image}-{secrets.token_hex(4)}"
    made = command(step, name)
    process.show(made)
    # the compose command would leave at once and its container behind
    return process.run(
        made,
        foreground=_has_terminal(),
        answers_here=step.is_answer,
        ask_to_stop=lambda: interrupt(name),
        on_stop=lambda: remove(name),
    )


def interrupt(name: str) -> bool:
    """What Ctrl-C does, to the step in a container; false when there is no such container."""
    from docker.errors import APIError, NotFound

    try:
        client().containers.get(name).kill("SIGINT")
    except (NotFound, APIError):
        return False
    return True


def remove(name: str) -> None:
    """Stop and remove a container that may still be there."""
    from docker.errors import APIError, NotFound

    with contextlib.suppress(NotFound, APIError):
        client().containers.get(name).remove(force=True)


def _caller() -> dict[str, str]:
    """What compose.yaml must be told: who asks, and where the data is."""
    return {
        "ISOMER_UID": str(os.getuid()),
        "ISOMER_GID": str(os.getgid()),
        "ISOMER_DATA": str(project.volume().root),
    }


def _has_terminal() -> bool:
    """Whether the step gets one; an answer must not be mixed with what it says, which a terminal's one stream would."""
    return sys.stdin.isatty() and sys.stdout.isatty() and not answers.is_alone()
