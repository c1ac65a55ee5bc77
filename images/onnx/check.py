"""check: any ONNX file against the contract, the file itself first and then by running it."""

from __future__ import annotations

import json
from pathlib import Path

import behaviour
from rich.console import Console
from rich.table import Table

from isomer import progress
from isomer.errors import CheckFailed, run_main
from isomer.flags import Check, parse
from isomer.graph import check


def main() -> None:
    options = parse(Check, prog="check")
    report(options.file)


def report(path: Path) -> None:
    """Say what the file is and whether it meets the contract.

    Raises:
        UserError: it is absent or not ONNX.
        CheckFailed: it does not meet the contract; every way in which it does not has been printed.
    """
    model = check.load(path)
    _describe(check.metadata(model))
    findings = check.check(model)
    if findings:
        progress.say("not run: what is wrong in the file comes first")
    else:
        findings = behaviour.check(model)
    for finding in findings:
        progress.say(f"  ✗ {finding}")
    if findings:
        made = "" if check.metadata(model) else " It was not made by Isomer: only what export and the gate make does."
        raise CheckFailed(f"{path} does not meet the contract: {len(findings)} findings.{made}")
    progress.say(f"{path} meets the contract: any batch, any frame size, outputs in order")


def _describe(metadata: dict[str, str]) -> None:
    table = Table(show_header=False)
    for key in ("model", "framework", "architecture", "classes", "channels", "size", "score_threshold", "dataset"):
        if key in metadata:
            value = ", ".join(json.loads(metadata[key])) if key == "classes" else metadata[key]
            table.add_row(key, value)
    if table.row_count:
        Console().print(table)


if __name__ == "__main__":
    run_main(main)
