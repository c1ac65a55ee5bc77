"""Folding a swap of the colour channels into the weights of a core's first convolution, where it costs nothing."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

# Operators that leave each channel to itself; the walk from the input to the first convolution passes through them.
_TRANSPARENT = {"Identity", "Cast", "Pad", "Transpose"}


def fold_swap(model: onnx.ModelProto, channel_axis: int) -> bool:
    """Reverse the input channels of the first convolution's weights, in place.

    The model then takes BGR where it took RGB, and computes the same. False, and nothing is changed, where the
    input does not lead to exactly one ungrouped convolution with constant weights (torch's and tf2onnx's exports
    of mobile nets do).

    Args:
        channel_axis: of the model's only input.
    """
    graph = model.graph
    name, axis = graph.input[0].name, channel_axis
    while True:
        users = [node for node in graph.node if name in node.input]
        if len(users) != 1 or name in {output.name for output in graph.output}:
            return False
        (node,) = users
        if node.op_type == "Conv":
            return axis == 1 and node.input[0] == name and _reverse_weights(graph, node)
        if node.op_type not in _TRANSPARENT or node.input[0] != name or _pads_channels(graph, node, axis):
            return False
        if node.op_type == "Transpose":
            axis = list(_attribute(node, "perm", [])).index(axis)
        name = node.output[0]


def _reverse_weights(graph: onnx.GraphProto, conv: onnx.NodeProto) -> bool:
    weights = next((item for item in graph.initializer if item.name == conv.input[1]), None)
    if weights is None or _attribute(conv, "group", 1) != 1 or weights.dims[1] != 3:
        return False
    swapped = numpy_helper.from_array(
        np.ascontiguousarray(numpy_helper.to_array(weights)[:, ::-1]), f"{weights.name}/bgr"
    )
    graph.initializer.append(swapped)
    conv.input[1] = swapped.name
    if not any(weights.name in node.input for node in graph.node):
        graph.initializer.remove(weights)
    return True


def _pads_channels(graph: onnx.GraphProto, node: onnx.NodeProto, axis: int) -> bool:
    """Whether a Pad node may do something to the channels: unknown pads count as doing so."""
    if node.op_type != "Pad":
        return False
    pads = next((numpy_helper.to_array(item) for item in graph.initializer if item.name == node.input[1]), None)
    if pads is None or len(node.input) > 3:
        return True
    return bool(pads[axis] or pads[axis + len(pads) // 2])


def _attribute(node: onnx.NodeProto, name: str, default):
    return next((helper.get_attribute_value(item) for item in node.attribute if item.name == name), default)
