"""From a TensorFlow Lite file to a run's core: cut before its NMS, its boxes decoded as its options or layout say."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import suppression
import tensorflow as tf
import tf2onnx

from converting import making, onnx_writing, pixels, tflite_core
from converting.normalisation import SIGNED
from converting.tflite_core import Decoded
from converting.tflite_file import Postprocess, TfliteFile
from isomer.contract import CORE_INPUT, ORIGINAL_IOU, ORIGINAL_PRECISION, Preprocessing, Thresholds
from isomer.converting import Conversion, asked, failures, layouts, normalising, raw_outputs, reference
from isomer.converting.failures_tf import TABLE
from isomer.converting.resizing import prepare
from isomer.converting.seen import PICTURES, Seen
from isomer.converting.usual import AS_IT_IS, Usual, of_layout
from isomer.errors import UserError
from isomer.graph import decoders
from isomer.graph.builder import GraphBuilder
from isomer.graph.decoders import Layout
from isomer.native import Detections
from isomer.progress import say

USUAL = Usual((SIGNED,) * 3, (SIGNED,) * 3)  # of the detectors that end in TensorFlow Lite's own post-processing
FLAGS = "--mean, --std, --input-channels and --resize say otherwise"


def convert(conversion: Conversion) -> None:
    """Write the core and the native predictions of a TensorFlow Lite file.

    Raises:
        UserError: it cannot be opened, or what comes out of it cannot be understood.
        ConversionFailed: tf2onnx does not convert it.
    """
    file = TfliteFile(conversion.source.opened)
    say(f"inputs: {', '.join(map(str, file.inputs))}")
    say(f"outputs: {', '.join(map(str, file.outputs))}")
    how = _sides(file, conversion)
    known = file.postprocess()
    made, usual = (_postprocessed(file, known), USUAL) if known else _raw(file, how, conversion)
    ends = [file.tensors[index] for index in made.wanted]
    core = tflite_core.build(_onnx(file.cut(made.wanted)), file.inputs[0], ends, made, how)
    how = _prepared(file, how, normalising.inside(core, CORE_INPUT), usual, conversion)
    about = {}
    if any(tensor.quantised for tensor in file.tensors.values()):
        say("it is quantised: what its own kernels round otherwise than ONNX's is compared on the mean")
        about[ORIGINAL_PRECISION] = "int8"
    if known:
        about[ORIGINAL_IOU] = str(known.iou)
        _compare(file, made, known, how)
    conversion.write_core(
        core.SerializeToString(),
        lambda batch: raw(file, made, how, batch),
        suppression.nms,
        classes=conversion.class_names(made.classes, file.labels()),
        versions={"framework_version": tf.__version__, "tf2onnx": tf2onnx.__version__, **about},
        architecture="TensorFlow Lite" + (" SSD" if known else ""),
        **{name: getattr(how, name) for name in ("layout", "height", "width", "mean", "std", "channels", "resize")},
    )


def raw(file: TfliteFile, made: Decoded, how: Preprocessing, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As isomer.native.Raw, by TensorFlow Lite's own kernels."""
    boxes, scores = [], []
    for picture in batch:
        prepared, placed = prepare(picture, how)
        one, other = made.numpy(file.run(given(file, prepared), made.wanted))
        boxes.append(placed.boxes_in_picture(one) if how.resize.mode == "letterbox" else one)
        scores.append(other)
    return np.stack(boxes), np.stack(scores)


def given(file: TfliteFile, prepared: np.ndarray) -> np.ndarray:
    """A prepared picture in the input's type; pixels of int8 count from -128."""
    kind = file.inputs[0].dtype
    if kind == "float32":
        return prepared[None].astype(np.float32)
    return (np.rint(prepared[None]) - (128 if kind == "int8" else 0)).astype(kind)


