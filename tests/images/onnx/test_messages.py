"""What ONNX Runtime says to a client's mistakes, as docs/when-it-goes-wrong.md quotes it."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper


def model(ir_version: int = 8, opset: int = 18, batch: int | str = "batch") -> bytes:
    """One that takes what the contract takes."""
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, [batch, "height", "width", 3])
    same = helper.make_tensor_value_info("same", TensorProto.UINT8, [batch, "height", "width", 3])
    graph = helper.make_graph([helper.make_node("Identity", ["image"], ["same"])], "same", [image], [same])
    made = helper.make_model(graph, ir_version=ir_version, opset_imports=[helper.make_opsetid("", opset)])
    return made.SerializeToString()


@pytest.mark.parametrize(
    ("batch", "picture", "says"),
    [
        ("batch", np.zeros((1, 8, 8, 3), np.float32), r"Actual: \(tensor\(float\)\) , expected: \(tensor\(uint8\)\)"),
        ("batch", np.zeros((8, 8, 3), np.uint8), "Invalid rank for input: image Got: 3 Expected: 4"),
        ("batch", np.zeros((1, 3, 8, 8), np.uint8), r"Got invalid dimensions(.|\n)*index: 3 Got: 8 Expected: 3"),
        (1, np.zeros((2, 8, 8, 3), np.uint8), r"Got invalid dimensions(.|\n)*index: 0 Got: 2 Expected: 1"),
    ],
)
def test_a_picture_that_does_not_fit(batch, picture, says):
    session = onnxruntime.InferenceSession(model(batch=batch), providers=["CPUExecutionProvider"])
    with pytest.raises(Exception, match=says):
        session.run(None, {"image": picture})


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (model(ir_version=onnx.IR_VERSION + 20), "Unsupported model IR version: .*, max supported IR version"),
        (model(opset=99), "Opset 99 is under development"),
    ],
)
def test_a_file_that_is_too_new(made, says):
    with pytest.raises(Exception, match=says):
        onnxruntime.InferenceSession(made, providers=["CPUExecutionProvider"])
