"""A model with its own NMS and the contract around it, against the same numbers worked out in NumPy."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from isomer import contract
from isomer.contract import Resize, Thresholds, Whole
from isomer.errors import CheckFailed, UserError
from isomer.graph import check
from isomer.graph.whole import assemble_whole

HEIGHT, WIDTH, ROWS = 40, 80, 7
CLASSES = ("cat", "dog", "owl")
# Fractions of the graph's input: ymin, xmin, ymax, xmax; one reaches out of it.
BOXES = np.array(
    [
        [0.1, 0.2, 0.5, 0.4],
        [0.5, 0.5, 0.75, 0.9],
        [0.3, 0.1, 0.6, 0.2],
        [-0.1, 0.6, 0.4, 1.2],
        [0.2, 0.2, 0.3, 0.3],
        [0.4, 0.4, 0.6, 0.6],
        [0.7, 0.1, 0.9, 0.3],
    ],
    np.float32,
)
SCORES = np.array([0.5, 0.9, 0.2, 0.7, 0.6, 0.8, 0.4], np.float32)
IDS = np.array([0, 2, 1, 1, 5, 0, 2], np.float32)  # 5 is no class
PROVENANCE = dict.fromkeys(check.PROVENANCE, "unknown")


def written(boxes: np.ndarray, order: str, unit: str, sides: tuple[int, int]) -> np.ndarray:
    """Boxes as the graph gives them."""
    height, width = sides if unit == "pixel" else (1, 1)
    top, left, bottom, right = (boxes * [height, width, height, width]).T
    columns = {
        "yxyx": (top, left, bottom, right),
        "xyxy": (left, top, right, bottom),
        "xywh": (left, top, right - left, bottom - top),
        "cxcywh": ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top),
    }
    return np.stack(columns[order], axis=1).astype(np.float32)


def make(
    order: str = "yxyx", unit: str = "fraction", batch: int | None = 1, count: int | None = None, first: int = 0, **more
) -> tuple[onnx.ModelProto, Whole]:
    """A graph whose scores fall by the mean of the picture (0 to 1), and its description."""
    numbers = {
        "boxes": written(BOXES, order, unit, (HEIGHT, WIDTH))[None],
        "scores": SCORES[None],
        "ids": (IDS + first)[None],
        "axes": np.array([1, 2, 3], np.int64),
        "zero": np.float32(0),
        "plane": np.array([1, 2], np.int64),
        "count": np.array([ROWS if count is None else count], np.float32),
        "one": np.array([1], np.int64),
    }
    node = helper.make_node
    nodes = [
        node("ReduceMean", ["picture", "axes"], ["mean4"]),
        node("Squeeze", ["mean4", "plane"], ["mean"]),  # [batch, 1]
        node("Mul", ["mean", "zero"], ["nothing"]),
        node("Sub", ["scores", "mean"], ["s"]),
        node("Add", ["ids", "nothing"], ["c"]),
        node("Unsqueeze", ["nothing", "one"], ["nothing3"]),
        node("Add", ["boxes", "nothing3"], ["b"]),
        node("Squeeze", ["nothing", "one"], ["nothing1"]),
        node("Add", ["count", "nothing1"], ["n"]),
    ]
    whole = Whole(
        framework="none",
        architecture="toy",
        layout="NHWC",
        height=HEIGHT,
        width=WIDTH,
        mean=(0.0,) * 3,
        std=(255.0,) * 3,
        classes=CLASSES,
        input="picture",
        dtype="float32",
        batch=batch,
        boxes="b",
        scores="s",
        class_ids="c",
        count="n" if count is not None else None,
        box_order=order,
        box_unit=unit,
        first_class=first,
        whole_sha256="0" * 64,
        provenance=PROVENANCE,
    )
    whole = replace(whole, **more)
    sides = ["height", "width"] if whole.resize.mode == "none" else [HEIGHT, WIDTH]
    first_axis = "batch" if batch is None else batch
    info = helper.make_tensor_value_info
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(whole.dtype))
    if whole.dtype != "float32":
        nodes.insert(0, node("Cast", ["picture"], ["wide"], to=TensorProto.FLOAT))
        nodes[1].input[0] = "wide"
    graph = helper.make_graph(
        nodes,
        "toy",
        [info("picture", kind, [first_axis, *sides, 3])],
        [info(name, TensorProto.FLOAT, None) for name in "bscn"],
        [numpy_helper.from_array(value, name) for name, value in numbers.items()],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", contract.OPSET)])
    return model, whole


def run(model: onnx.ModelProto, pixels: np.ndarray) -> list[np.ndarray]:
    onnx.checker.check_model(model, full_check=True)
    assert check.check(model) == []
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {contract.INPUT: pixels})


def grey(level: int, height: int = 60, width: int = 90) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def expected(mean: float = 0.0, threshold: float = 0.3, rows: int = ROWS, ids=lambda number: number + 1):
    """What is left of the rows: best first, ids from 1."""
    scores = SCORES - mean
    kept = [index for index in np.argsort(-scores) if scores[index] > threshold and IDS[index] < 3 and index < rows]
    return BOXES[kept].clip(0, 1), [ids(int(IDS[index])) for index in kept], scores[kept]


def same(found: list[np.ndarray], index: int, wanted) -> None:
    boxes, ids, scores = wanted
    rows = len(scores)
    assert found[3][index] == rows
    np.testing.assert_allclose(found[0][index, :rows], boxes, atol=1e-5)
    np.testing.assert_allclose(found[2][index, :rows], scores, atol=1e-5)
    assert found[1][index, :rows].tolist() == ids
    assert not any(values[index, rows:].any() for values in found[:3])


@pytest.mark.parametrize("batch", [None, 1])
@pytest.mark.parametrize("unit", ["fraction", "pixel"])
@pytest.mark.parametrize("order", ["yxyx", "xyxy", "xywh", "cxcywh"])
def test_orders_units_and_batches(order, unit, batch):
    model, whole = make(order, unit, batch)
    made = assemble_whole(model, whole, "toy", Thresholds(max_detections=20))
    assert ("Loop" in {node.op_type for node in made.graph.node}) is (batch == 1)
    found = run(made, np.stack([grey(0), grey(43), grey(255)]))
    assert [values.shape for values in found] == [(3, 20, 4), (3, 20), (3, 20), (3,)]
    for index, mean in enumerate((0.0, 43 / 255, 1.0)):
        same(found, index, expected(mean))


@pytest.mark.parametrize("batch", [None, 1])
def test_only_as_many_rows_as_are_counted(batch):
    model, whole = make(batch=batch, count=3)
    same(run(assemble_whole(model, whole, "toy", Thresholds()), grey(0)[None]), 0, expected(rows=3))


def test_few_are_wanted():
    model, whole = make()
    found = run(assemble_whole(model, whole, "toy", Thresholds(max_detections=2)), grey(0)[None])
    boxes, ids, scores = expected()
    same(found, 0, (boxes[:2], ids[:2], scores[:2]))


def test_ids_from_one_and_in_another_order():
    model, whole = make(first=1)
    order = ("owl", "cat", "dog")
    made = assemble_whole(model, whole, "toy", Thresholds(), class_order=order)
    same(run(made, grey(0)[None]), 0, expected(ids=lambda number: order.index(CLASSES[number]) + 1))
    with pytest.raises(UserError, match="unknown: bee; missing: owl"):
        assemble_whole(model, whole, "toy", Thresholds(), class_order=("cat", "dog", "bee"))


def test_without_ids_all_are_of_the_first_class():
    model, whole = make(class_ids=None, classes=("thing",))
    found = run(assemble_whole(model, whole, "toy", Thresholds()), grey(0)[None])
    assert found[3] == 6 and set(found[1][0, :6]) == {1.0}


@pytest.mark.parametrize(("unit", "dtype"), [("fraction", "uint8"), ("pixel", "float32"), ("fraction", "float16")])
def test_any_size_by_the_graph_itself(unit, dtype):
    """Pixels are of the picture as it came; the size is not changed."""
    model, whole = make(unit="fraction", resize=Resize(mode="none"), height=0, width=0, dtype=dtype)
    whole = replace(whole, std=(1.0,) * 3) if dtype == "uint8" else whole
    if unit == "pixel":
        whole = replace(whole, box_unit="pixel")
        for tensor in model.graph.initializer:
            if tensor.name == "boxes":
                tensor.CopyFrom(numpy_helper.from_array(written(BOXES, "yxyx", "pixel", (60, 90))[None], "boxes"))
    found = run(assemble_whole(model, whole, "toy", Thresholds()), grey(0)[None])
    same(found, 0, expected())


def test_letterboxed_boxes_are_of_the_picture():
    """A picture as high as wide in an input twice as wide: its boxes lie in the middle half."""
    model, whole = make(resize=Resize(mode="letterbox", pad=0))
    found = run(assemble_whole(model, whole, "toy", Thresholds()), grey(0, 80, 80)[None])
    boxes, ids, scores = expected()
    kept = [index for index in np.argsort(-SCORES) if SCORES[index] > 0.3 and IDS[index] < 3]
    boxes = BOXES[kept].astype(np.float64)
    boxes[:, [1, 3]] = (boxes[:, [1, 3]] - 0.25) * 2
    same(found, 0, (boxes.clip(0, 1), ids, scores))


def test_bgr():
    """A red picture in a model that weighs red: the head hands over what the graph was made for."""
    model, whole = make()
    model.graph.initializer.append(numpy_helper.from_array(np.array([0], np.int64), "red"))
    model.graph.node.insert(0, helper.make_node("Gather", ["picture", "red"], ["only"], axis=3))
    model.graph.node[1].input[0] = "only"
    pixels = np.zeros((1, 50, 50, 3), np.uint8)
    pixels[..., 2] = 110  # red in BGR
    same(run(assemble_whole(model, whole, "toy", Thresholds(), "bgr"), pixels), 0, expected(110 / 255))
    same(run(assemble_whole(model, whole, "toy", Thresholds()), pixels), 0, expected(0.0))


def test_thresholds_can_be_changed():
    model, whole = make()
    made = assemble_whole(model, whole, "toy", Thresholds())
    for tensor in made.graph.initializer:
        if tensor.name == contract.SCORE_THRESHOLD:
            tensor.CopyFrom(numpy_helper.from_array(np.array([0.85], np.float32), tensor.name))
    same(run(made, grey(0)[None]), 0, expected(threshold=0.85))
    about = {item.key: item.value for item in made.metadata_props}
    assert about["isomer.iou_threshold"] == "the model's own" and json.loads(about["isomer.classes"]) == list(CLASSES)


@pytest.mark.parametrize(
    ("more", "said"),
    [({"boxes": "x"}, "outputs .* without x"), ({"input": "x"}, "inputs picture"), ({"batch": 4}, "4")],
)
def test_not_what_whole_json_says(more, said):
    model, whole = make()
    with pytest.raises(CheckFailed, match=said):
        assemble_whole(model, replace(whole, **more), "toy", Thresholds())


def test_json_round_trip():
    whole = make()[1]
    assert Whole.from_json(json.loads(json.dumps(whole.to_json()))) == whole
