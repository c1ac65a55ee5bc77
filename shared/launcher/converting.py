"""`./inv convert FILE`: find out what it is, convert it in the image that opens it, then assemble, gate and publish."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

from isomer.errors import UserError
from isomer.flags import Assemble, to_argv
from launcher import engines, project, steps
from launcher.step import script
from launcher.verbs import Parsed

TOOLS = "onnx"  # the image that holds no framework; it can open ONNX


def run(engine: ModuleType, convert: Parsed, around: dict[str, Any]) -> None:
    """Run the steps, of which the first decides on the second's image.

    Args:
        convert: the flags of isomer.flags.Convert.
        around: those of Assemble that were typed.
    """
    name = convert.flags.name
    steps.run(engine, script(TOOLS, "identify", convert.argv))
    if engines.is_dry(engine):
        print("# what comes next depends on what it finds")
        return
    typed = to_argv(Assemble, {**around, "run": name, "data": None})
    steps.run(
        engine,
        script(_image(name), "convert", convert.argv),
        script(TOOLS, "assemble", typed),
        script(TOOLS, "gate", typed),
    )


def _image(name: str) -> str:
    """The image that identification chose.

    Raises:
        UserError: it converts nothing.
    """
    image = json.loads((project.volume().runs / name / "source.json").read_text())["image"]
    if image not in project.images_with("convert"):
        raise UserError(f"the image {image} has no convert.py: models of its kind cannot be converted")
    return image
