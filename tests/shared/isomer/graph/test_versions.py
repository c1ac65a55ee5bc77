"""Models of other opsets and IR versions compute the same at the contract's."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, parser

from isomer import contract
from isomer.errors import UserError
from isomer.graph.versions import opset_of, to_contract

BODIES = {
    9: 'u = Upsample <mode="nearest"> (x, scales) s = Slice <axes=[1], starts=[0], ends=[2]> (u) y = Softmax (s)',
    11: "a = ReduceSum <axes=[1], keepdims=1> (x) c = Clip (a, low, high) y = Unsqueeze <axes=[0]> (c)",
    13: "a = ReduceMean <axes=[1]> (x) y = Relu (a)",
    18: "y = Relu (x)",
    21: "a = Cast <to=1, saturate=1> (x) s = Shape (a) y = Reshape (a, s)",
}


def make(opset: int, ir: int = 8) -> onnx.ModelProto:
    return parser.parse_model(
        f"""<ir_version: {ir}, opset_import: ["" : {opset}]>
        g (float[1,3,4,4] x) => (float y) <float[4] scales = {{1,1,2,2}}, float low = {{0}}, float high = {{1}}>
        {{ {BODIES[opset]} }}"""
    )


def run(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


@pytest.mark.parametrize("opset", BODIES)
@pytest.mark.parametrize("ir", [4, 8, 10])
def test_computes_the_same(opset, ir):
    model = make(opset, ir)
    model.graph.output[0].type.tensor_type.ClearField("shape")
    made = to_contract(model)
    assert (opset_of(made), made.ir_version) == (contract.OPSET, contract.IR_VERSION)
    assert opset_of(model) == opset, "the original stays"
    x = np.random.default_rng(0).normal(size=[1, 3, 4, 4]).astype(np.float32)
    np.testing.assert_allclose(run(made, x), run(model, x), atol=1e-6)


def test_constants_are_no_inputs():
    model = make(18)
    model.graph.input.append(helper.make_tensor_value_info("scales", onnx.TensorProto.FLOAT, [4]))
    assert [item.name for item in to_contract(model).graph.input] == ["x"]


def test_functions_are_inlined():
    model = parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 18, "own" : 1]> g (float[1] x) => (float[1] y) { y = own.twice (x) }
        <opset_import: ["" : 18], domain: "own"> twice (x) => (y) { y = Add (x, x) }"""
    )
    assert [node.op_type for node in to_contract(model).graph.node] == ["Add"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda node: setattr(node, "domain", "com.microsoft"), r"com\.microsoft\.Relu\).*one runtime"),
        (lambda node: setattr(node, "op_type", "EfficientNMS_TRT"), r"EfficientNMS_TRT\).*plug-ins"),
        (lambda node: setattr(node, "op_type", "Gelu"), r"opset 21 .*Gelu \(new\).*Export it with opset 18"),
    ],
)
def test_refused(change, said):
    model = make(18)
    model.opset_import[0].version = 21
    change(model.graph.node[0])
    with pytest.raises(UserError, match=said):
        to_contract(model)


def test_an_attribute_that_means_something():
    model = make(21)
    model.graph.node[0].attribute[1].i = 0
    with pytest.raises(UserError, match=r"Cast \(with saturate=0\)"):
        to_contract(model)


def test_an_input_that_nothing_makes():
    model = parser.parse_model(
        '<ir_version: 7, opset_import: ["" : 13]> g (float[1] x) => (float[1] y) { y = Relu(x) }'
    )
    model.graph.node[0].input[0] = "gone"
    with pytest.raises(UserError, match=r"opset 13, which cannot be raised .*Input gone is undefined"):
        to_contract(model)
