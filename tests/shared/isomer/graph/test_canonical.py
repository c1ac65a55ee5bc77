"""A graph that is shuffled and renamed at random becomes the same bytes, and computes the same."""

from __future__ import annotations

import random

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from isomer.contract import IR_VERSION, OPSET
from isomer.graph import parts
from isomer.graph.canonical import canonical

IMAGES = np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32)


def test_whatever_the_names_and_the_order_the_bytes_are_the_same():
    model = _model()
    wanted = canonical(model).SerializeToString(deterministic=True)
    for seed in range(5):
        assert canonical(_shuffled(model, seed)).SerializeToString(deterministic=True) == wanted


def test_computes_the_same_and_is_valid():
    model = _model()
    made = canonical(_shuffled(model, 1))
    onnx.checker.check_model(made, full_check=True)
    for value, other in zip(_run(model), _run(made), strict=True):
        assert np.array_equal(value, other)
    assert [item.name for item in made.graph.output] == ["sum", "bias", "chosen"]


def test_what_nothing_needs_is_left_out():
    model = _model()
    model.graph.node.append(helper.make_node("Relu", ["images"], ["nobody's"]))
    model.graph.initializer.append(numpy_helper.from_array(np.ones(3, np.float32), "unused"))
    assert canonical(model) == canonical(_model())


@pytest.fixture(autouse=True)
def _quiet():
    onnxruntime.set_default_logger_severity(3)


def _model() -> onnx.ModelProto:
    """Two convolutions with one weight, a branch that looks at both, and an output that is a weight itself."""
    images = helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, ["n", 3, 8, 8])
    flag = helper.make_tensor_value_info("flag", onnx.TensorProto.BOOL, [])
    shapes = {"sum": ["n", 3, 8, 8], "bias": [3], "chosen": list("abcd")}
    floats = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    weights = np.random.default_rng(1).normal(size=(3, 3, 3, 3)).astype(np.float32)
    initializers = [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(weights[0, 0, 0], "bias")]
    conv = {"pads": [1] * 4, "kernel_shape": [3, 3], "strides": [1, 1]}
    branches = {
        f"{word}_branch": helper.make_graph(
            [helper.make_node("Mul", [taken, "w"] if word == "else" else [taken, taken], [f"{word}_out"])],
            word,
            [],
            [helper.make_tensor_value_info(f"{word}_out", onnx.TensorProto.FLOAT, list("abcd"))],
        )
        for word, taken in (("then", "second"), ("else", "w"))
    }
    nodes = [
        helper.make_node("Conv", ["images", "w", "bias"], ["first"], name="a", **conv),
        helper.make_node("Conv", ["first", "w"], ["second"], name="b", **conv),
        helper.make_node("Add", ["first", "second"], ["sum"], name="c"),
        helper.make_node("If", ["flag"], ["chosen"], name="d", **branches),
    ]
    graph = helper.make_graph(nodes, "graph", [images, flag], floats, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


def _shuffled(model: onnx.ModelProto, seed: int) -> onnx.ModelProto:
    """Other names for all that lies inside; initializers, attributes and nodes in another valid order."""
    copy, drawn = onnx.ModelProto(), random.Random(seed)
    copy.CopyFrom(model)
    copy.graph.name = copy.graph.doc_string = copy.doc_string = f"made {seed}"
    ends = {item.name for item in (*copy.graph.input, *copy.graph.output)}
    names: dict[str, str] = {"": ""} | {name: name for name in ends}

    def new(name: str) -> str:
        return names.setdefault(name, f"x{drawn.random()}")

    for graph in parts.graphs(copy.graph):
        for node in graph.node:
            node.name = f"n{drawn.random()}"
            node.input[:] = [new(name) for name in node.input]
            node.output[:] = [new(name) for name in node.output]
            attributes = list(node.attribute)
            drawn.shuffle(attributes)
            del node.attribute[:]
            node.attribute.extend(attributes)
        for item in (*graph.initializer, *graph.output):
            item.name = new(item.name)
    initializers = list(copy.graph.initializer)
    drawn.shuffle(initializers)
    for item in (*copy.graph.input, *copy.graph.output):
        for dimension in item.type.tensor_type.shape.dim:
            if dimension.dim_param:
                dimension.dim_param += str(seed)
    del copy.graph.initializer[:]
    copy.graph.initializer.extend(initializers)
    if seed % 2:  # the branch needs nothing of the sum
        copy.graph.node.insert(2, copy.graph.node.pop())
    return copy


def _run(model: onnx.ModelProto) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"images": IMAGES, "flag": np.array(True)})
