"""`./inv build`: the images, or in the venv engine the environments; and the images as archives."""

from __future__ import annotations

import os
from pathlib import Path

from isomer.errors import UserError
from launcher import archives, engines, project
from launcher.engines import docker
from launcher.verbs import Parsed


def run(given: Parsed) -> None:
    names = project.chosen("image", given.flags.image, project.images())
    if given.flags.archive:
        archive(names, given.flags.archive, given.flags.engine)
        return
    engine = engines.choose(given.flags)
    for name in names:
        engine.build(name)
        print(f"{name}: {engine.describe(name)}", flush=True)


def archive(names: list[str], folder: Path, engine: str | None) -> None:
    """Write the archives of images into a folder, which is made.

    Raises:
        UserError: there is no Docker engine, or the folder cannot be written.
    """
    if engine not in (None, docker.NAME):
        raise UserError(f"--archive is of the images that Docker builds; --engine {engine} has none")
    if reason := docker.unavailable():
        raise UserError(f"--archive needs a Docker engine, on any machine: {reason}")
    folder = folder.expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--archive {folder}: {error.strerror}") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f"--archive {folder}: you may not write there")
    for name in names:
        archives.write(name, folder)
