"""`./inv clean`: what was made here, with sizes; removes only what the flags name, and data only with --yes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from isomer.errors import UserError
from launcher import engines, project
from launcher.engines import docker
from launcher.verbs import Parsed


def run(given: Parsed) -> None:
    options = given.flags
    root = project.volume().root
    if options.data and not options.yes:
        raise UserError(f"--data would remove {root} with all datasets, runs and models; add --yes to mean it")
    for path, chosen, flag in ((project.STATE, options.environments, "--environments"), (root, options.data, "--data")):
        if path.is_dir():
            _say(chosen, f"{path} ({_size(path) / 1e9:.2f} GB)", flag)
            if chosen:
                _remove(path)
    if engines.load("docker").unavailable() is None:
        for name in project.images():
            if (found := docker.built(name)) is not None:
                _say(options.images, f"Docker image {docker.describe(name)}", "--images")
                if options.images:
                    docker.client().images.remove(found.id, force=True)
    elif options.images:
        raise UserError(f"--images: {docker.unavailable()}")


def _say(removed: bool, what: str, flag: str) -> None:
    print(f"removed {what}" if removed else f"{what}: {flag} removes it", flush=True)


def _remove(path: Path) -> None:
    try:
        shutil.rmtree(path)
    except OSError as error:
        raise UserError(f"could not remove {error.filename}: {error.strerror}") from None


def _size(path: Path) -> int:
    """Bytes on the disk; a file with several names counts once."""
    seen = {}
    for folder, _, names in os.walk(path):
        for name in names:
            status = (Path(folder) / name).lstat()
            seen[status.st_dev, status.st_ino] = status.st_blocks * 512
    return sum(seen.values())
