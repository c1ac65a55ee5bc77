"""The NumPy way of resizing against the head's, run by ONNX Runtime, for every way that the contract knows."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from onnx import helper

from isomer import contract
from isomer.contract import Preprocessing, Resize
from isomer.converting.resizing import place, prepare
from isomer.graph import head

COORDINATES = ("half_pixel", "asymmetric", "align_corners")
STRETCHED = [Resize(coordinates=one) for one in COORDINATES]
LETTERBOXED = [
    Resize("letterbox", one, pad, where)
    for one in COORDINATES
    for where, pad in (("center", 114), ("top_left", None), ("top_left", 127.5))
]


def described(resize: Resize, channels: str = "rgb", layout: str = "NHWC") -> Preprocessing:
    return Preprocessing(
        layout=layout,
        height=64,
        width=96,
        mean=(123.7, 116.3, 103.5),
        std=(58.4, 57.1, 57.4),
        channels=channels,
        resize=resize,
    )


def by_head(how: Preprocessing, pixels: np.ndarray, channels: str) -> np.ndarray:
    opsets = [helper.make_opsetid("", contract.OPSET)]
    model = helper.make_model(head.build(how, channels), ir_version=contract.IR_VERSION, opset_imports=opsets)
    # only of a whole model are the tensors for the boxes taken from the head
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run([contract.CORE_INPUT], {contract.INPUT: pixels[None]})[0][0]


@pytest.mark.parametrize("resize", STRETCHED + LETTERBOXED, ids=str)
@pytest.mark.parametrize("frame", [(48, 64), (130, 71), (64, 96), (1, 1), (7, 300)])
def test_as_the_head_does(frame, resize):
    pixels = np.random.default_rng(sum(frame)).integers(0, 256, (*frame, 3), dtype=np.uint8)
    for channels, layout in (("rgb", "NHWC"), ("bgr", "NCHW")):
        how = described(resize, channels, layout)
        values, _ = prepare(pixels, how)
        np.testing.assert_allclose(values, by_head(how, pixels, "rgb"), atol=1e-3)
        frame_in_bgr = np.ascontiguousarray(pixels[..., ::-1])
        np.testing.assert_allclose(values, by_head(how, frame_in_bgr, "bgr"), atol=1e-3)


def test_boxes_of_a_letterboxed_picture():
    """A picture twice as wide as high in a square: the middle half of the square's height."""
    placed = place(np.zeros((100, 200, 3), np.uint8), 80, 80, Resize("letterbox"))
    assert (placed.rows, placed.columns) == (slice(20, 60), slice(0, 80))
    found = placed.boxes_in_picture(np.array([[0.25, 0, 0.75, 1], [0.5, 0.5, 0.5, 0.5]], np.float32))
    np.testing.assert_allclose(found, [[0, 0, 1, 1], [0.5, 0.5, 0.5, 0.5]], atol=1e-6)
