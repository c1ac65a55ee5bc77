"""Head + core + tail: the published model, with everything a reader may want to know in its metadata."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict

import numpy as np
import onnx
from onnx import TensorProto, helper, inliner

from isomer import contract
from isomer.contract import Core, Thresholds, Whole
from isomer.errors import CheckFailed, UserError
from isomer.graph import head, tail
from isomer.graph.builder import GraphBuilder
from isomer.graph.channels import fold_swap
from isomer.graph.parts import RAW, THRESHOLDS, graphs, made_in, nodes, prefixed

CORE_PREFIX = "core/"
OURS = ("head/", "raw/", "tail/")  # how names begin that this module gives
CORE_BOXES = "boxes"
CORE_SCORES = "scores"


def assemble(
    core_model: onnx.ModelProto,
    core: Core,
    name: str,
    thresholds: Thresholds,
    channels: str = "rgb",
    class_order: tuple[str, ...] | None = None,
) -> onnx.ModelProto:
    """The model of the contract around a core.

    Args:
        name: what the model will be published as.
        channels: order of the channels in the pictures that the model will be given, "rgb" or "bgr".
        class_order: all class names, in the order of the ids that the model shall report.

    Raises:
        CheckFailed: the core is not what core.json or the project's interface says.
        UserError: `class_order` is not an order of the core's classes.
    """
    classes = class_order or core.classes
    columns = class_columns(core.classes, classes)
    core_model, prefix = _prepared(core_model, core)
    swapped = channels != core.channels
    folded = swapped and fold_swap(core_model, channel_axis=1 if core.layout == "NCHW" else 3)
    parts = [
        head.build(core, channels, core_channels=channels if folded else None),
        core_model.graph,
        _raw_outputs(core, columns, prefix),
        tail.build(len(classes), thresholds),
    ]
    model = joined(parts, name)
    helper.set_model_props(model, metadata(core, name, thresholds, channels, classes))
    return model


def joined(parts: list[onnx.GraphProto], name: str) -> onnx.ModelProto:
    """One model of graphs that follow each other: the first one's inputs, the last one's outputs."""
    graph = helper.make_graph(
        [node for part in parts for node in part.node],
        name,
        parts[0].input,
        parts[-1].output,
        [tensor for part in parts for tensor in part.initializer],
        # the raw tensors' types, so that a tool can make outputs of them
        value_info=parts[-1].input,
    )
    return helper.make_model(
        graph,
        producer_name="isomer",
        ir_version=contract.IR_VERSION,
        opset_imports=[helper.make_opsetid("", contract.OPSET)],
    )


def metadata(
    core: Core | Whole, name: str, thresholds: Thresholds, channels: str, classes: tuple[str, ...]
) -> dict[str, str]:
    """The model's metadata: plain words as they are, lists and numbers as JSON."""
    values = {
        "contract": contract.VERSION,
        "model": name,
        "framework": core.framework,
        "architecture": core.architecture,
        "classes": classes,
        "channels": channels,
        "size": core.size,
        "layout": core.layout,
        "mean": core.mean,
        "std": core.std,
        "core_channels": core.channels,
        "resize": asdict(core.resize),
        "score_threshold": thresholds.score,
        "iou_threshold": thresholds.iou,
        "max_detections": thresholds.max_detections,
        **({"core_sha256": core.core_sha256} if isinstance(core, Core) else {"whole_sha256": core.whole_sha256}),
        **core.provenance,
    }
    return {
        contract.METADATA_PREFIX + key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for key, value in values.items()
    }


def class_columns(have: tuple[str, ...], wanted: tuple[str, ...]) -> list[int]:
    """For each wanted class, its column in the core's scores."""
    unknown = [name for name in wanted if name not in have]
    missing = [name for name in have if name not in wanted]
    twice = sorted({name for name in wanted if wanted.count(name) > 1})
    problems = [
        f"{what}: {', '.join(names)}"
        for what, names in (("unknown", unknown), ("missing", missing), ("given twice", twice))
        if names
    ]
    if problems:
        raise UserError(
            f"--class-order: {'; '.join(problems)}. The model's classes are {','.join(have)}: name each of them once"
        )
    return [have.index(name) for name in wanted]


