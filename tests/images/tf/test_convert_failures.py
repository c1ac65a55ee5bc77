"""What tf2onnx says when it fails, provoked, and what is made of it."""

from __future__ import annotations

import re

import keras
import onnx
import pytest
import tensorflow as tf
import tf2onnx
from converting import onnx_writing
from converting.onnx_writing import ToolFailed, checked
from onnx import helper, version_converter

from isomer.converting.failures import ConversionFailed, explain
from isomer.converting.failures_tf import TABLE

v1 = tf.compat.v1


def graph(build) -> v1.GraphDef:
    with tf.Graph().as_default() as made:
        build()
    return made.as_graph_def()


def sliced() -> None:
    """Where the slice begins is computed."""
    table = v1.placeholder(tf.float32, [1, 8], name="x")
    first = v1.placeholder(tf.int32, [], name="first")
    tf.identity(tf.slice(table, [0, first], [1, 2]), name="y")


def suppressed() -> None:
    boxes, scores = v1.placeholder(tf.float32, [1, 8, 1, 4], name="x"), v1.placeholder(tf.float32, [1, 8, 2], name="s")
    tf.identity(tf.image.combined_non_max_suppression(boxes, scores, 4, 4)[0], name="y")


def unknown() -> None:
    x = v1.placeholder(tf.float32, [1, 4], name="x")
    tf.identity(tf.math.betainc(x, x, x), name="y")


def said(call) -> str:
    """What tf2onnx says when a call of it fails."""
    with pytest.raises(ToolFailed) as caught:
        checked(call)
    return str(caught.value)


def at(opset: int, definition: v1.GraphDef, inputs: list[str], outputs: list[str]):
    def call():
        with tf.Graph().as_default():
            return tf2onnx.convert.from_graph_def(definition, input_names=inputs, output_names=outputs, opset=opset)

    return call


@pytest.mark.parametrize(
    ("call", "message", "words"),
    [
        (at(9, graph(sliced), ["x:0", "first:0"], ["y:0"]), "must be Const", "the opset is too low"),
        (
            at(9, graph(sliced), ["x:0", "first:0"], ["y:0"]),
            "make_sure failure: Cannot find node with output",
            "too low",
        ),
        (at(10, graph(suppressed), ["x:0", "s:0"], ["y:0"]), "is not supported", "operator CombinedNonMaxSuppression"),
        (at(18, graph(unknown), ["x:0"], ["y:0"]), "is not supported", "operator Betainc .*--outputs"),
        (at(99, graph(unknown), ["x:0"], ["y:0"]), "Opset 99 is not supported", "does not write opset 99"),
        (at(18, graph(sliced), [], ["y:0"]), "needs to be provided", "none were named.*--inputs"),
        (at(18, graph(sliced), ["x:0"], []), "needs to be provided", "none were named.*--outputs"),
        (at(18, graph(sliced), ["x:0"], ["detections:0"]), "is not in graph", "no tensor detections"),
    ],
)
def test_messages_of_tf2onnx(call, message, words):
    text = said(call)
    assert message in text
    assert re.search(words, explain("tf2onnx", text, TABLE))


def test_keras_3():
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3)])
    assert "Keras 3" in explain("tf2onnx", said(lambda: tf2onnx.convert.from_keras(model, opset=18)), TABLE)


def test_an_input_that_nothing_makes():
    value = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy"]
    made = helper.make_graph([helper.make_node("Relu", ["gone"], ["y"])], "cut", value[:1], value[1:])
    with pytest.raises(Exception, match="Input gone is undefined") as caught:
        version_converter.convert_version(helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)]), 18)
    assert "takes gone, which nothing in the graph makes" in explain("onnx", str(caught.value), TABLE)


def test_the_next_opset_is_tried(capsys):
    inputs, outputs = {"x:0": "x", "s:0": "s"}, {"y:0": "y"}
    model = onnx_writing.write(graph(suppressed), inputs, outputs, ladder=(10, 18))
    assert model.opset_import[0].version == 18
    assert "opset 10: tf2onnx" in (text := capsys.readouterr().out) and "opset 18 converts" in text
    with pytest.raises(ConversionFailed, match=r"operator Betainc .*opsets 13, 18 were tried"):
        onnx_writing.write(graph(unknown), {"x:0": "x"}, outputs, ladder=(13, 18))


def test_the_frozen_graph_of_the_cases_at_opset_9(cases):
    definition = v1.GraphDef()
    path = cases / "models" / "tf1-frozen-embedded-ssd-pcd" / "frozen_inference_graph.pb"
    definition.ParseFromString(path.read_bytes())
    outputs = [f"detection_{name}:0" for name in ("boxes", "classes", "scores")]
    text = said(at(9, definition, ["image_tensor:0"], outputs))
    assert "must be Const" in text and "make_sure failure: Cannot find node with output" in text
    assert "the opset is too low" in explain("tf2onnx", text, TABLE)
