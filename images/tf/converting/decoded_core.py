"""A core around a graph that takes one picture: in its own type before it, decoding behind it, a free batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from converting.batching import BOXES, SCORES
from converting.tensor import Tensor
from isomer.contract import CORE_INPUT, IR_VERSION, OPSET, Preprocessing
from isomer.graph import batch
from isomer.graph.builder import GraphBuilder
from isomer.graph.head import core_input_shape
from isomer.graph.parts import prefixed
from isomer.progress import say

INNER = "model/"
TYPES = {"float32": TensorProto.FLOAT, "uint8": TensorProto.UINT8, "int8": TensorProto.INT8}
TRIED = 2  # pictures in the batch that the result is tried with
CLOSE = 1e-5


@dataclass(frozen=True)
class Decoded:
    """How the tensors `wanted` (their numbers) become boxes [A, 4] and scores [A, C]: in NumPy, and as a graph.

    `graph` builds, from the names of the tensors' real values [n, …], the names of boxes and scores.
    """

    wanted: tuple[int, ...]
    classes: int
    numpy: Callable[[list[np.ndarray]], tuple[np.ndarray, np.ndarray]]
    graph: Callable[[GraphBuilder, list[str]], tuple[str, str]]


def build(
    inner: onnx.ModelProto, taken: Tensor, ends: list[Tensor], decoded: Decoded, how: Preprocessing
) -> onnx.ModelProto:
    """A core from the graph `inner`, whose input is `taken` and whose outputs are `ends` in that order."""
    made = _joined(inner, taken, ends, decoded, how)
    freed = batch.freed(made)
    if _same(made, freed, how):
        return freed
    say("the batch is frozen inside the graph: its pictures go through one after the other, in a Loop")
    return batch.looped(made)


def _joined(
    inner: onnx.ModelProto, taken: Tensor, ends: list[Tensor], decoded: Decoded, how: Preprocessing
) -> onnx.ModelProto:
    """For a batch of one."""
    before, behind = GraphBuilder("input"), GraphBuilder("output")
    values = CORE_INPUT
    if taken.dtype != "float32":
        values = before.op("Round", values)
        if taken.dtype == "int8":  # counts pixels from -128
            values = before.op("Sub", values, before.floats(128.0))
        values = before.op("Cast", values, to=TYPES[taken.dtype])
    before.op("Identity", values, output=INNER + inner.graph.input[0].name)
    real = []
    for end, output in zip(ends, inner.graph.output, strict=True):
        value = behind.op("Cast", INNER + output.name, to=TensorProto.FLOAT)
        if end.quantised and output.type.tensor_type.elem_type != TensorProto.FLOAT:
            value = behind.op("Sub", value, behind.floats(float(end.zero)))
            value = behind.op("Mul", value, behind.floats(end.scale))
        real.append(value)
    for name, value in zip((BOXES, SCORES), decoded.graph(behind, real), strict=True):
        if value != name:
            behind.op("Identity", value, output=name)
    body = prefixed(inner, INNER)
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [*before.nodes, *body.graph.node, *behind.nodes],
        "converted",
        [info(CORE_INPUT, TensorProto.FLOAT, [1, *core_input_shape(how)[1:]])],
        [
            info(BOXES, TensorProto.FLOAT, [1, None, 4]),
            info(SCORES, TensorProto.FLOAT, [1, None, decoded.classes]),
        ],
        [*before.initializers.values(), *behind.initializers.values(), *body.graph.initializer],
    )
    return helper.make_model(graph, ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)])


def _same(one_by_one: onnx.ModelProto, together: onnx.ModelProto, how: Preprocessing) -> bool:
    """Whether a batch gives what its pictures give alone, by ONNX's own reference."""
    random = np.random.default_rng(0)
    images = random.uniform(0, 255, (TRIED, *core_input_shape(how)[1:])).astype(np.float32)
    images = (images - np.mean(how.mean, dtype=np.float32)) / np.mean(how.std, dtype=np.float32)
    try:
        reference = _reference(one_by_one)
        alone = [reference.run(None, {CORE_INPUT: image[None]}) for image in images]
        found = _reference(together).run(None, {CORE_INPUT: images})
    except (ValueError, TypeError, RuntimeError, IndexError, AttributeError):
        return False
    wanted = [np.concatenate(values) for values in zip(*alone, strict=True)]
    return all(
        one.shape == other.shape
        and np.abs(one - other).max(initial=0) <= CLOSE * max(1.0, np.abs(other).max(initial=0))
        for one, other in zip(found, wanted, strict=True)
    )


def _reference(model: onnx.ModelProto) -> ReferenceEvaluator:
    """ONNX's own reference. It has no quantisation of opset 18; that of 19 is the same, for what both have."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    if any(node.op_type in ("QuantizeLinear", "DequantizeLinear") for node in copy.graph.node):
        copy.opset_import[0].version = 19
    return ReferenceEvaluator(copy)
