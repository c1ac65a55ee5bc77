"""The head: uint8 pictures of any size to the core's normalised float input.

Bilinear, no antialiasing, on float pixels, with half-pixel centres unless the core was trained otherwise: what
`F.interpolate(align_corners=False)` and `tf.image.resize("bilinear")` compute, with their formula for the
source coordinate (`(i + 0.5) * in / out - 0.5` in float32), so that large pictures agree too. ONNX's own Resize
divides by `out / in` instead, which rounds otherwise, and needs the whole frame as floats. Here only the rows and
columns that count are picked, as bytes: two thirds of the time of Cast and Resize for 640x480 to 160x160.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper

from isomer import contract
from isomer.contract import Preprocessing
from isomer.graph.builder import GraphBuilder

PREFIX = "head"
MEAN = f"{PREFIX}/mean"  # [3, 1], in the order of the picture's channels
STD = f"{PREFIX}/std"
# Of a letterboxed picture: fractions of the core's input * scale + shift = fractions of the picture; [4], y, x, y, x.
BOX_SCALE = f"{PREFIX}/box_scale"
BOX_SHIFT = f"{PREFIX}/box_shift"


def build(core: Preprocessing, channels: str = "rgb", core_channels: str | None = None) -> onnx.GraphProto:
    """A graph from `image`, uint8 [batch, height, width, 3], to `images`, float32 in the core's layout.

    Args:
        channels: order of the channels in the pictures.
        core_channels: order that the core takes, if not what it says: its weights were changed for it.
    """
    build = GraphBuilder(PREFIX)
    for name, values in ((MEAN, core.mean), (STD, core.std)):
        ordered = np.array(values[::-1] if channels == "bgr" else values, np.float32)
        build.named_constant(name, ordered.reshape(3, 1))
    if core.resize.mode == "none":
        pixels = build.op("Transpose", contract.INPUT, perm=[0, 2, 3, 1])
        pixels = _normalised(build, build.op("Cast", pixels, to=TensorProto.FLOAT))
    else:
        pixels = _resized(build, core)
    if channels != (core_channels or core.channels):
        pixels = build.op("Gather", pixels, build.ints(2, 1, 0), axis=2)
    order = [0, 2, 3, 1] if core.layout == "NCHW" else [0, 3, 1, 2]
    build.op("Transpose", pixels, perm=order, output=contract.CORE_INPUT)
    return build.graph(
        [helper.make_tensor_value_info(contract.INPUT, TensorProto.UINT8, ["batch", "height", "width", 3])],
        [helper.make_tensor_value_info(contract.CORE_INPUT, TensorProto.FLOAT, core_input_shape(core))],
    )


def core_input_shape(core: Preprocessing) -> list[str | int]:
    """Shape of the core's input with a dynamic batch."""
    sides: list[str | int] = ["height", "width"] if core.resize.mode == "none" else [core.height, core.width]
    return ["batch", 3, *sides] if core.layout == "NCHW" else ["batch", *sides, 3]


@dataclass(frozen=True)
class _Axis:
    """One axis of the picture as the core sees it.

    size: of the core's input. length, new: tensors [1], the frame's length and what it becomes. offset: tensor [1],
    where the picture begins in the core's input; None where it fills it.
    """

    size: int
    length: str
    new: str
    offset: str | None


def _resized(build: GraphBuilder, core: Preprocessing) -> str:
    """The pictures as large as the core wants them and normalised, float32 [n, width, channel, height]."""
    rows_axis, columns_axis = _axes(build, core)
    top, bottom, row_weight = _neighbours(build, rows_axis, core.resize.coordinates)
    left, right, column_weight = _neighbours(build, columns_axis, core.resize.coordinates)
    # left and right neighbour of each column beside each other: [2 width], and their weights [width, 1, 2]
    pairs = build.op("Reshape", _beside(build, left, right), build.ints(-1))
    weights = _beside(build, build.op("Sub", build.floats(1.0), column_weight), column_weight)
    weights = build.op("Reshape", weights, build.ints(core.width, 1, 2))
    # rows of pixels / std cost nothing more: their weights are divided instead, [3, height]
    upper, lower = (
        build.op("Mul", _columns(build, core, rows, pairs, weights), build.op("Div", weight, STD))
        for rows, weight in ((top, build.op("Sub", build.floats(1.0), row_weight)), (bottom, row_weight))
    )
    pixels = build.op("Sub", build.op("Add", upper, lower), build.op("Div", MEAN, STD))
    if core.resize.mode == "letterbox":
        inside = _inside(build, rows_axis)
        inside = build.op("And", build.op("Unsqueeze", _inside(build, columns_axis), build.ints(1, 2)), inside)
        around = MEAN if core.resize.pad is None else build.constant("pad", np.array(core.resize.pad, np.float32))
        pixels = build.op("Where", inside, pixels, _normalised(build, around))
    return pixels


