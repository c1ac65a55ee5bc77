"""check: any ONNX file against the contract, the file itself first and then by running it."""

from __future__ import annotations

import itertools
import json
from dataclasses import asdict
from pathlib import Path

import behaviour
import numpy as np
from client import follow
from rich.console import Console
from rich.table import Table

from isomer import answers, profiles, progress
from isomer.dataset import shapes
from isomer.dataset.canonical import load_rgb
from isomer.errors import CheckFailed, run_main
from isomer.flags import Check, parse
from isomer.graph import check
from isomer.predicting import sources
from isomer.profiles import Profile

MOST_PICTURES = 8


def main() -> None:
    options = parse(Check, prog="check")
    with answers.alone(options.json):
        if options.profile:
            account(options.file, profiles.load(options.profile), options.pictures, options.json)
        else:
            report(options.file, options.json)


def report(path: Path, answer: Path | None = None) -> None:
    """Say what the file is and whether it meets the contract.

    Args:
        answer: where --json wants it, too.

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
    about = {"file": str(path), "passed": not findings, "metadata": check.metadata(model)}
    answers.give(answer, about | {"findings": [asdict(finding) for finding in findings]})
    if findings:
        made = "" if check.metadata(model) else " It was not made by Isomer: only what export and the gate make does."
        raise CheckFailed(f"{path} does not meet the contract: {len(findings)} findings.{made}")
    progress.say(f"{path} meets the contract: any batch, any frame size, outputs in order")


def account(path: Path, profile: Profile, source: Path | None, answer: Path | None = None) -> None:
    """Say line by line what the file would do under a client that follows the profile.

    Args:
        source: pictures that the client is fed.
        answer: where --json wants it, too.

    Raises:
        UserError: the file is absent or not ONNX, or there is no picture in the folder.
        CheckFailed: the client would stop, or find less or nothing; every line has been printed.
    """
    model = check.load(path)
    progress.say(f"{path} under: {profile.title} ({profile.source})")
    lines = follow(model, profile, _pictures(source))
    for line in lines:
        progress.say(str(line))
    harm = [line for line in lines if line.harm]
    about = {"file": str(path), "passed": not harm, "profile": profile.name}
    answers.give(answer, about | {"lines": [asdict(line) for line in lines]})
    if harm:
        raise CheckFailed(f"{path} is not for the client of {profile.name}: {len(harm)} of {len(lines)} lines")
    progress.say(f"{path} does what the client of {profile.name} wants")


def _pictures(source: Path | None) -> list[np.ndarray]:
    """A picture, the first pictures of a folder, or drawn ones. uint8 [height, width, 3], RGB."""
    if source is None:
        return [shapes.draw(0, "test", index).pixels for index in range(MOST_PICTURES)]
    return [load_rgb(one.path) for one in itertools.islice(sources(None, source), MOST_PICTURES)]


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
