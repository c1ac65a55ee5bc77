"""From a TensorFlow Lite file to a run's core: cut before its NMS, its boxes decoded as its options or layout say."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
import suppression
import tensorflow as tf
import tf2onnx

from converting import decoded_core, laid_out, making, onnx_writing, pixels
from converting.decoded_core import Decoded
from converting.tflite_file import Postprocess, TfliteFile
from isomer.contract import CORE_INPUT, ORIGINAL_IOU, ORIGINAL_PRECISION, Preprocessing, Thresholds
from isomer.converting import Conversion, failures, normalising
from isomer.converting.failures_tf import TABLE
from isomer.converting.resizing import prepare
from isomer.converting.usual import Usual, of_layout
from isomer.errors import UserError
from isomer.graph.builder import GraphBuilder
from isomer.native import Detections
from isomer.progress import say


def convert(conversion: Conversion) -> None:
    """Write the core and the native predictions of a TensorFlow Lite file.

    Raises:
        UserError: it cannot be opened, or what comes out of it cannot be understood.
        ConversionFailed: tf2onnx does not convert it.
    """
    file = TfliteFile(conversion.source.opened)
    say(f"inputs: {', '.join(map(str, file.inputs))}")
    say(f"outputs: {', '.join(map(str, file.outputs))}")
    how = laid_out.sides(file, conversion)
    known = file.postprocess()
    made, usual = (_postprocessed(file, known), laid_out.USUAL) if known else _raw(file, how, conversion)
    ends = [file.tensors[index] for index in made.wanted]
    core = decoded_core.build(_onnx(file.cut(made.wanted)), file.inputs[0], ends, made, how)
    how = laid_out.prepared(file, how, normalising.inside(core, CORE_INPUT), usual, conversion)
    about = {}
    if any(tensor.quantised for tensor in file.tensors.values()):
        say("it is quantised: what its own kernels round otherwise than ONNX's is compared on the mean")
        about[ORIGINAL_PRECISION] = "int8"
    if known:
        about[ORIGINAL_IOU] = str(known.iou)
        _compare(file, made, known, how)
    conversion.write_core(
        core.SerializeToString(),
        lambda batch: laid_out.raw(file, made, how, batch),
        suppression.nms,
        classes=conversion.class_names(made.classes, file.labels()),
        versions={"framework_version": tf.__version__, "tf2onnx": tf2onnx.__version__, **about},
        architecture="TensorFlow Lite" + (" SSD" if known else ""),
        **{name: getattr(how, name) for name in ("layout", "height", "width", "mean", "std", "channels", "resize")},
    )


def _raw(file: TfliteFile, how: Preprocessing, conversion: Conversion) -> tuple[Decoded, Usual]:
    """Outputs that leave decoding and NMS to their client, and how pictures are prepared for such."""
    layout = laid_out.recognise(file, how, conversion)
    if isinstance(layout, UserError):
        raise layout
    return laid_out.decoded(file, layout, how), of_layout(layout)


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
    values = file.run(laid_out.given(file, prepared), [*ends, *made.wanted])
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
