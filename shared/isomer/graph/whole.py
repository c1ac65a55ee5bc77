"""What a model with its own NMS lacks of the contract, put around it: a head, a Loop, rows, ids, order, names."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper

from isomer import contract
from isomer.contract import Thresholds, Whole
from isomer.errors import CheckFailed
from isomer.graph import head
from isomer.graph.assemble import class_columns, joined, metadata
from isomer.graph.batch import looped
from isomer.graph.builder import GraphBuilder
from isomer.graph.channels import fold_swap
from isomer.graph.parts import nodes, prefixed

PREFIX = "whole/"
PICKED = ("picked/boxes", "picked/scores", "picked/ids")


def assemble_whole(
    model: onnx.ModelProto,
    whole: Whole,
    name: str,
    thresholds: Thresholds,
    channels: str = "rgb",
    class_order: tuple[str, ...] | None = None,
) -> onnx.ModelProto:
    """The model of the contract around one that keeps its graph; as `isomer.graph.assemble.assemble` does for a core.

    Only the score threshold and the most detections are ours: the overlap is what the model itself suppresses.

    Raises:
        CheckFailed: the model is not what whole.json says.
        UserError: `class_order` is not an order of the model's classes.
    """
    classes = class_order or whole.classes
    columns = class_columns(whole.classes, classes)
    _check(model, whole)
    inner = _picking(model, whole, thresholds)
    folded = channels != whole.channels and fold_swap(inner, channel_axis=1 if whole.layout == "NCHW" else 3)
    if whole.batch == 1:
        inner = _with_contract_names(looped(inner))
    parts = [
        head.build(whole, channels, core_channels=channels if folded else None),
        inner.graph,
        _finish(whole, columns),
    ]
    made = joined(parts, name)
    about = metadata(whole, name, thresholds, channels, classes)
    about[f"{contract.METADATA_PREFIX}iou_threshold"] = "the model's own"
    helper.set_model_props(made, about)
    return made


def _check(model: onnx.ModelProto, whole: Whole) -> None:
    """Raise CheckFailed unless the model has the inputs, outputs and versions that whole.json says."""
    opsets = {item.domain: item.version for item in model.opset_import}
    made = {item.name for item in model.graph.output}
    wanted = {name for name in (whole.boxes, whole.scores, whole.class_ids, whole.count) if name}
    problems = []
    if opsets.get("", opsets.get("ai.onnx")) != contract.OPSET or len(opsets) > 1:
        problems.append(f"operators of {opsets} where opset {contract.OPSET} is asked for")
    if [item.name for item in model.graph.input] != [whole.input]:
        problems.append(f"inputs {', '.join(item.name for item in model.graph.input)} instead of {whole.input}")
    if not wanted <= made:
        problems.append(f"outputs {', '.join(sorted(made))} without {', '.join(sorted(wanted - made))}")
    if whole.batch not in (None, 1):
        problems.append(f"a batch fixed to {whole.batch}, where 1 or any is asked for")
    if problems:
        raise CheckFailed(f"whole.onnx is not as whole.json says ({'; '.join(problems)}): convert again")


def _picking(model: onnx.ModelProto, whole: Whole, thresholds: Thresholds) -> onnx.ModelProto:
    """From `images` to the best rows of each picture, always `max_detections` of them, in the model's own numbers."""
    inner = prefixed(model, PREFIX)
    build = GraphBuilder("pick")
    value = contract.CORE_INPUT
    if not whole.dtype.startswith("float"):
        value = build.op("Round", value)
    if whole.dtype != "float32":
        value = build.op("Cast", value, to=helper.np_dtype_to_tensor_dtype(np.dtype(whole.dtype)))
    build.op("Identity", value, output=f"{PREFIX}{whole.input}")
    before = len(build.nodes)

    threshold = build.named_constant(contract.SCORE_THRESHOLD, np.array([thresholds.score], np.float32))
    most = build.named_constant(contract.MAX_DETECTIONS, np.array([thresholds.max_detections], np.int64))
    batch = build.ints(0 if whole.batch is None else 1)

    def rows(name: str, *shape: int) -> str:
        """An output as float32 [batch, N, …], whatever axes it has."""
        number = build.op("Cast", f"{PREFIX}{name}", to=TensorProto.FLOAT)
        return build.op("Reshape", number, build.op("Concat", batch, build.ints(*shape), axis=0))

    boxes, scores = rows(whole.boxes, -1, 4), rows(whole.scores, -1)
    kept = build.op("Greater", scores, threshold)
    if whole.count:
        one = helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])
        ones = build.op("ConstantOfShape", build.op("Shape", scores), value=one)
        places = build.op("CumSum", ones, build.constant("axis", np.array(1, np.int64)))
        kept = build.op("And", kept, build.op("LessOrEqual", places, rows(whole.count, -1)))
    if whole.class_ids:
        ids = rows(whole.class_ids, -1)
        low, high = whole.first_class, whole.first_class + len(whole.classes) - 1
        for comparison, limit in (("GreaterOrEqual", low), ("LessOrEqual", high)):
            kept = build.op("And", kept, build.op(comparison, ids, build.floats(float(limit))))
    else:
        ids = build.op("Expand", build.floats(float(whole.first_class)), build.op("Shape", scores))
    scores = build.op("Where", kept, scores, build.floats(0.0))

    # empty rows behind, so that the best are always as many
    count = build.op("Shape", scores, start=0, end=1)
    empty = build.op("ConstantOfShape", build.op("Concat", count, most, axis=0))
    best, places = build.pair("TopK", build.op("Concat", scores, empty, axis=1), most, first=PICKED[1], axis=1)
    assert best == PICKED[1]
    build.op("GatherElements", build.op("Concat", ids, empty, axis=1), places, axis=1, output=PICKED[2])
    empty_boxes = build.op("ConstantOfShape", build.op("Concat", count, most, build.ints(4), axis=0))
    places = build.op("Unsqueeze", places, build.ints(2))
    build.op("GatherND", build.op("Concat", boxes, empty_boxes, axis=1), places, batch_dims=1, output=PICKED[0])

    free = "batch" if whole.batch is None else 1
    shape = head.core_input_shape(whole)
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [*build.nodes[:before], *inner.graph.node, *build.nodes[before:]],
        "picking",
        [info(contract.CORE_INPUT, TensorProto.FLOAT, [free, *shape[1:]])],
        [info(name, TensorProto.FLOAT, [free, "rows", *([4] if name == PICKED[0] else [])]) for name in PICKED],
        [*build.initializers.values(), *inner.graph.initializer],
    )
    return helper.make_model(
        graph, ir_version=contract.IR_VERSION, opset_imports=[helper.make_opsetid("", contract.OPSET)]
    )


