"""The run that assemble and gate work on, and what its framework exported."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from isomer import files
from isomer.contract import Core, Whole
from isomer.errors import CheckFailed, UserError
from isomer.flags import Assemble
from isomer.run import RunFolder
from isomer.volume import Volume


@dataclass(frozen=True)
class Target:
    """What a run is exported as: its own model, or beside it one of another size or precision, or a fixed batch."""

    run: RunFolder
    size: int | None  # None: the one it was trained at
    precision: str
    batch: int | None  # None: any

    @classmethod
    def of(cls, run: RunFolder, options: Assemble) -> Target:
        """Raises UserError for a --batch that is neither a number nor any."""
        if options.batch != Assemble.batch and not (options.batch.isdecimal() and int(options.batch)):
            raise UserError(f"--batch {options.batch}: give a whole number, at least 1, or any")
        made, trained = load_exported(run), run.config().get("size")
        size = made.height if trained and made.height != trained else None
        return cls(run, size, options.precision, None if options.batch == Assemble.batch else int(options.batch))

    @property
    def suffix(self) -> str:
        size = f"-{self.size}" if self.size else ""
        precision = "" if self.precision == Assemble.precision else f"-{self.precision}"
        return size + precision + (f"-batch{self.batch}" if self.batch else "")

    @property
    def name(self) -> str:
        """Of the published model."""
        return self.run.name + self.suffix

    @property
    def assembled_onnx(self) -> Path:
        return self._beside(self.run.assembled_onnx)

    @property
    def gate_json(self) -> Path:
        return self._beside(self.run.gate_json)

    @property
    def seconds_json(self) -> Path:
        return self._beside(self.run.path / "gate-seconds.json")

    def _beside(self, path: Path) -> Path:
        return path.with_stem(path.stem + self.suffix)


def find_run(volume: Volume, options: Assemble) -> RunFolder:
    """The run that the flags mean: `--run`, or the only exported run of `--data`.

    Raises:
        UserError: there is none, or there are several; they are listed.
    """
    if options.run:
        return RunFolder(volume.run(options.run))
    found = [
        run
        for run in (RunFolder(path.parent) for path in sorted(volume.runs.glob("[!.]*/core.json")))
        if run.config()["data"] == options.data
    ]
    if not found:
        raise UserError(f"no run of dataset {options.data!r} has been exported: export one first, or give --run")
    if len(found) > 1:
        names = ", ".join(run.name for run in found)
        raise UserError(f"several runs of dataset {options.data!r} have been exported: choose one with --run ({names})")
    return found[0]


def load_exported(run: RunFolder) -> Core | Whole:
    """What the run hands over: its whole.json if it has one (a converted model with its own NMS), else its core.json.

    Raises:
        UserError, CheckFailed: as load_core.
    """
    if not run.whole_json.is_file():
        return load_core(run)
    try:
        whole = Whole.from_json(json.loads(run.whole_json.read_text()))
    except (ValueError, TypeError, KeyError) as error:
        raise CheckFailed(f"{run.whole_json} is no description of a model ({error}): convert again") from None
    if not run.whole_onnx.is_file() or files.sha256_of_file(run.whole_onnx) != whole.whole_sha256:
        raise CheckFailed(f"{run.whole_onnx} is not the file that whole.json describes: convert again")
    return whole


def load_core(run: RunFolder) -> Core:
    """The run's core.json, when core.onnx is the file it speaks of.

    Raises:
        UserError: the run has not been exported.
        CheckFailed: the two do not belong together, or core.json cannot be read.
    """
    if not (run.core_json.is_file() and run.core_onnx.is_file()):
        raise UserError(f"run {run.name!r} has no core.onnx and core.json: export it first")
    try:
        core = Core.from_json(json.loads(run.core_json.read_text()))
    except (ValueError, TypeError) as error:
        raise CheckFailed(f"{run.core_json} is no description of a core ({error}): export again") from None
    if files.sha256_of_file(run.core_onnx) != core.core_sha256:
        raise CheckFailed(f"{run.core_onnx} is not the file that core.json describes (sha256 differs): export again")
    return core
