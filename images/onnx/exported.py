"""The run that assemble and gate work on, and what its framework exported."""

from __future__ import annotations

import json

from isomer import files
from isomer.contract import Core
from isomer.errors import CheckFailed, UserError
from isomer.flags import Assemble
from isomer.run import RunFolder
from isomer.volume import Volume


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
