"""Cutting and changing a published model without another export: thresholds, raw outputs, the tail alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.utils import Extractor

from isomer import contract
from isomer.contract import Thresholds

RAW = (contract.RAW_BOXES, contract.RAW_SCORES)
THRESHOLDS = (contract.SCORE_THRESHOLD, contract.IOU_THRESHOLD, contract.MAX_DETECTIONS)


def nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """All nodes, with those inside If, Loop and Scan."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                yield from nodes(inner)


def graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """A graph and those inside its If, Loop and Scan nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                yield from graphs(inner)


def made_in(graph: onnx.GraphProto) -> Iterator[str]:
    """The names of the tensors that a graph defines: inputs, constants, and what its own nodes give."""
    yield from (item.name for item in (*graph.input, *graph.initializer))
    yield from (tensor.values.name for tensor in graph.sparse_initializer)
    yield from (name for node in graph.node for name in node.output)


def prefixed(model: onnx.ModelProto, prefix: str) -> onnx.ModelProto:
    """A copy with a prefix before every name. onnx.compose leaves out what inner graphs take from outer ones."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for graph in graphs(copy.graph):
        for item in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
            item.name = prefix + item.name
        for tensor in graph.sparse_initializer:
            tensor.values.name = prefix + tensor.values.name
        for node in graph.node:
            node.name = node.name and prefix + node.name
            node.input[:] = [name and prefix + name for name in node.input]
            node.output[:] = [name and prefix + name for name in node.output]
    return copy


def has_raw(model: onnx.ModelProto) -> bool:
    """Whether the model names its raw tensors (models that kept a graph of their own do not)."""
    made = {name for node in model.graph.node for name in node.output}
    return set(RAW) <= made


def has_thresholds(model: onnx.ModelProto) -> bool:
    """Whether the model has the contract's thresholds as initializers; one with an NMS of its own has no overlap."""
    return {THRESHOLDS[0], THRESHOLDS[2]} <= {tensor.name for tensor in model.graph.initializer}


def thresholds(model: onnx.ModelProto) -> dict[str, float]:
    """Those of the contract's three initializers that the model has, and their values."""
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    values = {name: numpy_helper.to_array(tensors[name]) for name in THRESHOLDS if name in tensors}
    return {name: value.item() for name, value in values.items() if value.size == 1}


def with_thresholds(model: onnx.ModelProto, thresholds: Thresholds) -> onnx.ModelProto:
    """A copy with other thresholds, of those of the contract's three initializers that the model has."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    tensors = {tensor.name: tensor for tensor in copy.graph.initializer}
    for name, value in zip(THRESHOLDS, (thresholds.score, thresholds.iou, thresholds.max_detections), strict=True):
        if name not in tensors:
            continue
        old = numpy_helper.to_array(tensors[name])
        tensors[name].CopyFrom(numpy_helper.from_array(np.full(old.shape, value, old.dtype), name))
    return copy


def with_raw_outputs(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose outputs are followed by `raw_boxes` and `raw_scores`."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    known = {item.name: item for item in model.graph.value_info}
    copy.graph.output.extend(known.get(name, onnx.ValueInfoProto(name=name)) for name in RAW)
    return copy


def tail_alone(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model's own tail: from `raw_boxes` and `raw_scores` to the four outputs."""
    return Extractor(model).extract_model(list(RAW), list(contract.OUTPUTS))
