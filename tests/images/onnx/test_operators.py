"""Where the time goes: profiles made by hand, and of models whose costly part is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import operators
import providers
import pytest
import toy
from onnx import TensorProto, helper, numpy_helper

from isomer import contract
from isomer.contract import Thresholds
from isomer.graph.assemble import assemble
from isomer.graph.batch import looped

FRAME = np.random.default_rng(0).integers(0, 256, (1, 60, 80, 3), dtype=np.uint8)


def toy_model() -> onnx.ModelProto:
    core = toy.core_model()
    return assemble(core, toy.core_json(core.SerializeToString()), "toy", Thresholds())


def profiled(model: onnx.ModelProto, folder: Path, frame: np.ndarray = FRAME) -> Path:
    session = providers.open_on(model.SerializeToString(), "cpu", 1, folder)
    for _ in range(5):
        session.run(None, {session.get_inputs()[0].name: frame})
    return Path(session.end_profiling())


def event(name: str, kind: str, start: int, length: int) -> dict:
    about = {"op_name": kind, "provider": providers.CPU}
    return {"cat": "Node", "name": name, "ts": start, "dur": length, "args": about}


def test_a_profile_made_by_hand(tmp_path):
    events = [
        {"cat": "Session", "name": "model_run", "ts": 0, "dur": 1000, "args": {}},
        event("head/Resize_1_kernel_time", "Resize", 0, 100),
        event("core/loop_kernel_time", "Loop", 100, 500),  # 200 of its own
        event("core/head/conv_kernel_time", "Conv", 150, 200),
        event("core/head/conv_kernel_time", "Conv", 400, 100),
        event("ReorderOutput_token_7_kernel_time", "ReorderOutput", 600, 50),
        event("InsertedPrecisionFreeCast_raw/t1", "Cast", 650, 50),
        event("tail/TopK_kernel_time", "TopK", 700, 100),
    ]
    (tmp_path / "profile.json").write_text(json.dumps(events))
    spent = operators.read(tmp_path / "profile.json", toy_model())
    us = {"Resize": 100, "Loop": 200, "Conv": 300, "ReorderOutput": 50, "Cast": 50, "TopK": 100}
    assert spent.kinds == pytest.approx({kind: value / 1e6 for kind, value in us.items()})
    assert spent.parts == pytest.approx({"head": 1e-4, "core": 6e-4, "tail": 1e-4})
    assert next(iter(spent.kinds)) == "Conv" and spent.providers == {providers.CPU: 6}


@pytest.mark.parametrize("frame", [FRAME, np.zeros((1, 2000, 3000, 3), np.uint8)], ids=["small", "large"])
def test_shares_are_of_everything(tmp_path, frame):
    model = toy_model()
    about = operators.read(profiled(model, tmp_path, frame), model).to_json()
    assert sum(about["operators"].values()) == pytest.approx(1)
    assert sum(about["parts"].values()) == pytest.approx(1) and set(about["parts"]) == set(operators.SHARED)
    assert all(value > 0 for value in about["parts"].values()) and "Conv" in about["operators"]


def test_the_costly_part_is_found(tmp_path):
    """A core that multiplies large matrices is nearly all of the model."""
    core = toy.core_model()
    side = 700
    core.graph.initializer.append(numpy_helper.from_array(np.zeros((side, side), np.float32), "large"))
    first = core.graph.input[0].name
    core.graph.node.insert(0, helper.make_node("ReduceMax", [first], ["most"], keepdims=0))
    core.graph.node.insert(1, helper.make_node("Add", ["most", "large"], ["larger"]))
    core.graph.node.insert(2, helper.make_node("MatMul", ["larger", "large"], ["product"]))
    core.graph.node.insert(3, helper.make_node("ReduceMax", ["product"], ["nothing"], keepdims=0))
    core.graph.node.insert(4, helper.make_node("Add", [first, "nothing"], ["pictures"]))
    for node in core.graph.node[5:]:
        node.input[:] = ["pictures" if name == first else name for name in node.input]
    model = assemble(core, toy.core_json(core.SerializeToString()), "toy", Thresholds())
    spent = operators.read(profiled(model, tmp_path), model).to_json()
    assert spent["parts"]["core"] > 0.7 and next(iter(spent["operators"])) == "MatMul"


def test_a_loop_is_not_counted_twice(tmp_path):
    """Pictures one after the other: all operators together take no longer than the runs did."""
    core = looped(toy.core_model(batch=1))
    model = assemble(core, toy.core_json(core.SerializeToString()), "toy", Thresholds())
    frames = np.repeat(FRAME, 3, axis=0)
    profile = profiled(model, tmp_path, frames)
    spent = operators.read(profile, model)
    runs = [event["dur"] for event in json.loads(profile.read_text()) if event["name"] == "model_run"]
    assert "Loop" in spent.kinds and sum(spent.kinds.values()) <= 1.05 * sum(runs) / 1e6


def test_a_model_made_elsewhere_has_no_parts(tmp_path):
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Abs", ["x"], ["y"], name="core_of_something")],
        "elsewhere",
        [value("x", TensorProto.FLOAT, [1, 4])],
        [value("y", TensorProto.FLOAT, [1, 4])],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", contract.OPSET)])
    spent = operators.read(profiled(model, tmp_path, np.ones((1, 4), np.float32)), model)
    assert spent.parts is None and spent.to_json()["operators"] == {"Abs": 1}