def _sides(file: TfliteFile, conversion: Conversion) -> Preprocessing:
    """Layout and size of the file's input; nothing else is settled yet.

    Raises:
        UserError: it takes no picture, or --size wants another.
    """
    shape = file.inputs[0].shape
    if len(file.inputs) != 1 or len(shape) != 4 or 3 not in (shape[1], shape[3]):
        raise UserError(f"{file.name} takes no picture: its inputs are {', '.join(map(str, file.inputs))}")
    layout = "NHWC" if shape[3] == 3 else "NCHW"
    sides = shape[1:3] if layout == "NHWC" else shape[2:]
    wanted = asked.size(conversion.options)
    if wanted and wanted != sides:
        raise UserError(f"--size {conversion.options.size}: the file takes {sides[0]}x{sides[1]} and no other")
    return _described(Preprocessing(layout=layout, height=sides[0], width=sides[1], mean=(0,) * 3, std=(1,) * 3), USUAL)


def _described(how: Preprocessing, usual: Usual) -> Preprocessing:
    return replace(how, mean=usual.mean, std=usual.std, channels=usual.channels, resize=usual.resize)


def _prepared(
    file: TfliteFile, how: Preprocessing, inside: Usual | None, usual: Usual, conversion: Conversion
) -> Preprocessing:
    """What pictures go through before the graph: as its input and its first operators tell, or the flags say.

    Raises:
        UserError: --mean or --std for a graph that takes pixels.
    """
    options, taken = conversion.options, file.inputs[0]
    if taken.dtype != "float32":
        if options.mean or options.std:
            raise UserError(f"--mean and --std are for floats: {file.name} takes pixels ({taken.dtype})")
        usual = replace(usual, mean=AS_IT_IS.mean, std=AS_IT_IS.std)
    elif inside:
        usual = replace(usual, mean=inside.mean, std=inside.std)
    found = asked.preprocessing(options, _described(how, usual))
    words = Usual(found.mean, found.std, found.channels, found.resize).words()
    say(f"pictures are given as {found.height}x{found.width}, {words}: {FLAGS}")
    return found


