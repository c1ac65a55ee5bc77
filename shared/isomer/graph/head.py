"""The head: uint8 pictures of any size to the core's normalised float input.

Bilinear, half-pixel centres, no antialiasing, on float pixels, without keeping the aspect ratio: what
`F.interpolate(align_corners=False)` and `tf.image.resize("bilinear")` compute, with their formula for the
source coordinate (`(i + 0.5) * in / out - 0.5` in float32), so that large pictures agree too. ONNX's own Resize
divides by `out / in` instead, which rounds otherwise, and needs the whole frame as floats. Here only the rows and
columns that count are picked, as bytes: two thirds of the time of Cast and Resize for 640x480 to 160x160.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper

from isomer import contract
from isomer.contract import Core
from isomer.graph.builder import GraphBuilder

PREFIX = "head"
MEAN = f"{PREFIX}/mean"
STD = f"{PREFIX}/std"


def build(core: Core, swap_channels: bool = False, reverse_normalisation: bool = False) -> onnx.GraphProto:
    """A graph from `image`, uint8 [batch, height, width, 3], to `images`, float32 in the core's layout.

    Args:
        swap_channels: reverse the channels before normalising (BGR pictures for a core that wants RGB).
        reverse_normalisation: the core's own weights were reversed instead, so mean and std are too.
    """
    build = GraphBuilder(PREFIX)
    size = core.size
    shape = build.op("Shape", contract.INPUT)
    top, bottom, row_weight = _neighbours(build, shape, axis=1, size=size)
    left, right, column_weight = _neighbours(build, shape, axis=2, size=size)

    # all upper rows, then all lower rows: [n, 2 size, width, 3], still bytes
    rows = build.op("Gather", contract.INPUT, build.op("Concat", top, bottom, axis=0), axis=1)
    # the width leads, so that picking a column copies one long run of bytes: [n, width, 3 * 2 size]
    rows = build.op("Reshape", rows, build.ints(0, 2 * size, -1))
    columns = build.op("Reshape", build.op("Transpose", rows, perm=[0, 2, 1]), build.ints(0, -1, 6 * size))
    # left and right neighbour of each column beside each other: [n, size, 2, 3 * 2 size]
    pairs = build.op("Reshape", _beside(build, left, right), build.ints(-1))
    columns = build.op("Cast", build.op("Gather", columns, pairs, axis=1), to=TensorProto.FLOAT)
    columns = build.op("Reshape", columns, build.ints(0, size, 2, 6 * size))
    # one product per column, (1 - w) left + w right, in one pass over memory
    weights = _beside(build, build.op("Sub", build.floats(1.0), column_weight), column_weight)
    columns = build.op("MatMul", build.op("Reshape", weights, build.ints(size, 1, 2)), columns)
    columns = build.op("Reshape", columns, build.ints(0, 3 * size, 2, size))
    upper, lower = build.pair("Split", columns, axis=2, num_outputs=2)
    step = build.op("Mul", build.op("Sub", lower, upper), row_weight)
    # [n, width, channel, height]
    pixels = build.op("Reshape", build.op("Add", upper, step), build.ints(0, size, 3, size))

    if swap_channels:
        pixels = build.op("Gather", pixels, build.ints(2, 1, 0), axis=2)
    mean, std = (values[::-1] if reverse_normalisation else values for values in (core.mean, core.std))
    pixels = build.op("Sub", pixels, build.named_constant(MEAN, np.array(mean, np.float32).reshape(3, 1)))
    pixels = build.op("Div", pixels, build.named_constant(STD, np.array(std, np.float32).reshape(3, 1)))
    order = [0, 2, 3, 1] if core.layout == "NCHW" else [0, 3, 1, 2]
    build.op("Transpose", pixels, perm=order, output=contract.CORE_INPUT)
    return build.graph(
        [helper.make_tensor_value_info(contract.INPUT, TensorProto.UINT8, ["batch", "height", "width", 3])],
        [helper.make_tensor_value_info(contract.CORE_INPUT, TensorProto.FLOAT, core_input_shape(core))],
    )


def core_input_shape(core: Core) -> list[str | int]:
    """Shape of the core's input with a dynamic batch."""
    picture = [3, core.size, core.size] if core.layout == "NCHW" else [core.size, core.size, 3]
    return ["batch", *picture]


def _neighbours(build: GraphBuilder, shape: str, axis: int, size: int) -> tuple[str, str, str]:
    """Along one axis, for each of `size` output pixels: index before, index after, weight of the one after."""
    length = build.op("Slice", shape, build.ints(axis), build.ints(axis + 1))
    scale = build.op("Div", build.op("Cast", length, to=TensorProto.FLOAT), build.floats(float(size)))
    centres = build.constant("centres", np.arange(size, dtype=np.float32) + 0.5)
    source = build.op("Sub", build.op("Mul", centres, scale), build.floats(0.5))
    source = build.op("Max", source, build.floats(0.0))
    floor = build.op("Floor", source)
    before = build.op("Cast", floor, to=TensorProto.INT64)
    last = build.op("Sub", length, build.ints(1))
    after = build.op("Min", build.op("Add", before, build.ints(1)), last)
    return before, after, build.op("Sub", source, floor)


def _beside(build: GraphBuilder, first: str, second: str) -> str:
    """Two vectors [n] as the columns of [n, 2]."""
    columns = (build.op("Unsqueeze", vector, build.ints(1)) for vector in (first, second))
    return build.op("Concat", *columns, axis=1)