def _prepared(model: onnx.ModelProto, core: Core) -> tuple[onnx.ModelProto, str]:
    """A copy of the core with inlined functions, between `images` and the tensors of the tail, and what its tensors'
    names begin with: nothing where they are others than ours, for names are a hundredth of a core in 8 bits."""
    problems = list(_core_problems(model, core))
    if problems:
        raise CheckFailed(f"core.onnx is not a core ({'; '.join(problems)}): export again")
    if model.functions:
        model = inliner.inline_local_functions(model)
    taken = {contract.INPUT, *contract.OUTPUTS, *RAW, *THRESHOLDS}
    names = {name for graph in graphs(model.graph) for name in made_in(graph)}
    prefix = CORE_PREFIX if taken & names or any(name.startswith(OURS) for name in names) else ""
    copy = prefixed(model, prefix)
    for node in nodes(copy.graph):
        node.name = node.name and CORE_PREFIX + node.name.removeprefix(prefix)
        node.input[:] = [contract.CORE_INPUT if name == prefix + contract.CORE_INPUT else name for name in node.input]
    copy.graph.input[0].name = contract.CORE_INPUT
    return copy, prefix


def _core_problems(model: onnx.ModelProto, core: Core) -> Iterable[str]:
    """What keeps a model from being the core that `core` describes."""
    domains = {item.domain: item.version for item in model.opset_import if item.domain not in ("", "ai.onnx")}
    if domains and not model.functions:
        yield f"operators of the domains {', '.join(sorted(domains))}"
    opset = next((item.version for item in model.opset_import if item.domain in ("", "ai.onnx")), None)
    if opset != contract.OPSET:
        yield f"opset {opset} instead of {contract.OPSET}"
    if any(tensor.data_location == TensorProto.EXTERNAL for tensor in model.graph.initializer):
        yield "weights in a second file"
    expected = {
        contract.CORE_INPUT: head.core_input_shape(core)[1:],
        CORE_BOXES: [None, 4],
        CORE_SCORES: [None, len(core.classes)],
    }
    found = {item.name: item.type.tensor_type for item in (*model.graph.input, *model.graph.output)}
    if list(found) != list(expected):
        yield f"inputs and outputs {', '.join(found)} instead of {', '.join(expected)}"
        return
    for name, rest in expected.items():
        dims = found[name].shape.dim
        shape = [dim.dim_value if dim.HasField("dim_value") else dim.dim_param or "?" for dim in dims]
        fits = len(shape) == len(rest) + 1 and all(
            wanted is None or not isinstance(have, int) or have == wanted
            for have, wanted in zip(shape[1:], rest, strict=True)
        )
        if found[name].elem_type != TensorProto.FLOAT or not fits:
            wanted = ", ".join("A" if value is None else str(value) for value in rest)
            yield f"{name} is {shape} instead of float32 [batch, {wanted}]"
        elif isinstance(shape[0], int):
            yield f"{name} has a batch fixed to {shape[0]}"


def _raw_outputs(core: Core, columns: list[int], prefix: str) -> onnx.GraphProto:
    """From the core's outputs, behind a prefix, to the named raw tensors: boxes in the picture, class columns in the
    wanted order."""
    build = GraphBuilder("raw")
    boxes = f"{prefix}{CORE_BOXES}"
    if core.resize.mode == "letterbox":
        boxes = build.op("Mul", boxes, head.BOX_SCALE)
        build.op("Add", boxes, head.BOX_SHIFT, output=contract.RAW_BOXES)
    else:
        build.op("Identity", boxes, output=contract.RAW_BOXES)
    scores = f"{prefix}{CORE_SCORES}"
    if columns == sorted(columns):
        build.op("Identity", scores, output=contract.RAW_SCORES)
    else:
        order = build.constant("class_order", np.array(columns, np.int64))
        build.op("Gather", scores, order, axis=2, output=contract.RAW_SCORES)
    return build.graph([], [])
