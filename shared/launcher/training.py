"""The step of a training: with the file of weights that only its --config or run names, and on how many processes."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

from isomer.errors import UserError
from isomer.volume import default_run
from launcher import project
from launcher.state import read
from launcher.step import Step, existing, script
from launcher.verbs import Parsed


def step(given: Parsed, framework: str, gpus_per_node: int | None = None) -> Step:
    """The step of a verb with the flags of isomer.flags.Train.

    Args:
        gpus_per_node: of a cluster's nodes, where that was said: a process of the run for each.

    Raises:
        UserError: other numbers of GPUs and devices, or GPUs and --device cpu.
    """
    flags = given.flags
    devices = flags.devices or 1
    line = argv(given, framework)
    if gpus_per_node:
        if flags.device == "cpu" or flags.devices not in (None, gpus_per_node):
            typed = "--device cpu" if flags.device == "cpu" else f"--devices {flags.devices}"
            raise UserError(f"--gpus-per-node {gpus_per_node} and {typed}: give one of them")
        devices = gpus_per_node
        line += [] if flags.devices else ["--devices", str(devices)]
        line += [] if flags.device == "gpu" else ["--device", "gpu"]
    run = flags.run or default_run(flags.data, framework)
    made = script(framework, "train", line, "gpu" if gpus_per_node else flags.device)
    return replace(made, run=run, nodes=flags.nodes, devices=devices)


def argv(given: Parsed, framework: str) -> list[str | Path]:
    """A training's command line, in which such a file is typed: a container must be shown it."""
    if "weights" in given.typed:
        return given.argv
    named = [_of_file(given.flags.config)] if given.flags.config else []
    if given.flags.resume:
        run = given.flags.run or default_run(given.flags.data, framework)
        named.append(read(project.volume().runs / run / "config.json"))
    word = next((str(values["weights"]) for values in named if values.get("weights")), "")
    return [*given.argv, "--weights", existing(word)] if Path(word).is_absolute() else given.argv


def _of_file(path: Path) -> dict[str, Any]:
    """The flags in a file; none where it is damaged, which the script says better."""
    try:
        values = tomllib.loads(path.read_text()) if path.suffix == ".toml" else json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}
