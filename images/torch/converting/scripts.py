"""TorchScript models: opened on the CPU, and run on pictures of the size that they take."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.jit import ScriptModule

from isomer.converting import failures, failures_torch
from isomer.converting.seen import Seen
from isomer.errors import CheckFailed, UserError
from isomer.progress import say

# Heights and widths that are tried where nothing tells the model's own, in pixels.
SIZES = (
    *((side, side) for side in (640, 320, 300, 416, 512, 224, 608, 800, 1024, 384, 256, 1280)),
    *((240, 320), (480, 640)),
)
TOLD = "config.txt"  # what ultralytics puts into the archive: size, stride, names


@dataclass(frozen=True)
class Script:
    """A model that takes pictures of height × width pixels; `names` are its classes', where the file tells them."""

    module: ScriptModule
    height: int
    width: int
    names: tuple[str, ...] | None

    @torch.no_grad()
    def outputs(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """All tensors for one picture [3, height, width], as output_0, output_1 …"""
        found = tensors(self.module(torch.from_numpy(np.ascontiguousarray(values))[None]))
        return {f"output_{place}": tensor.numpy() for place, tensor in enumerate(found)}

    def look(self, pictures: list[np.ndarray]) -> dict[str, Seen]:
        """All outputs on some pictures, by name."""
        runs = [self.outputs(values) for values in pictures]
        return {name: Seen(name, tuple(one[name] for one in runs)) for name in runs[0]}


def load(path: Path) -> tuple[ScriptModule, dict[str, Any]]:
    """The model on the CPU in float32, and what the file says of it.

    Raises:
        UserError: it is damaged, or has operators that are not installed here.
    """
    extra: dict[str, Any] = {TOLD: ""}
    try:
        module = torch.jit.load(path, map_location="cpu", _extra_files=extra)
    except (RuntimeError, ValueError) as error:
        first = failures.shorten(str(error))[:200]
        raise UserError(
            f"{path.name} is a damaged TorchScript file, or has operators that are not installed here ({first})"
        ) from None
    try:
        told = json.loads(extra[TOLD] or "{}")
    except ValueError:
        told = {}
    return module.float().eval(), told if isinstance(told, dict) else {}


def refuse_training(module: ScriptModule, name: str) -> None:
    """Raise CheckFailed for a trace made in training mode: eval() does not change what is recorded."""
    graph = module.inlined_graph  # its nodes live as long as it
    for kind, place in (("aten::batch_norm", 5), ("aten::dropout", 2)):
        for node in graph.findAllNodes(kind):
            if node.inputsAt(place).toIValue() is True:
                raise CheckFailed(
                    f"{name} was traced in training mode (its {kind.removeprefix('aten::')} computes what training "
                    "does): call model.eval() before torch.jit.trace"
                )


def takes_tensor(module: ScriptModule) -> bool:
    """Whether pictures are its first argument, as one tensor, and all others may be left out."""
    arguments = module.forward.schema.arguments[1:]
    kinds = [str(item.type) for item in arguments if not item.has_default_value()]
    return kinds == ["Tensor"]


def taken(module: ScriptModule) -> str:
    """What it takes, in words."""
    return ", ".join(str(item.type) for item in module.forward.schema.arguments[1:]) or "nothing"


def settle(module: ScriptModule, told: dict[str, Any], size: tuple[int, int] | None, name: str) -> Script:
    """The model with the size of what it takes: given, told by the file, or the first usual one that it runs with.

    Raises:
        CheckFailed: it runs with none.
        UserError: it gives no tensors.
    """
    sides = _told_size(told)
    first = ""
    for height, width in [size] if size else sides or SIZES:
        script = Script(module, height, width, _told_names(told))
        try:
            outputs = script.outputs(np.zeros((3, height, width), np.float32))
        except RuntimeError as error:
            if failures.find(str(error), failures_torch.TABLE):
                raise CheckFailed(f"{name}: {failures.explain('torch', str(error), failures_torch.TABLE)}") from None
            first = first or str(error)
            continue
        if not outputs:
            raise UserError(f"{name} gives no tensors for a picture: it is no detector that can be cut before its NMS")
        if not size:
            say(f"input {height}×{width}, {'as the file says' if sides else 'the first usual size that it takes'}")
        return script
    # what went wrong stands at the end, behind the recorded code
    last = (first.strip().splitlines() or [""])[-1][:200]
    raise CheckFailed(f"{name} takes none of the sizes that were tried ({last}): --size says which it was traced with")


def tensors(value: Any) -> list[Tensor]:
    """The tensors among nested outputs, in order."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return list(itertools.chain.from_iterable(map(tensors, value))) if isinstance(value, list | tuple) else []


def _told_size(told: dict[str, Any]) -> list[tuple[int, int]]:
    """Height and width that ultralytics writes: `imgsz`, or the `shape` of its input."""
    for sides in (told.get("imgsz"), (told.get("shape") or [])[-2:]):
        if isinstance(sides, list) and len(sides) == 2 and all(isinstance(side, int) for side in sides):
            return [(sides[0], sides[1])]
    return []


def _told_names(told: dict[str, Any]) -> tuple[str, ...] | None:
    names = told.get("names")
    if isinstance(names, dict):
        names = [names[key] for key in sorted(names, key=int)]
    return tuple(map(str, names)) if isinstance(names, list) and names else None
