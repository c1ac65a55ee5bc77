"""A step: one script of one image, with arguments, against the data volume."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isomer.errors import UserError
from isomer.files import sha256_of_file
from launcher import project


@dataclass(frozen=True)
class Step:
    """What an engine runs.

    Attributes:
        argv: what stands behind `python`: a script of the image's folder and its arguments. A `Path` is something
            outside the image that the step reads; the engine makes it visible and names it as the step sees it.
        env: variables for the step; a `Path` as in `argv`.
        device: auto, cpu or gpu, as the user asked.
        network: whether the step downloads.
        program: what runs instead of python (a shell).
        tests: give the step the repository's tests, and run it where they are found.
    """

    image: str
    argv: tuple[str | Path, ...] = ()
    env: Mapping[str, str | Path] = field(default_factory=dict)
    device: str = "auto"
    network: bool = False
    program: str = "python"
    tests: bool = False

    def reads(self) -> list[Path]:
        return [item for item in (*self.argv, *self.env.values()) if isinstance(item, Path)]


def script(image: str, name: str, argv: list[str | Path], device: str = "auto") -> Step:
    """The step that runs one script of an image."""
    return Step(image, (f"{name}.py", *argv), device=device)


def existing(path: Any) -> Path:
    """A path the user typed, absolute, checked before anything starts."""
    found = Path(path).expanduser().resolve()
    if not found.exists():
        raise UserError(f"no such file or folder: {path}")
    return found


def provenance(engine: str, environment: str, lock: Path) -> dict[str, str]:
    """The variables that tell a script what only the launcher knows of code and environment (isomer.run reads them)."""
    revision, dirty = project.git_state()
    return {
        "ISOMER_ENGINE": engine,
        "ISOMER_ENVIRONMENT": environment,
        "ISOMER_GIT_DIRTY": dirty,
        "ISOMER_GIT_REVISION": revision,
        "ISOMER_LOCK_SHA256": sha256_of_file(lock),
    }
