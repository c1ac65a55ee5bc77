"""The head, computed by ONNX's reference evaluator, against tf.image.resize: serving sees training's pixels."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from onnx import helper
from onnx.reference import ReferenceEvaluator

from isomer import contract
from isomer.contract import Preprocessing
from isomer.graph import head

SIZE = 160


@pytest.mark.parametrize("frame", [(480, 640), (241, 317), (1080, 1920), (100, 90), (31, 7), (1, 1), (1, 500)])
def test_pixels_agree_to_a_hundredth_of_a_grey_level(frame):
    pixels = np.random.default_rng(0).integers(0, 256, (1, *frame, 3), dtype=np.uint8)
    core = Preprocessing(layout="NHWC", height=SIZE, width=SIZE, mean=(0.0,) * 3, std=(1.0,) * 3)
    model = helper.make_model(head.build(core), opset_imports=[helper.make_opsetid("", contract.OPSET)])
    (found,) = ReferenceEvaluator(model).run(None, {contract.INPUT: pixels})
    expected = tf.image.resize(tf.cast(pixels, tf.float32), (SIZE, SIZE), method="bilinear", antialias=False)
    np.testing.assert_allclose(found, expected.numpy(), atol=0.01)
