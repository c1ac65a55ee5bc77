"""A frozen batch made free computes, for each picture, what the frozen graph computes."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import parser
from onnxruntime.capi import onnxruntime_pybind11_state as states

from isomer.graph.batch import freed, is_free, looped

GRAPHS = {
    "reshape of known size": "s = Reshape (x, known) y = Relu (s)",
    "reshape of open size": "s = Reshape (x, open) y = Relu (s)",
    "flattened and put together again": "f = Reshape (x, flat) y = Reshape (f, known)",
    "a shape in a node": "k = Constant <value_ints = [1, 12, 4]> () y = Reshape (x, k)",
    "resized": 'r = Resize <mode="nearest"> (x, , , sizes) y = Reshape (r, large)',
}
MIXED = "t = Transpose <perm=[1,0,2,3]> (x) s = Squeeze (t, one) y = Unsqueeze (s, zero)"


def make(body: str, output: str = "float[1,n,m]") -> onnx.ModelProto:
    model = parser.parse_model(
        f"""<ir_version: 8, opset_import: ["" : 18]>
        g (float[1,3,4,4] x) => ({output} y)
        <int64[3] known = {{1,12,4}}, int64[3] open = {{1,-1,4}}, int64[2] flat = {{-1,4}}, int64[3] large = {{1,-1,8}},
         int64[4] sizes = {{1,3,8,8}}, int64[1] zero = {{0}}, int64[1] one = {{1}}>
        {{ {body} }}"""
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def run(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def noise(batch: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=[batch, 3, 4, 4]).astype(np.float32)


@pytest.mark.parametrize("way", [freed, looped])
@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("batch", [1, 2, 5])
def test_batch_gives_what_one_by_one_gives(name, way, batch):
    model, x = make(GRAPHS[name]), noise(batch)
    assert not is_free(model)
    made = way(model)
    assert is_free(made) and not is_free(model)
    onnx.checker.check_model(made, full_check=True)
    found = run(made, x)
    np.testing.assert_array_equal(found, np.concatenate([run(model, picture[None]) for picture in x]))


def test_a_loop_takes_what_cannot_be_freed():
    """A graph that does away with the batch in between."""
    model, x = make(MIXED, "float[1,3,n,m]"), noise(3)
    np.testing.assert_array_equal(run(looped(model), x), np.concatenate([run(model, one[None]) for one in x]))
    with pytest.raises(states.Fail, match="Squeeze"):
        run(freed(model), x)
