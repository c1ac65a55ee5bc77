"""Faults seeded into a sound model's file, head, core and tail: each is blocked, and its cause named."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import onnx
import pytest
import toy
from onnx import TensorProto, helper, numpy_helper

from isomer import contract
from isomer.contract import Resize
from isomer.errors import CheckFailed, UserError
from isomer.graph import check

Change = Callable[[onnx.ModelProto], None]


def newer_ir(model: onnx.ModelProto) -> None:
    model.ir_version = 10


def foreign_operator(model: onnx.ModelProto) -> None:
    node = next(node for node in model.graph.node if node.op_type == "Relu")
    node.op_type, node.domain = "QuickGelu", "com.microsoft"
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))


def nameless_classes(model: onnx.ModelProto) -> None:
    kept = [item for item in model.metadata_props if item.key != "isomer.classes"]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)


def classes_of_another(model: onnx.ModelProto) -> None:
    entry = next(item for item in model.metadata_props if item.key == "isomer.classes")
    entry.value = json.dumps(["square", "circle", "triangle"])


def float_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT


def training_dropout(model: onnx.ModelProto) -> None:
    relu = next(node for node in model.graph.node if node.op_type == "Relu")
    position = list(model.graph.node).index(relu)
    model.graph.initializer.extend(
        [numpy_helper.from_array(np.float32(0.5), "ratio"), numpy_helper.from_array(np.array(True), "training")]
    )
    output, relu.output[0] = relu.output[0], "before_dropout"
    dropout = helper.make_node("Dropout", ["before_dropout", "ratio", "training"], [output], name="dropout")
    model.graph.node.insert(position + 1, dropout)


def renamed_raw(model: onnx.ModelProto) -> None:
    for node in model.graph.node:
        node.input[:] = ["x" if name == contract.RAW_BOXES else name for name in node.input]
        node.output[:] = ["x" if name == contract.RAW_BOXES else name for name in node.output]
    kept = [item for item in model.graph.value_info if item.name != contract.RAW_BOXES]
    del model.graph.value_info[:]
    model.graph.value_info.extend(kept)


def folded_threshold(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.array([0.3], np.float32), "folded"))
    node = next(node for node in model.graph.node if node.op_type == "NonMaxSuppression")
    node.input[4] = "folded"


def broken_weight(model: onnx.ModelProto) -> None:
    weight = next(item for item in model.graph.initializer if list(item.dims) == [toy.FILTERS, 3, 4, 4])
    values = numpy_helper.to_array(weight).copy()
    values[0, 0, 0, 0] = np.nan
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))


def after(output: str, *steps: tuple[str, np.ndarray | None, dict]) -> Change:
    """Operators put between a tensor and those who read it: (operator, second input or None, attributes)."""

    def change(model: onnx.ModelProto) -> None:
        position, node = next((i, n) for i, n in enumerate(model.graph.node) if output in n.output)
        name = f"{output}_sound"
        node.output[list(node.output).index(output)] = name
        for number, (kind, value, attributes) in enumerate(steps, start=1):
            inputs = [name]
            if value is not None:
                model.graph.initializer.append(numpy_helper.from_array(value, f"{output}_by_{number}"))
                inputs.append(f"{output}_by_{number}")
            name = output if number == len(steps) else f"{output}_{number}"
            model.graph.node.insert(position + number, helper.make_node(kind, inputs, [name], **attributes))

    return change


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (newer_ir, "exporter newer than ONNX Runtime 1.15"),
        (foreign_operator, "optimised for one runtime"),
        (nameless_classes, r"metadata: without isomer\.classes"),
        (classes_of_another, "the classes are taken in the order|classes are shifted by"),
        (float_input, "float32 where uint8 is asked for .*without the head"),
        (training_dropout, "Dropout in training mode .*exported without model.eval"),
        (renamed_raw, "without raw_boxes and raw_scores .*an optimiser"),
        (folded_threshold, "without score_threshold, or unused"),
        (broken_weight, "not finite .*broken weights"),
        (after("raw_scores", ("Sigmoid", None, {})), "it is there twice"),
        (after("raw_boxes", ("Mul", np.float32(toy.SIZE), {})), "pixels"),
        (after("raw_boxes", ("Gather", np.array([1, 0, 3, 2]), {"axis": 2})), "x and y are swapped"),
        (after("raw_boxes", ("Slice", None, {})), "checker|does not take the model"),
        (after("detection_classes", ("Sub", np.float32(1), {})), "ids that count from 0"),
        (after("detection_boxes", ("Mul", np.float32(300), {})), "pixels, or not clipped"),
        (after("detection_boxes", ("Gather", np.array([2, 3, 0, 1]), {"axis": 2})), "not ymin, xmin, ymax, xmax"),
        (after("detection_scores", ("Neg", None, {}), ("Add", np.float32(1), {})), "scores do not fall"),
        (after("num_detections", ("Add", np.float32(1), {})), "class ids outside|whole numbers"),
        (after("num_detections", ("Mul", np.float32(0), {})), "rows after num_detections are not zero"),
    ],
    ids=lambda value: getattr(value, "__name__", "")[:30] or None,
)
def test_seeded_fault_is_blocked_with_its_cause(bench, change, cause):
    bench.assemble()
    bench.change_assembled(change)
    bench.blocked(cause)


def test_another_rule_of_resizing(bench):
    bench.replace_core(toy.core_model(), resize=Resize(coordinates="asymmetric"))
    bench.assemble()
    bench.blocked("resized with half_pixel coordinates: core.json says asymmetric")


def test_a_cut_file(bench):
    bench.assemble()
    data = bench.run.assembled_onnx.read_bytes()
    bench.run.assembled_onnx.write_bytes(data[: len(data) // 2])
    with pytest.raises((UserError, CheckFailed), match="is not an ONNX model"):
        bench.gate()
    assert not bench.published.exists()


def test_a_file_changed_after_the_gate(bench):
    bench.assemble()
    bench.gate()
    model = onnx.load(bench.published)
    assert check.check(model) == []
    tensor = next(item for item in model.graph.initializer if item.name == contract.SCORE_THRESHOLD)
    tensor.CopyFrom(numpy_helper.from_array(np.array([0.01], np.float32), tensor.name))
    assert [str(item) for item in check.check(model) if "changed after the gate saw it" in str(item)]


def test_two_assemblies_and_two_verdicts_are_the_same_bytes(bench):
    results = []
    for _ in range(2):
        bench.assemble()
        bench.gate()
        results.append((bench.published.read_bytes(), bench.run.gate_json.read_bytes()))
    assert results[0] == results[1]


def test_the_gate_needs_the_oldest_runtime(bench, monkeypatch, tmp_path):
    bench.assemble()
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    with pytest.raises(UserError, match=r"oldest ONNX Runtime .*\./inv build"):
        bench.gate()
    assert not bench.published.exists() and not bench.run.gate_json.exists()
