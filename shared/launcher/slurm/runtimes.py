"""What the environment on the nodes is: the locked venv on the shared file system, or the image in a container runtime.

A runtime has the methods of `Venv`; `of` gives the one that the site says.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from launcher.engines import venv
from launcher.slurm.batch import Launch
from launcher.slurm.site import Site
from launcher.step import Step


class Runtime(Protocol):
    def prepare(self, image: str, device: str) -> None:
        """Make what the nodes need, where it is missing or stale."""

    def is_ready(self, image: str, device: str) -> bool: ...

    def describe(self, image: str) -> str:
        """What there is of it, in words."""

    def program(self, image: str, device: str) -> Path | None:
        """What a node must be able to run as it is; None where a container brings it."""

    def launch(self, step: Step) -> Launch:
        """How a step is started."""


class Venv:
    """The venv engine's environment, which all nodes see."""

    def prepare(self, image: str, device: str) -> None:
        venv.prepare(image, device)

    def is_ready(self, image: str, device: str) -> bool:
        return venv.is_ready(image, device)

    def describe(self, image: str) -> str:
        return venv.describe(image)

    def program(self, image: str, device: str) -> Path | None:
        return venv.folder(image, device) / "bin" / "python"

    def launch(self, step: Step) -> Launch:
        made = venv.command(step)
        return Launch(made.argv, made.env)


def of(site: Site) -> Runtime:
    """The runtime that the site's settings name."""
    return {"venv": Venv}[site.runtime]()