def _postprocessed(file: TfliteFile, known: Postprocess) -> Decoded:
    """Cut before the operator that decodes and suppresses: its anchors and scales decode here."""
    anchors = file.constant(known.anchors)
    columns = file.tensors[known.scores].shape[-1]
    background = columns - known.classes
    kind = "class by class" if known.regular else "of all classes together"
    say(
        f"cut before its post-processing ({len(anchors)} anchors, {known.classes} classes, an NMS {kind} at IoU "
        f"{known.iou:.3g})"
    )
    scales = np.array(known.scales, np.float32)
    centres, sides = anchors[:, :2], anchors[:, 2:]

    def decode(values: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        encodings = values[0].reshape(len(anchors), -1)[:, :4] / scales
        centre = encodings[:, :2] * sides + centres
        half = np.exp(encodings[:, 2:]) * sides / 2
        return np.concatenate([centre - half, centre + half], 1), values[1].reshape(-1, columns)[:, background:]

    def graph(build: GraphBuilder, names: list[str]) -> tuple[str, str]:
        encodings = build.op("Reshape", names[0], build.ints(0, len(anchors), -1))
        encodings = build.op("Slice", encodings, build.ints(0), build.ints(4), build.ints(2))
        encodings = build.op("Div", encodings, build.constant("scales", scales))
        moved, grown = build.pair("Split", encodings, axis=2, num_outputs=2)
        moved = build.op("Mul", moved, build.constant("sides", sides))
        centre = build.op("Add", moved, build.constant("centres", centres))
        half = build.op("Mul", build.op("Exp", grown), build.constant("half_sides", sides / 2))
        corners = [build.op(kind, centre, half) for kind in ("Sub", "Add")]
        scores = build.op("Reshape", names[1], build.ints(0, len(anchors), columns))
        if background:
            scores = build.op("Slice", scores, build.ints(background), build.ints(columns), build.ints(2))
        return build.op("Concat", *corners, axis=2), scores

    return Decoded((known.encodings, known.scores), known.classes, decode, graph)


def _raw(file: TfliteFile, how: Preprocessing, conversion: Conversion) -> tuple[Decoded, Usual]:
    """Outputs that leave decoding and NMS to their client, by the layouts that are known; how such pictures are made.

    Raises:
        UserError: they have none of them; what was seen is said.
    """
    options = conversion.options
    pictures = reference.some_pictures(conversion.volume, options, PICTURES)
    ends = [tensor.index for tensor in file.outputs]
    first = replace(how, mean=AS_IT_IS.mean, std=AS_IT_IS.std) if file.inputs[0].dtype != "float32" else how
    runs = [file.run(given(file, prepare(one, asked.preprocessing(options, first))[0]), ends) for one in pictures]
    seen = {
        tensor.name: Seen(tensor.name, tuple(run[place] for run in runs)) for place, tensor in enumerate(file.outputs)
    }
    roles = asked.roles(options, seen)
    chosen = seen if roles.keys() <= set(asked.ROLES) else {name: seen[name] for name in roles.values()}
    names = file.labels()
    count = len(names) if names else None
    if options.classes not in (None, "coco", "voc"):
        count = len(conversion.class_names(None))
    found = layouts.of_all(
        chosen,
        roles,
        how.height,
        how.width,
        count,
        decoder=options.decoder,
        order=options.box_order,
        producer="tf2onnx",
    )
    if not isinstance(found, Layout):
        words = "; ".join(one.in_words() for one in seen.values())
        raise UserError(
            f"{found or 'its outputs are not those of a known detector'}. Seen for {how.height}x{how.width}: {words}. "
            "Declare them: --outputs boxes=NAME,scores=NAME, --box-order, or --decoder for one raw output"
        )
    say(f"outputs {', '.join(found.outputs)}: boxes as {found.boxes} in {found.unit}s, {found.classes} classes")
    return _laid_out(file, found, how), of_layout(found)


def _laid_out(file: TfliteFile, layout: Layout, how: Preprocessing) -> Decoded:
    """The decoding that a layout says."""
    wanted = tuple(next(one.index for one in file.outputs if one.name == name) for name in layout.outputs)

    def decode(values: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        boxes, scores = raw_outputs.decode(layout, values, how.height, how.width)
        return boxes[0], scores[0]

    def graph(build: GraphBuilder, names: list[str]) -> tuple[str, str]:
        made = decoders.build(replace(layout, outputs=tuple(names)), how.height, how.width)
        build.nodes.extend(made.node)
        build.initializers.update({tensor.name: tensor for tensor in made.initializer})
        return made.output[0].name, made.output[1].name

    return Decoded(wanted, layout.classes, decode, graph)


def _onnx(content: bytes) -> onnx.ModelProto:
    """A file's graph by tf2onnx, up the ladder of opsets."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cut.tflite"
        path.write_bytes(content)

        def write(opset: int) -> onnx.ModelProto:
            return onnx_writing.checked(lambda: tf2onnx.convert.from_tflite(str(path), opset=opset))

        model, opset = failures.climb(onnx_writing.TOOL, write, TABLE, (onnx_writing.ToolFailed,))
    return onnx_writing.settle(model, opset)


def _compare(file: TfliteFile, made: Decoded, known: Postprocess, how: Preprocessing) -> None:
    """Say whether the operator's own NMS finds what TensorFlow's finds class by class in the same raw tensors."""
    prepared, _ = prepare(pixels.noise(how.height, how.width), how)
    ends = [tensor.index for tensor in file.outputs][:4]
    values = file.run(given(file, prepared), [*ends, *made.wanted])
    scores = values[2].reshape(-1)[: int(values[3].reshape(-1)[0])]
    if not len(scores):
        return
    theirs = Detections(values[0].reshape(-1, 4)[: len(scores)], np.zeros(len(scores), int), scores)
    boxes, all_scores = made.numpy(values[4:])
    thresholds = Thresholds(max(float(scores.min()) - making.SAME_SCORE, 0), known.iou, making.MOST)
    ours = suppression.nms(boxes, all_scores, thresholds)
    missing, more = making.differences(theirs, ours, full_up=len(scores) == values[2].size)
    if not missing and not more:
        say(f"its raw tensors through TensorFlow's NMS at IoU {known.iou:.3g} give the detections that it gives itself")
    elif not known.regular:
        say(
            f"its own NMS lets one class suppress another, the contract's does not: in noise {missing} of its "
            f"{len(scores)} detections are others"
        )
    else:
        say(f"its own NMS is another than TensorFlow's: in noise {missing} of its {len(scores)} detections are others")