def _columns(build: GraphBuilder, core: Preprocessing, rows: str, pairs: str, weights: str) -> str:
    """Some rows of the pictures, as many as the core's input has, with its columns: float32 [n, width, 3, height]."""
    # the width leads, so that picking a column copies one long run of bytes: [n, frame width, 3 height]
    picked = build.op("Reshape", build.op("Gather", contract.INPUT, rows, axis=1), build.ints(0, core.height, -1))
    columns = build.op("Transpose", picked, perm=[0, 2, 1])
    columns = build.op("Reshape", columns, build.ints(0, -1, 3 * core.height))
    columns = build.op("Cast", build.op("Gather", columns, pairs, axis=1), to=TensorProto.FLOAT)
    columns = build.op("Reshape", columns, build.ints(0, core.width, 2, 3 * core.height))
    # one product per column, (1 - w) left + w right, in one pass over memory
    columns = build.op("MatMul", weights, columns)
    return build.op("Reshape", columns, build.ints(0, core.width, 3, core.height))


def _normalised(build: GraphBuilder, pixels: str) -> str:
    return build.op("Div", build.op("Sub", pixels, MEAN), STD)


def _axes(build: GraphBuilder, core: Preprocessing) -> tuple[_Axis, _Axis]:
    """Height and width; of a letterboxed picture, what it becomes is counted in whole numbers, so exactly."""
    shape = build.op("Shape", contract.INPUT)
    lengths = [build.op("Slice", shape, build.ints(axis), build.ints(axis + 1)) for axis in (1, 2)]
    sizes = (core.height, core.width)
    if core.resize.mode == "stretch":
        rows, columns = (
            _Axis(size, length, build.ints(size), None) for size, length in zip(sizes, lengths, strict=True)
        )
        return rows, columns
    axes, scales, shifts = [], [], []
    for size, length, other_size, other_length in zip(sizes, lengths, sizes[::-1], lengths[::-1], strict=True):
        # as the other axis is scaled when it is the one that fills the input, rounded
        twice = build.op("Mul", length, build.ints(2 * other_size))
        rounded = build.op("Div", build.op("Add", twice, other_length), build.op("Mul", other_length, build.ints(2)))
        new = build.op("Min", build.op("Max", rounded, build.ints(1)), build.ints(size))
        free = build.op("Sub", build.ints(size), new)
        offset = build.op("Div", free, build.ints(2)) if core.resize.place == "center" else build.ints(0)
        axes.append(_Axis(size, length, new, offset))
        floats = [build.op("Cast", value, to=TensorProto.FLOAT) for value in (new, offset)]
        scales.append(build.op("Div", build.floats(float(size)), floats[0]))
        shifts.append(build.op("Neg", build.op("Div", floats[1], floats[0])))
    build.op("Concat", *scales, *scales, axis=0, output=BOX_SCALE)
    build.op("Concat", *shifts, *shifts, axis=0, output=BOX_SHIFT)
    return axes[0], axes[1]


def _neighbours(build: GraphBuilder, axis: _Axis, coordinates: str) -> tuple[str, str, str]:
    """Along one axis, for each pixel of the core's input: index before, index after, weight of the one after."""
    places = build.constant(f"places_{axis.size}", np.arange(axis.size, dtype=np.float32))
    if axis.offset:
        places = build.op("Sub", places, build.op("Cast", axis.offset, to=TensorProto.FLOAT))
    length, new = axis.length, axis.new
    last = build.op("Sub", length, build.ints(1))
    if coordinates == "align_corners":
        length, new = last, build.op("Max", build.op("Sub", new, build.ints(1)), build.ints(1))
    floats = [build.op("Cast", value, to=TensorProto.FLOAT) for value in (length, new)]
    scale = build.op("Div", *floats)
    if coordinates == "half_pixel":
        source = build.op("Mul", build.op("Add", places, build.floats(0.5)), scale)
        source = build.op("Sub", source, build.floats(0.5))
    else:
        source = build.op("Mul", places, scale)
    source = build.op("Max", source, build.floats(0.0))
    if axis.offset:  # what lies right of the picture is covered afterwards, but must be an index
        source = build.op("Min", source, build.op("Cast", last, to=TensorProto.FLOAT))
    floor = build.op("Floor", source)
    before = build.op("Cast", floor, to=TensorProto.INT64)
    after = build.op("Min", build.op("Add", before, build.ints(1)), last)
    return before, after, build.op("Sub", source, floor)


def _inside(build: GraphBuilder, axis: _Axis) -> str:
    """For each pixel of the core's input along an axis, whether the picture covers it."""
    assert axis.offset is not None
    places = build.constant(f"indices_{axis.size}", np.arange(axis.size))
    after = build.op("GreaterOrEqual", places, axis.offset)
    return build.op("And", after, build.op("Less", places, build.op("Add", axis.offset, axis.new)))


def _beside(build: GraphBuilder, first: str, second: str) -> str:
    """Two vectors [n] as the columns of [n, 2]."""
    columns = (build.op("Unsqueeze", vector, build.ints(1)) for vector in (first, second))
    return build.op("Concat", *columns, axis=1)
