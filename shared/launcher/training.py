"""What a training reads that only its --config, or the run that it goes on with, names: a file of weights."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from isomer.volume import default_run
from launcher import project
from launcher.state import read
from launcher.step import existing
from launcher.verbs import Parsed


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
