"""tf2onnx can log an error and go on: what it wrote is looked at."""

from __future__ import annotations

import onnx
import pytest
from architectures import ARCHITECTURES
from model import Core, Task
from onnx import TensorProto, helper
from onnx_export import check, convert
from recipe import Recipe

from isomer.contract import CORE_INPUT, IR_VERSION, OPSET
from isomer.errors import CheckFailed


def model(opset: int = OPSET, operator: str = "Relu", output: str = "scores", domain: str = "ai.onnx.ml"):
    """A model with a core's input and outputs; the second operator set is there when its domain is not empty."""
    nodes = [helper.make_node("Identity", [CORE_INPUT], ["boxes"]), helper.make_node(operator, [CORE_INPUT], [output])]
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 2, 2, 3]) for name in (CORE_INPUT, "boxes", output)
    ]
    graph = helper.make_graph(nodes, "core", values[:1], values[1:])
    opsets = [helper.make_opsetid("", opset)] + [helper.make_opsetid(domain, 2)] * bool(domain)
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


def test_a_sound_one_passes():
    check(model(domain=""))


@pytest.mark.parametrize(
    ("faulty", "reason"),
    [
        (model(domain="", operator="NoSuchOperator"), "invalid"),
        (model(domain="", opset=17), "operator sets"),
        (model(), "operator sets"),
        (model(domain="", output="detections"), "outputs"),
    ],
)
def test_others_do_not(faulty, reason):
    with pytest.raises(CheckFailed, match=reason):
        check(faulty)


@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_detector_becomes_one_core(name):
    core = Core(Task(ARCHITECTURES[name], 128, 3, Recipe()))
    made = onnx.load_from_string(convert(core))
    check(made)
    assert made.ir_version == IR_VERSION
    shapes = {
        value.name: [side.dim_param or side.dim_value for side in value.type.tensor_type.shape.dim]
        for value in (*made.graph.input, *made.graph.output)
    }
    anchors = shapes["boxes"][1]
    assert {key: shape[1:] for key, shape in shapes.items()} == {
        CORE_INPUT: [128, 128, 3],
        "boxes": [anchors, 4],
        "scores": [anchors, 3],
    }
    assert all(isinstance(shape[0], str) for shape in shapes.values()), "the batch is frozen"
