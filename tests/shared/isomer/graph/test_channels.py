"""A swap folded into the first convolution computes what swapping the picture computes, or is refused."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import parser

from isomer.graph.channels import fold_swap

TO_FIRST_CONVOLUTION = {
    "straight": ("float[n,3,8,8]", 1, "y = Conv <pads=[1,1,1,1]> (x, w)"),
    "transposed": ("float[n,8,8,3]", 3, "t = Transpose <perm=[0,3,1,2]> (x) y = Conv (t, w)"),
    "padded": ("float[n,3,8,8]", 1, "t = Pad (x, around) y = Conv (t, w)"),
    "padded, then transposed": (
        "float[n,8,8,3]",
        3,
        "p = Pad (x, around_nhwc) t = Transpose <perm=[0,3,1,2]> (p) y = Conv (t, w)",
    ),
}
NOT_TO_ONE = {
    "two convolutions": ("float[n,3,8,8]", 1, "a = Conv (x, w) b = Conv (x, w) y = Add (a, b)"),
    "channels padded": ("float[n,2,8,8]", 1, "t = Pad (x, one_channel) y = Conv (t, w)"),
    "grouped": ("float[n,3,8,8]", 1, "y = Conv <group=3> (x, w1)"),
    "computed weights": ("float[n,3,8,8]", 1, "v = Relu (w) y = Conv (x, v)"),
    "another operator first": ("float[n,3,8,8]", 1, "t = Softmax <axis=1> (x) y = Conv (t, w)"),
}


def make(shape: str, body: str) -> onnx.ModelProto:
    random = np.random.default_rng(0)

    def values(count: int) -> str:
        return ", ".join(f"{value:.3f}" for value in random.normal(size=count))

    model = parser.parse_model(
        f"""<ir_version: 8, opset_import: ["" : 18]>
        core ({shape} x) => (float[n,c,h,k] y)
        <float[6,3,3,3] w = {{{values(162)}}}, float[6,1,3,3] w1 = {{{values(54)}}},
         int64[8] around = {{0,0,1,1,0,0,2,2}}, int64[8] around_nhwc = {{0,1,1,0,0,2,2,0}},
         int64[8] one_channel = {{0,0,0,0,0,1,0,0}}>
        {{ {body} }}"""
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def run(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


@pytest.mark.parametrize("way", TO_FIRST_CONVOLUTION)
def test_folded_swap(way):
    shape, axis, body = TO_FIRST_CONVOLUTION[way]
    model = make(shape, body)
    x = np.random.default_rng(1).normal(size=[2, 3, 8, 8] if axis == 1 else [2, 8, 8, 3]).astype(np.float32)
    expected = run(model, x)
    assert fold_swap(model, axis)
    np.testing.assert_allclose(run(model, np.flip(x, axis).copy()), expected, atol=1e-5)


@pytest.mark.parametrize("way", NOT_TO_ONE)
def test_refused_and_nothing_changed(way):
    shape, axis, body = NOT_TO_ONE[way]
    model = make(shape, body)
    before = model.SerializeToString()
    assert not fold_swap(model, axis)
    assert model.SerializeToString() == before
