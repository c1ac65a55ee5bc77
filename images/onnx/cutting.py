"""Graphs made smaller and put together: parts that lead to some tensors, a part before and a part behind."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import onnx
from onnx import TensorProto, helper
from original import PictureInput

from isomer import contract
from isomer.contract import Preprocessing
from isomer.graph import head
from isomer.graph.builder import GraphBuilder
from isomer.graph.parts import nodes, prefixed

PREFIX = "model/"
RAW = "raw/"  # before the names of the model's outputs, where the part behind takes them


def leading_to(model: onnx.ModelProto, outputs: tuple[str, ...]) -> onnx.ModelProto:
    """A copy with these tensors as its outputs, and nothing that they do not need."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    needed = set(outputs)
    kept = []
    for node in reversed(graph.node):
        if needed & set(node.output):
            kept.append(node)
            needed.update(node.input)
            needed.update(name for inner in nodes(helper.make_graph([node], "", [], [])) for name in inner.input)
    kept = kept[::-1]
    weights = [tensor for tensor in graph.initializer if tensor.name in needed]
    known = {item.name: item for item in (*graph.output, *graph.value_info)}
    results = [known.get(name, onnx.ValueInfoProto(name=name)) for name in outputs]
    results = [onnx.ValueInfoProto.FromString(item.SerializeToString()) for item in results]
    for field, items in ((graph.node, kept), (graph.initializer, weights), (graph.output, results)):
        items = [type(item).FromString(item.SerializeToString()) for item in items]
        del field[:]
        field.extend(items)
    return copy


def between(
    model: onnx.ModelProto,
    how: Preprocessing,
    taken: PictureInput,
    batch: int | None,
    behind: onnx.GraphProto,
    without_batch: Collection[str] = (),
) -> onnx.ModelProto:
    """A model from `images` as a core takes them to the outputs of `behind`.

    Args:
        model: at the contract's opset.
        how: layout, height and width of what it takes.
        taken: its input. batch: what that is fixed to; None where it is free.
        behind: a graph whose inputs are the model's outputs, float32 and with a batch axis, by RAW + their names.
        without_batch: outputs that are given a batch axis.
    """
    inner = prefixed(model, PREFIX)
    build = GraphBuilder("input")
    values = contract.CORE_INPUT
    if taken.rank == 3:
        values = build.op("Squeeze", values, build.ints(0))
    if not taken.dtype.startswith("float"):
        values = build.op("Round", values)
    if taken.dtype != "float32":
        values = build.op("Cast", values, to=helper.np_dtype_to_tensor_dtype(np.dtype(taken.dtype)))
    build.op("Identity", values, output=f"{PREFIX}{taken.name}")
    joined = GraphBuilder("output")
    for item in behind.input:
        name = item.name.removeprefix(RAW)
        value = f"{PREFIX}{name}"
        if name in without_batch:
            value = joined.op("Unsqueeze", value, joined.ints(0))
        joined.op("Cast", value, to=TensorProto.FLOAT, output=item.name)
    shape = head.core_input_shape(how)
    shape[0] = "batch" if batch is None else batch
    graph = helper.make_graph(
        [*build.nodes, *inner.graph.node, *joined.nodes, *behind.node],
        "converted",
        [helper.make_tensor_value_info(contract.CORE_INPUT, TensorProto.FLOAT, shape)],
        list(behind.output),
        [*build.initializers.values(), *joined.initializers.values(), *inner.graph.initializer, *behind.initializer],
    )
    return helper.make_model(
        graph, ir_version=contract.IR_VERSION, opset_imports=[helper.make_opsetid("", contract.OPSET)]
    )
