"""More faults in a sound model's head, core, tail, metadata and file: each is blocked, and its cause named."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import onnx
import pytest
import toy
from onnx import helper, numpy_helper

from isomer import contract
from isomer.graph import head

Change = Callable[[onnx.ModelProto], None]


def constant(model: onnx.ModelProto, name: str, value: np.ndarray) -> None:
    tensor = next(item for item in model.graph.initializer if item.name == name)
    tensor.CopyFrom(numpy_helper.from_array(value.astype(numpy_helper.to_array(tensor).dtype), name))


def described(model: onnx.ModelProto, key: str, value: object) -> None:
    entry = next(item for item in model.metadata_props if item.key == f"isomer.{key}")
    entry.value = json.dumps(value)


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


def sides_exchanged(model: onnx.ModelProto) -> None:
    """The head takes the picture's height for its width."""
    slices = [node for node in model.graph.node if node.name.startswith("head/Slice")]
    rows, columns = (list(node.input) for node in slices)
    slices[0].input[:], slices[1].input[:] = columns, rows


def mean_of_bgr(model: onnx.ModelProto) -> None:
    constant(model, head.MEAN, np.array(toy.MEAN[::-1]).reshape(3, 1))
    constant(model, head.STD, np.array(toy.STD[::-1]).reshape(3, 1))


def mean_left_out(model: onnx.ModelProto) -> None:
    constant(model, head.MEAN, np.zeros((3, 1)))


def overlap_of_another(model: onnx.ModelProto) -> None:
    constant(model, contract.IOU_THRESHOLD, np.array([0.8]))


def score_of_another(model: onnx.ModelProto) -> None:
    constant(model, contract.SCORE_THRESHOLD, np.array([0.7]))


def fewer_detections(model: onnx.ModelProto) -> None:
    constant(model, contract.MAX_DETECTIONS, np.array([3]))


def cut_rows(model: onnx.ModelProto) -> None:
    """Outputs cut behind the tail, which still counts them all."""
    model.graph.initializer.append(numpy_helper.from_array(np.arange(3), "first"))
    for name in (contract.BOXES, contract.CLASSES, contract.SCORES):
        for node in model.graph.node:
            node.input[:] = [f"{name}_all" if value == name else value for value in node.input]
            node.output[:] = [f"{name}_all" if value == name else value for value in node.output]
        model.graph.node.append(helper.make_node("Gather", [f"{name}_all", "first"], [name], axis=1))


def opset_of_another_domain(model: onnx.ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))


def another_size(model: onnx.ModelProto) -> None:
    described(model, "size", "640")


def another_mean(model: onnx.ModelProto) -> None:
    described(model, "mean", [0.0, 0.0, 0.0])


def infinite_weight(model: onnx.ModelProto) -> None:
    weight = next(item for item in model.graph.initializer if list(item.dims) == [toy.FILTERS, 3, 4, 4])
    values = numpy_helper.to_array(weight).copy()
    values[:] = np.inf
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))


def seal_of_another(model: onnx.ModelProto) -> None:
    model.metadata_props.add(key="isomer.gate_sha256", value="0" * 64)


def off_by_one_class(model: onnx.ModelProto) -> None:
    """The tail adds 2 where ids count from 1."""
    add = next(node for node in model.graph.node if node.name.startswith("tail/Add"))
    model.graph.initializer.append(numpy_helper.from_array(np.array([2], np.int64), "two"))
    add.input[1] = "two"


def wrong_boxes_gathered(model: onnx.ModelProto) -> None:
    """Boxes and scores of different candidates: the final boxes are one anchor off."""
    mod = next(node for node in model.graph.node if node.name.startswith("tail/Mod"))
    position = list(model.graph.node).index(mod)
    model.graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "one_off"))
    output, mod.output[0] = mod.output[0], "place"
    model.graph.node.insert(position + 1, helper.make_node("Max", ["place", "one_off"], [output]))


CENTRES = np.array([[0.5, 0, -1, 0], [0, 0.5, 0, -1], [0.5, 0, 1, 0], [0, 0.5, 0, 1]], np.float32)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (sides_exchanged, "height and width are exchanged"),
        (mean_of_bgr, "mean and std are in the order of BGR"),
        (mean_left_out, "mean and std are others"),
        (overlap_of_another, "iou_threshold is 0.8 where the metadata says 0.5"),
        (score_of_another, "score_threshold"),
        (fewer_detections, "max_detections"),
        (cut_rows, "num_detections"),
        (opset_of_another_domain, "ai.onnx.ml"),
        (another_size, "size is .*640.* where the core's own is 32"),
        (another_mean, "mean is .* where the core's own is"),
        (infinite_weight, "not finite .*broken weights"),
        (seal_of_another, "changed after the gate saw it"),
        (off_by_one_class, "class ids outside"),
        (wrong_boxes_gathered, "detections unmatched"),
        (after("raw_boxes", ("MatMul", CENTRES, {})), "centres and sizes"),
        (after("raw_scores", ("Mul", np.float32(100), {})), "sigmoid|per cent"),
        (after("raw_boxes", ("Add", np.float32(1 / 32), {})), "shifted by -1 pixels"),
        (after("raw_boxes", ("Mul", np.array([32 / 31] * 4, np.float32), {})), "scaled by a pixel"),
    ],
    ids=lambda value: getattr(value, "__name__", "")[:30] or None,
)
def test_seeded_fault_is_blocked_with_its_cause(bench, change, cause):
    bench.assemble()
    bench.change_assembled(change)
    bench.blocked(cause)
