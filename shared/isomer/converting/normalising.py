"""Whether a graph made elsewhere normalises pictures by itself: its first operators tell."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from isomer.converting.usual import AS_IT_IS, TO_ONE, Usual

_PASSED = {"Identity", "Cast", "Transpose", "Reshape", "Unsqueeze", "Squeeze", "Gather", "Split", "Slice", "Concat"}


def inside(model: onnx.ModelProto, name: str) -> Usual | None:
    """What is left to do before a graph that normalises by itself; None if its first operators do not.

    A subtraction of 127.5, or a division by 255, is of pixels from 0 to 255; one of 0.485 is of pixels from 0 to 1.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            constants[node.output[0]] = node.attribute[0].t
    reached = {name}
    for node in model.graph.node:
        if not reached & set(node.input):
            continue
        if node.op_type in _PASSED or node.op_type in ("Resize", "Upsample", "Pad"):
            reached.update(node.output)
            continue
        if node.op_type not in ("Sub", "Add", "Mul", "Div"):
            return None
        values = [constants[value] for value in node.input if value in constants]
        if len(values) != 1:
            return None
        most = float(np.abs(numpy_helper.to_array(values[0])).max(initial=0))
        of_bytes = {"Sub": most > 2, "Add": most > 2, "Div": most > 10, "Mul": most < 0.1}[node.op_type]
        return AS_IT_IS if of_bytes else TO_ONE
    return None
