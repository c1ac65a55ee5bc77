"""The head against bilinear resizing worked out in NumPy, for shrinking, growing and the smallest pictures."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from isomer import contract
from isomer.contract import Preprocessing
from isomer.graph import head


def make_core(layout: str, size: int, **more) -> Preprocessing:
    sides = {"height": size, "width": size, "mean": (123.7, 116.3, 103.5), "std": (58.4, 57.1, 57.4)}
    return Preprocessing(**{"layout": layout, **sides, **more})


def run_head(core: Preprocessing, pixels: np.ndarray, **options) -> np.ndarray:
    model = helper.make_model(
        head.build(core, **options), ir_version=contract.IR_VERSION, opset_imports=[helper.make_opsetid("", 18)]
    )
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {contract.INPUT: pixels})[0]


def bilinear(pixels: np.ndarray, size: int) -> np.ndarray:
    """[n, height, width, 3] to [n, size, size, 3], as a product with one weight matrix per axis."""
    rows, columns = (_weights(length, size) for length in pixels.shape[1:3])
    return np.einsum("rh,nhwc,kw->nrkc", rows, pixels.astype(np.float64), columns, optimize=True)


def _weights(length: int, size: int) -> np.ndarray:
    """[size, length], in float64 but for the source coordinates, which frameworks compute in float32."""
    sources = (np.arange(size, dtype=np.float32) + 0.5) * np.float32(length / size) - 0.5
    weights = np.zeros((size, length))
    for row, source in enumerate(np.clip(sources, 0, length - 1).astype(np.float64)):
        before = int(source)
        weights[row, before] += 1 - (source - before)
        weights[row, min(before + 1, length - 1)] += source - before
    return weights


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("size", [96, 160, 321])
@pytest.mark.parametrize("frame", [(480, 640), (300, 300), (241, 317), (960, 540), (96, 96), (31, 7), (1, 1), (1, 500)])
def test_pixels_agree(frame, size):
    core = make_core("NHWC", size)
    pixels = noise(2, *frame, 3)
    grey = run_head(core, pixels) * np.array(core.std) + np.array(core.mean)
    np.testing.assert_allclose(grey, bilinear(pixels, size), atol=0.001)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_layout_and_normalisation(layout):
    core = make_core(layout, 96)
    pixels = noise(3, 120, 80, 3)
    expected = (bilinear(pixels, 96) - core.mean) / core.std
    if layout == "NCHW":
        expected = expected.transpose(0, 3, 1, 2)
    np.testing.assert_allclose(run_head(core, pixels), expected, atol=1e-3)


def test_swapped_channels_are_normalised_as_what_they_are():
    core = make_core("NCHW", 96)
    pixels = noise(1, 50, 60, 3)
    bgr = pixels[..., ::-1].copy()
    np.testing.assert_array_equal(run_head(core, bgr, channels="bgr"), run_head(core, pixels))
    left_to_the_weights = run_head(core, bgr, channels="bgr", core_channels="bgr")
    np.testing.assert_array_equal(left_to_the_weights[:, ::-1], run_head(core, pixels))


def test_a_picture_does_not_depend_on_its_batch():
    core = make_core("NCHW", 96)
    pixels = noise(5, 70, 90, 3)
    together = run_head(core, pixels)
    for index in range(5):
        np.testing.assert_array_equal(run_head(core, pixels[[index]])[0], together[index])
