"""gate: nothing reaches models/ unless it meets the contract and agrees with the framework that made it.

Five levels: the contract; raw outputs, element by element; detections of the same raw outputs; quality on the test
split; the oldest ONNX Runtime promised. The verdict goes to the run's gate.json, how long it took to gate-seconds.json.
Only a model that passed goes to models/NAME.onnx, sealed, with the verdict beside it in models/NAME.gate.json.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import asdict, dataclass
from typing import Any

import fixed_batch
import levels
import onnx
import runtimes
import whole_level
from exported import Target, find_run, load_exported
from levels import Check
from native_predictions import NativePredictions
from rich.console import Console
from rich.table import Table

from isomer import files, progress
from isomer.contract import METADATA_PREFIX, Core, Thresholds, Whole
from isomer.converting import reference
from isomer.dataset import canonical
from isomer.errors import CheckFailed, UserError, run_main
from isomer.flags import Assemble, parse
from isomer.graph import check as contract_check
from isomer.graph import seal
from isomer.graph.assemble import metadata
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
    judge(volume, Target.of(find_run(volume, options), options))


def judge(volume: Volume, target: Target) -> None:
    """Judge a run's assembled model, write gate.json, and publish the model if it passed.

    Raises:
        UserError: something that the gate needs is not there yet.
        CheckFailed: the model did not pass, or what it is compared with is of another export. Nothing is published,
            and a model published earlier stays.
    """
    run = target.run
    if not target.assembled_onnx.is_file():
        raise UserError(f"run {run.name!r} has no {target.assembled_onnx.name}: export it first")
    # a verdict on another file must not be taken for this one's
    target.gate_json.unlink(missing_ok=True)
    core = load_exported(run)
    model = contract_check.load(target.assembled_onnx)
    dataset = reference.dataset_of(volume, run)
    native = NativePredictions.load(run, dataset)
    weights = native.weights_sha256
    _same_export(core, model, native, dataset)

    checks, metrics, seconds = _levels(model, core, native)
    checks = [*_described(model, core), *checks]
    if target.batch and all(check.passed for check in checks):
        model, found = fixed_batch.fixed(model, target.batch)
        checks.append(found)
    passed = all(check.passed for check in checks)
    data = seal.sealed(model).SerializeToString(deterministic=True)
    sha256 = hashlib.sha256(data).hexdigest()
    verdict = Verdict(passed, target.name, sha256, len(data), weights, checks, metrics)
    files.write_json(target.gate_json, asdict(verdict))
    files.write_json(target.seconds_json, seconds)
    _print(checks)
    if not passed:
        failed = "; ".join(f"{check.name}: {check.detail}" for check in checks if not check.passed)
        raise CheckFailed(f"{target.name} is not published. {failed}")
    published = volume.models / f"{target.name}.onnx"
    files.write_json(published.with_suffix(".gate.json"), asdict(verdict))
    files.write_bytes(published, data)
    progress.say(f"published {published}")


def _levels(
    model: onnx.ModelProto, core: Core | Whole, native: NativePredictions
) -> tuple[list[Check], dict[str, Any], dict[str, float]]:
    """The checks of all levels, the metrics, and each level's seconds; a file that breaks the contract is not run."""
    metrics: dict[str, Any] = {}
    comparable = False

    def contract() -> list[Check]:
        nonlocal comparable
        found, comparable = levels.contract(model)
        return found

    def quality() -> list[Check]:
        found, measured = levels.quality(model, native)
        metrics.update(measured)
        return found

    compared = (
        (
            ("raw outputs against the framework's", lambda: levels.raw(model, core, native)),
            ("detections against the framework's NMS", lambda: levels.detections(model, core, native)),
        )
        if isinstance(core, Core)
        else (("its own detections against the original's", lambda: whole_level.detections(model, core, native)),)
    )
    steps = (
        ("contract", contract),
        *compared,
        ("quality on the test split", quality),
        ("the oldest ONNX Runtime against the newest", lambda: runtimes.check(model, native)),
    )
    checks: list[Check] = []
    seconds: dict[str, float] = {}
    for level, (what, measure) in enumerate(steps, start=1):
        if level > 1 and not comparable:
            break
        progress.say(f"gate {level}/{len(steps)}: {what}")
        start = time.monotonic()
        try:
            checks += measure()
        except CheckFailed as error:
            checks.append(Check(level, what, None, None, False, str(error)))
        seconds[what] = round(time.monotonic() - start, 2)
    return checks, metrics, seconds


def _same_export(
    core: Core | Whole, model: onnx.ModelProto, native: NativePredictions, dataset: canonical.Dataset
) -> None:
    """Everything the gate compares must come from one export of one training on the dataset that is there."""
    said = contract_check.metadata(model)
    expected = {
        "the native predictions' weights": (native.weights_sha256, core.provenance.get("weights_sha256")),
        "the dataset": (dataset.sha256, core.provenance.get("dataset_sha256")),
        "the assembled model's core": (
            (said.get("core_sha256"), core.core_sha256)
            if isinstance(core, Core)
            else (said.get("whole_sha256"), core.whole_sha256)
        ),
    }
    different = [what for what, (found, wanted) in expected.items() if found != wanted]
    if different:
        raise CheckFailed(
            f"{' and '.join(different)} changed since core.onnx was written (sha256 is not core.json's): export again"
        )


def _described(model: onnx.ModelProto, core: Core | Whole) -> list[Check]:
    """What the metadata says otherwise than core.json or whole.json, from which it was made."""
    found = contract_check.metadata(model)
    asked = found.get("channels", ""), contract_check.classes(model) or ()
    keep = {"score_threshold", "iou_threshold", "max_detections", "model"}  # of this export, not of the core
    wanted = metadata(core, "", Thresholds(), *asked)
    problems = [
        f"{key} is {found[name]} where the core's own is {value}"
        for key, value in wanted.items()
        if (name := key.removeprefix(METADATA_PREFIX)) not in keep and found.get(name, value) != value
    ]
    return [Check(1, "metadata", None, None, False, f"metadata: {problem}; export again") for problem in problems]


def _print(checks: list[Check]) -> None:
    table = Table("level", "check", "value", "limit", "", title="gate")
    for check in checks:
        value, limit = ("" if number is None else f"{number:.3g}" for number in (check.value, check.limit))
        table.add_row(str(check.level), check.name, value, limit, "passed" if check.passed else "FAILED")
    Console().print(table)


if __name__ == "__main__":
    run_main(main)
