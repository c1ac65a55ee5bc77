"""gate: nothing reaches models/ unless it meets the contract and agrees with the framework that made it.

Four levels: the contract; raw outputs, element by element; detections of the same raw outputs; quality on the
test split. The verdict goes to the run's gate.json, and only a model that passed to models/NAME.onnx.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

import levels
import onnx
from exported import find_run, load_core
from levels import Check
from native_predictions import NativePredictions
from rich.console import Console
from rich.table import Table

from isomer import files, progress
from isomer.contract import Core
from isomer.dataset import canonical
from isomer.errors import CheckFailed, UserError, run_main
from isomer.flags import Assemble, parse
from isomer.graph import check as contract_check
from isomer.run import RunFolder
from isomer.volume import Volume


@dataclass(frozen=True)
class Verdict:
    """What gate.json says."""

    passed: bool
    model: str
    sha256: str
    bytes: int
    weights_sha256: str
    checks: list[Check]
    metrics: dict[str, Any]


def main() -> None:
    options = parse(Assemble, prog="gate")
    volume = Volume.from_environment()
    judge(volume, find_run(volume, options))


def judge(volume: Volume, run: RunFolder) -> None:
    """Judge a run's assembled model, write gate.json, and publish the model if it passed.

    Raises:
        UserError: something that the gate needs is not there yet.
        CheckFailed: the model did not pass, or what it is compared with is of another export. Nothing is published,
            and a model published earlier stays.
    """
    if not run.assembled_onnx.is_file():
        raise UserError(f"run {run.name!r} has no assembled.onnx: export it first")
    # a verdict on another file must not be taken for this one's
    run.gate_json.unlink(missing_ok=True)
    core = load_core(run)
    data = run.assembled_onnx.read_bytes()
    model = contract_check.load(run.assembled_onnx)
    dataset = canonical.load(volume.dataset(run.config()["data"]))
    native = NativePredictions.load(run, dataset)
    weights = native.weights_sha256
    _same_export(core, model, native, dataset)

    checks, metrics = _levels(model, core, native)
    passed = all(check.passed for check in checks)
    sha256 = hashlib.sha256(data).hexdigest()
    verdict = Verdict(passed, run.name, sha256, len(data), weights, checks, metrics)
    files.write_json(run.gate_json, asdict(verdict))
    _print(checks)
    if not passed:
        failed = "; ".join(f"{check.name}: {check.detail}" for check in checks if not check.passed)
        raise CheckFailed(f"{run.name} is not published. {failed}")
    published = volume.models / f"{run.name}.onnx"
    files.write_bytes(published, data)
    progress.say(f"published {published}")


def _levels(model: onnx.ModelProto, core: Core, native: NativePredictions) -> tuple[list[Check], dict[str, Any]]:
    """The checks of all levels; a file that is not as the contract says is not run."""
    progress.say("gate 1/4: contract")
    checks, comparable = levels.contract(model)
    metrics: dict[str, Any] = {}
    if not comparable:
        return checks, metrics

    def quality() -> list[Check]:
        found, measured = levels.quality(model, native)
        metrics.update(measured)
        return found

    steps = (
        ("raw outputs against the framework's", lambda: levels.raw(model, core, native)),
        ("detections against the framework's NMS", lambda: levels.detections(model, core, native)),
        ("quality on the test split", quality),
    )
    for level, (what, measure) in enumerate(steps, start=2):
        progress.say(f"gate {level}/4: {what}")
        try:
            checks += measure()
        except CheckFailed as error:
            checks.append(Check(level, what, None, None, False, str(error)))
    return checks, metrics


def _same_export(core: Core, model: onnx.ModelProto, native: NativePredictions, dataset: canonical.Dataset) -> None:
    """Everything the gate compares must come from one export of one training on the dataset that is there."""
    metadata = contract_check.metadata(model)
    expected = {
        "the native predictions' weights": (native.weights_sha256, core.provenance.get("weights_sha256")),
        "the dataset": (dataset.sha256, core.provenance.get("dataset_sha256")),
        "the assembled model's core": (metadata.get("core_sha256"), core.core_sha256),
    }
    different = [what for what, (found, wanted) in expected.items() if found != wanted]
    if different:
        raise CheckFailed(
            f"{' and '.join(different)} changed since core.onnx was written (sha256 is not core.json's): export again"
        )


def _print(checks: list[Check]) -> None:
    table = Table("level", "check", "value", "limit", "", title="gate")
    for check in checks:
        value, limit = ("" if number is None else f"{number:.3g}" for number in (check.value, check.limit))
        table.add_row(str(check.level), check.name, value, limit, "passed" if check.passed else "FAILED")
    Console().print(table)


if __name__ == "__main__":
    run_main(main)
