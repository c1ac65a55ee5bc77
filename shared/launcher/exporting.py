"""`./inv export-NAME`: the framework's core, then head and tail around it, then the gate, which publishes."""

from __future__ import annotations

from typing import Any

from isomer.flags import Assemble, Data, Export, to_argv
from isomer.volume import default_run
from launcher.step import Step, script

TOOLS = "onnx"  # the image that holds no framework


def steps(framework: str, typed: dict[str, Any]) -> list[Step]:
    """The three steps of an export; `typed` holds the flags of isomer.flags.Export and Assemble that were given."""
    run = typed.get("run") or default_run(typed.get("data") or Data.data, framework)
    # the tools' image cannot know the framework that is part of a run's default name
    around = to_argv(Assemble, {**typed, "run": run})
    return [
        script(framework, "export", to_argv(Export, typed), typed.get("device") or Export.device),
        script(TOOLS, "assemble", around),
        script(TOOLS, "gate", around),
    ]
