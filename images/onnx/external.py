"""The second file that an ONNX model's weights may lie in: found, checked, taken in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx
from onnx import TensorProto, external_data_helper

from isomer.errors import UserError
from isomer.graph.parts import nodes

LIMIT = 2**31  # bytes of a protobuf message


def check(model: onnx.ModelProto, path: Path) -> list[Path]:
    """The files beside `path` that hold weights of the model.

    Raises:
        UserError: one is missing, too short, or lies outside the model's folder; or they are too large for one file.
    """
    folder = path.parent.resolve()
    sizes: dict[Path, int] = {}
    total = 0
    for tensor in tensors(model):
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        about = {item.key: item.value for item in tensor.external_data}
        location = about.get("location", "")
        target = (folder / location).resolve()
        if not location or Path(location).is_absolute() or not target.is_relative_to(folder):
            raise UserError(
                f"{path.name} wants weights from {location!r}, which is outside its folder: it was not opened. "
                "Take the model from its maker, with its weights beside it"
            )
        if not target.is_file():
            raise UserError(
                f"{path.name} has its weights in another file, {location}, which is not beside it: "
                "fetch that too, under this very name"
            )
        size = sizes.setdefault(target, target.stat().st_size)
        offset, length = int(about.get("offset", 0)), int(about.get("length", 0))
        if offset + length > size:
            raise UserError(
                f"{location} has {size:,} bytes where {path.name} wants {offset + length:,}: fetch it again"
            )
        total += length or size
    if total + path.stat().st_size >= LIMIT:
        raise UserError(
            f"{path.name} has {total / 1e9:.1f} GB of weights; a published model is one file, "
            "which protobuf limits to 2 GB"
        )
    return sorted(sizes)


def take_in(model: onnx.ModelProto, path: Path) -> None:
    """Make weights of other files part of the model, in place."""
    external_data_helper.load_external_data_for_model(model, str(path.parent))


def tensors(model: onnx.ModelProto) -> Iterator[TensorProto]:
    """All constants of a model, wherever they stand."""
    yield from model.graph.initializer
    for node in (*nodes(model.graph), *(inner for function in model.functions for inner in function.node)):
        for item in node.attribute:
            if item.HasField("t"):
                yield item.t
            yield from item.tensors