def _with_contract_names(model: onnx.ModelProto) -> onnx.ModelProto:
    """The thresholds under their own names again, which a Loop around their graph has changed."""
    names = {f"one/{name}": name for name in (contract.SCORE_THRESHOLD, contract.MAX_DETECTIONS)}
    for tensor in model.graph.initializer:
        tensor.name = names.get(tensor.name, tensor.name)
    for node in nodes(model.graph):
        node.input[:] = [names.get(value, value) for value in node.input]
    return model


def _finish(whole: Whole, columns: list[int]) -> onnx.GraphProto:
    """From the picked rows to the contract's outputs: fractions of the picture, ids from 1, zeros where nothing is."""
    build = GraphBuilder("finish")
    boxes, scores, ids = PICKED
    present = build.op("Cast", build.op("Greater", scores, build.floats(0.0)), to=TensorProto.FLOAT)

    first, second = (build.op("Slice", boxes, build.ints(low), build.ints(low + 2), build.ints(2)) for low in (0, 2))
    if whole.box_order in ("xywh", "cxcywh"):
        if whole.box_order == "cxcywh":
            first = build.op("Sub", first, build.op("Mul", second, build.floats(0.5)))
        second = build.op("Add", first, second)
    corners = build.op("Concat", first, second, axis=2)
    if whole.box_order != "yxyx":
        corners = build.op("Gather", corners, build.ints(1, 0, 3, 2), axis=2)
    if whole.box_unit == "pixel":
        corners = build.op("Div", corners, _sides(build, whole))
    if whole.resize.mode == "letterbox":
        corners = build.op("Add", build.op("Mul", corners, head.BOX_SCALE), head.BOX_SHIFT)
    limits = build.constant("zero", np.float32(0)), build.constant("one", np.float32(1))
    corners = build.op("Clip", corners, *limits)
    build.op("Mul", corners, build.op("Unsqueeze", present, build.ints(2)), output=contract.BOXES)

    # the id of each of the model's classes in the wanted order; empty rows may hold any number
    table = build.constant("ids", (np.argsort(columns) + 1).astype(np.float32))
    places = build.op("Cast", build.op("Sub", ids, build.floats(float(whole.first_class))), to=TensorProto.INT64)
    places = build.op("Min", build.op("Max", places, build.ints(0)), build.ints(len(columns) - 1))
    build.op("Mul", build.op("Gather", table, places), present, output=contract.CLASSES)
    build.op("Identity", scores, output=contract.SCORES)
    build.op("ReduceSum", present, build.ints(1), keepdims=0, output=contract.COUNT)
    info = helper.make_tensor_value_info
    return build.graph(
        [],
        [
            info(contract.BOXES, TensorProto.FLOAT, ["batch", "detections", 4]),
            info(contract.CLASSES, TensorProto.FLOAT, ["batch", "detections"]),
            info(contract.SCORES, TensorProto.FLOAT, ["batch", "detections"]),
            info(contract.COUNT, TensorProto.FLOAT, ["batch"]),
        ],
    )


def _sides(build: GraphBuilder, whole: Whole) -> str:
    """Height, width, height and width of the graph's input in pixels; of one that takes any size, the picture's."""
    if whole.resize.mode != "none":
        return build.floats(*map(float, (whole.height, whole.width) * 2))
    sides = build.op("Cast", build.op("Shape", contract.INPUT, start=1, end=3), to=TensorProto.FLOAT)
    return build.op("Concat", sides, sides, axis=0)
