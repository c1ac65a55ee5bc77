"""A step: one script of one image, with arguments, against the data volume."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PosixPath
from typing import Any

from isomer import answers
from isomer.errors import UserError
from isomer.files import sha256_of_file
from isomer.volume import Volume
from launcher import project

CHECKPOINT_PARTS = (".meta", ".index")  # of a TensorFlow checkpoint, named by what its files begin with


class Output(PosixPath):
    """A path that a step writes; the folder that it is in is there."""


class Among(PosixPath):
    """A file that a step reads, with what lies beside it: weights in a second file, a list of names."""


class StepInterrupted(KeyboardInterrupt):
    """Ctrl-C while a step was running, which has said what becomes of it."""


@dataclass(frozen=True)
class Step:
    """What an engine runs.

    Attributes:
        argv: what stands behind `python`: a script of the image's folder and its arguments. A `Path` is something
            outside the image that the step reads, or with `Output` writes; the engine makes it visible and names it as
            the step sees it.
        env: variables for the step; a `Path` as in `argv`.
        device: auto, cpu or gpu, as the user asked.
        network: whether the step downloads.
        program: what runs instead of python (a shell).
        port: that programs on this machine, and no others, reach the step at.
        tests: give the step the repository's tests, and run it where they are found.
        camera: a device that the step looks through.
        screen: whether the step opens a window.
        run: what it trains: the run that the same step goes on with when it was stopped.
        nodes: machines that work together, where the engine has several; each is given `devices` processes.
    """

    image: str
    argv: tuple[str | Path, ...] = ()
    env: Mapping[str, str | Path] = field(default_factory=dict)
    device: str = "auto"
    network: bool = False
    program: str = "python"
    port: int | None = None
    tests: bool = False
    camera: Path | None = None
    screen: bool = False
    run: str | None = None
    nodes: int = 1
    devices: int = 1

    def reads(self) -> list[Path]:
        return [item for item in self._paths() if not isinstance(item, Output)]

    def writes(self) -> list[Output]:
        return [item for item in self._paths() if isinstance(item, Output)]

    @property
    def is_answer(self) -> bool:
        """Whether what it prints is the answer that --json asks for, and all else that it says goes elsewhere."""
        return ("--json", str(answers.STDOUT)) in itertools.pairwise(map(str, self.argv))

    def _paths(self) -> list[Path]:
        return [item for item in (*self.argv, *self.env.values()) if isinstance(item, Path)]


def script(image: str, name: str, argv: list[str | Path], device: str = "auto", network: bool = False) -> Step:
    """The step that runs one script of an image."""
    return Step(image, (f"{name}.py", *argv), device=device, network=network)


def existing(path: Any) -> Path:
    """A path the user typed, absolute, checked before anything starts."""
    found = Path(path).expanduser().resolve()
    if not found.exists():
        raise UserError(f"no such file or folder: {path}")
    return found


def among(path: Any) -> Path:
    """A model the user typed: a file with what lies beside it, a folder, or a checkpoint by its files' common name."""
    typed = Path(path).expanduser()
    if not typed.exists():
        parts = (typed.with_name(f"{typed.name}{suffix}") for suffix in CHECKPOINT_PARTS)
        typed = next((part for part in parts if part.is_file()), typed)
    found = existing(typed)
    return found if found.is_dir() else Among(found)


def writable(path: Any) -> Output:
    """A path the user wants written, absolute; its folder is checked before anything starts."""
    found = Path(path).expanduser().absolute()
    folder = existing(found.parent)
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise UserError(f"cannot write {path}: {folder} is no folder that you may write in")
    return Output(folder / found.name)


def name_or_path(word: str, volume: Volume, words: tuple[str, ...] = ()) -> str | Path:
    """One of the words, or a dataset's, run's or model's name, as it is; any other word as the path it is, if any."""
    named = (
        volume.datasets / word / "dataset.json",
        volume.runs / word / "config.json",
        volume.models / f"{word}.onnx",
    )
    is_name = word in words or ("/" not in word and any(path.is_file() for path in named))
    return word if is_name or not Path(word).expanduser().exists() else existing(word)


def provenance(image: str, engine: str, environment: str, lock: Path) -> dict[str, str]:
    """The variables that tell a script what only the launcher knows of code and environment (isomer.run reads them)."""
    revision, dirty = project.git_state()
    return {
        "ISOMER_CODE_SHA256": project.code_sha256(image),
        "ISOMER_ENGINE": engine,
        "ISOMER_ENVIRONMENT": environment,
        "ISOMER_GIT_DIRTY": dirty,
        "ISOMER_GIT_REVISION": revision,
        "ISOMER_LOCK_SHA256": sha256_of_file(lock),
    }
