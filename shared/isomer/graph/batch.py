"""A batch that is frozen to one, made free: by mending the constants that hold the 1, else by a Loop over pictures."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from isomer import contract
from isomer.graph.builder import GraphBuilder
from isomer.graph.parts import prefixed

BATCH = "batch"


def is_free(model: onnx.ModelProto) -> bool:
    """Whether the first axis of the model's only input is open."""
    dims = model.graph.input[0].type.tensor_type.shape.dim
    return bool(dims) and not dims[0].HasField("dim_value")


def freed(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy with an open batch in which constant shapes that begin with 1 follow the batch.

    It is a guess, right for most detectors; whoever calls this compares batches with single pictures.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            value = next((item.t for item in node.attribute if item.name == "value"), None)
            ints = next((item.ints for item in node.attribute if item.name == "value_ints"), None)
            if value is not None:
                constants[node.output[0]] = numpy_helper.to_array(value)
            elif ints is not None:
                constants[node.output[0]] = np.array(ints, np.int64)
    for index, node in enumerate(graph.node):
        if node.op_type == "Reshape":
            shape = constants.get(node.input[1])
            if shape is not None and len(shape) and shape[0] == 1:
                following = shape.copy()
                following[0] = 0 if (shape[1:] == -1).any() else -1
                _replace(graph, node, 1, following, f"reshape_{index}")
        elif node.op_type == "Resize" and len(node.input) > 3 and node.input[3]:
            sizes = constants.get(node.input[3])
            has_axes = any(item.name == "axes" for item in node.attribute)
            if sizes is not None and len(sizes) == 4 and not has_axes:
                _replace(graph, node, 3, sizes[2:], f"resize_{index}")
                node.attribute.append(helper.make_attribute("axes", [2, 3]))
    _open(graph.input)
    _open(graph.output)
    del graph.value_info[:]
    return copy


def looped(model: onnx.ModelProto) -> onnx.ModelProto:
    """A model that gives each picture of a batch to `model`, whose batch is 1, one after the other.

    All outputs must have a first axis of 1 and, picture by picture, the same shape.
    """
    inner = prefixed(model, "one/")
    source, results = model.graph.input[0], list(model.graph.output)
    build = GraphBuilder("loop")
    body = GraphBuilder("loop/body")
    # the first axis stays, as the 1 that the graph wants
    picture = body.op("Unsqueeze", body.op("Gather", source.name, "loop/i", axis=0), body.ints(0))
    body_nodes = [*body.nodes, helper.make_node("Identity", [picture], [inner.graph.input[0].name])]
    body_nodes += inner.graph.node
    body_nodes.append(helper.make_node("Identity", ["loop/go"], ["loop/go_on"]))
    one = [helper.make_node("Squeeze", [item.name, "loop/zero"], [f"{item.name}/row"]) for item in inner.graph.output]
    value = helper.make_tensor_value_info
    rows = [value(f"{item.name}/row", item.type.tensor_type.elem_type, _dims(item)[1:]) for item in inner.graph.output]
    graph = helper.make_graph(
        [*body_nodes, *one],
        "picture",
        [value("loop/i", TensorProto.INT64, []), value("loop/go", TensorProto.BOOL, [])],
        [value("loop/go_on", TensorProto.BOOL, []), *rows],
    )
    count = build.op("Squeeze", build.op("Shape", source.name, start=0, end=1))
    go = build.constant("true", np.array(True))
    loop = helper.make_node("Loop", [count, go], [item.name for item in results], body=graph, name="loop/Loop")
    zero = numpy_helper.from_array(np.array([0], np.int64), "loop/zero")
    outer = helper.make_graph(
        [*build.nodes, loop],
        model.graph.name,
        [source],
        results,
        [*build.initializers.values(), *body.initializers.values(), zero, *inner.graph.initializer],
    )
    _open(outer.input)
    _open(outer.output)
    return helper.make_model(
        outer, ir_version=contract.IR_VERSION, opset_imports=[helper.make_opsetid("", contract.OPSET)]
    )


def _replace(graph: onnx.GraphProto, node: onnx.NodeProto, place: int, value: np.ndarray, name: str) -> None:
    """Give a node a constant of its own: others may read the old one."""
    tensor = numpy_helper.from_array(value.astype(np.int64), f"batch/{name}")
    graph.initializer.append(tensor)
    node.input[place] = tensor.name


def _open(items) -> None:
    for item in items:
        dims = item.type.tensor_type.shape.dim
        if dims:
            dims[0].Clear()
            dims[0].dim_param = BATCH


def _dims(item: onnx.ValueInfoProto) -> list[int | str | None]:
    return [
        dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None for dim in item.type.tensor_type.shape.dim
    ]
