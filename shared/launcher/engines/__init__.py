"""The engines, small modules of one shape:

    unavailable()            why it cannot be used here, or None
    version(), place()       what it is, and where it keeps what it makes
    gpu()                    what stands for the GPUs it would use, or None
    lock_of(image, device)   the locked set that prepare makes it from
    prepare(image, device)   make the image's environment when it is missing or stale
    build(image)             make it anew as far as something changed
    describe(image)          what there is of it, in words
    is_ready(image, device)  whether it is there and fits
    web(image)               the folder, as a step sees it, of what browsers run models with; fetched if it must be
    IN_BACKGROUND            whether prepare may go on while another step runs
    LISTEN                   the address that a step with a port listens on
    shown(step)              what run would do, as text
    run(step)                run a step to its end in a prepared environment, and give its exit code

Each stops its step when the launcher is interrupted or terminated.
"""

from __future__ import annotations

import dataclasses
import os
from types import ModuleType
from typing import Any

from isomer.errors import UserError, known
from isomer.flags import option
from isomer.manners import is_quiet
from launcher.options import Engine, Site
from launcher.step import Step

NAMES = ("docker", "venv", "slurm")


def load(name: str) -> ModuleType:
    if name not in NAMES:
        raise known("engine", name, NAMES)
    from importlib import import_module

    return import_module(f"launcher.engines.{name}")


def choose(flags: Engine) -> ModuleType | DryRun:
    """The engine asked for with --engine or ISOMER_ENGINE, else docker where it answers, else venv; said in one line.

    Args:
        flags: of the verb; those of options.Site are the slurm engine's.

    Raises:
        UserError: the one asked for cannot be used here, or a flag is another engine's.
    """
    name = flags.engine or os.environ.get("ISOMER_ENGINE") or None
    if name is None:
        docker = load("docker")
        reason = docker.unavailable()
        engine = docker if reason is None else load("venv")
        _say(f"{engine.NAME} ({'a Docker engine answers' if reason is None else reason})")
    else:
        engine = load(name)
        reason = engine.unavailable()
        if reason is not None:
            raise UserError(f"the {name} engine cannot be used: {reason}")
        _say(f"{engine.NAME} (as asked)")
    if isinstance(flags, Site):
        if engine.NAME == "slurm":
            engine.use(flags)
        else:
            _refuse_site(flags, engine.NAME)
    return DryRun(engine) if getattr(flags, "dry_run", False) else engine


class DryRun:
    """An engine that only shows what it would do."""

    IS_DRY = True

    def __init__(self, engine: ModuleType) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def prepare(self, image: str, device: str = "auto") -> None:
        if not self._engine.is_ready(image, device):
            print(f"# the environment of {image} would be made first: ./inv build --image {image}")

    def run(self, step: Step) -> int:
        print(self._engine.shown(step), flush=True)
        return 0


def is_dry(engine: ModuleType | DryRun) -> bool:
    """Whether an engine only shows what it would do (--dry-run)."""
    return getattr(engine, "IS_DRY", False)


def _refuse_site(flags: Site, engine: str) -> None:
    for item in dataclasses.fields(Site):
        if getattr(flags, item.name) is not None:
            raise UserError(f"{option(item.name)} is for --engine slurm; here the engine is {engine}")


def _say(words: str) -> None:
    if not is_quiet():
        print(f"engine: {words}", flush=True)


def check_device(engine: ModuleType, device: str) -> None:
    """Refuse a GPU that is not there before anything starts."""
    if device == "gpu" and engine.gpu() is None:
        missing = {"docker": "the Docker engine has no NVIDIA runtime", "venv": "nvidia-smi lists no GPU"}
        missing["slurm"] = "no node of the partition has GPUs (sinfo --format=%G)"
        raise UserError(f"--device gpu: {missing[engine.NAME]}. Use --device cpu, or auto to take what there is")
