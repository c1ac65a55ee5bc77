"""The core as an ONNX model, and a check of what tf2onnx wrote: it can log an error and go on."""

from __future__ import annotations

import onnx
import quiet
import tensorflow as tf
import tf2onnx
from converting import onnx_writing
from model import Core

from isomer.contract import CORE_INPUT, OPSET
from isomer.errors import CheckFailed

VERSION = tf2onnx.__version__
BOXES, SCORES = "boxes", "scores"


def convert(core: Core) -> bytes:
    """The core as one ONNX file: normalised images [n, size, size, 3] to `boxes` and `scores`, any n.

    Raises:
        CheckFailed: what tf2onnx made is not a valid model of the operators and the shapes wanted.
    """
    signature = [tf.TensorSpec([None, core.size, core.size, 3], tf.float32, name=CORE_INPUT)]

    @tf.function(input_signature=signature)
    def named(images: tf.Tensor) -> dict[str, tf.Tensor]:
        boxes, scores = core(images)
        return {BOXES: boxes, SCORES: scores}

    with quiet.hushed():
        model, _ = tf2onnx.convert.from_function(named, input_signature=signature, opset=OPSET)
        model = onnx_writing.settle(model, OPSET)
        check(model)
    return model.SerializeToString(deterministic=True)


def check(model: onnx.ModelProto) -> None:
    """Raise CheckFailed unless this is a valid core."""
    try:
        onnx.checker.check_model(model, full_check=True)
    except onnx.checker.ValidationError as error:
        raise CheckFailed(f"tf2onnx {VERSION} wrote an invalid model: {error}") from error
    opsets = {item.domain: item.version for item in model.opset_import}
    if opsets != {"": OPSET}:
        raise CheckFailed(f"tf2onnx {VERSION} wrote operator sets {opsets}; wanted is {OPSET} of the default domain")
    inputs = [item.name for item in model.graph.input]
    outputs = [item.name for item in model.graph.output]
    if inputs != [CORE_INPUT] or outputs != [BOXES, SCORES]:
        raise CheckFailed(f"tf2onnx {VERSION} wrote inputs {inputs} and outputs {outputs}")
