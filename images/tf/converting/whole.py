"""A graph that keeps its own NMS: written whole, with what its outputs mean."""

from __future__ import annotations

import numpy as np
import onnx
import tensorflow as tf

from converting import final, onnx_writing
from converting.original import Original
from isomer.contract import Preprocessing, Resize
from isomer.converting import Conversion, asked
from isomer.converting.final_outputs import BOXES, COUNT, IDS, SCORES, Final
from isomer.converting.resizing import place
from isomer.errors import UserError
from isomer.native import Detections

INPUT, RAW = "input", "raw/"


def write(
    conversion: Conversion, original: Original, detections: Final, count: int, versions: dict, architecture: str
) -> None:
    """Write whole.onnx and whole.json, and what the original finds.

    Args:
        count: of classes.

    Raises:
        ConversionFailed: tf2onnx does not convert it.
        UserError: it takes files, not pixels.
    """
    if original.encoded:
        raise UserError(
            f"{conversion.source.origin} takes encoded pictures ({original.input.name}), which ONNX cannot decode: "
            "export it with pixels as input (image_tensor), or name the tensor of the decoded picture with --inputs"
        )
    classes = conversion.class_names(count, original.about.get("classes"))
    free = _follows_batch(original, detections)
    model = _model(original, detections, free)
    resize = Resize(mode="none")
    height = width = 0
    if original.height:
        height, width = original.height, original.width or original.height
        plain = Preprocessing(layout="NHWC", height=height, width=width, mean=(0.0,) * 3, std=(1.0,) * 3)
        resize = asked.preprocessing(conversion.options, plain).resize
    mean, std = _scale(original)

    def detect(pictures: np.ndarray) -> list[Detections]:
        return [_detect(original, detections, one, resize) for one in pictures]

    conversion.write_whole(
        model.SerializeToString(),
        detect,
        classes=classes,
        versions=versions,
        architecture=architecture,
        layout="NCHW" if original.planes_first else "NHWC",
        height=height,
        width=width,
        mean=mean,
        std=std,
        channels=original.channels,
        resize=resize,
        input=INPUT,
        dtype=original.input.dtype,
        batch=None if free else 1,
        boxes=f"final/{BOXES}",
        scores=f"final/{SCORES}",
        class_ids=f"final/{IDS}" if detections.ids else None,
        count=f"final/{COUNT}" if detections.count else None,
        first_class=detections.first_class,
        box_order=detections.box_order,
        box_unit=detections.unit,
    )


def _model(original: Original, detections: Final, free: bool) -> onnx.ModelProto:
    """The graph with the outputs that `detections` makes of its own."""
    used = {column.output for column in _columns(detections)}
    names = {one.tensor: f"{RAW}{one.name}" for one in original.outputs if one.name in used}
    model = onnx_writing.write(original.definition, {original.input.tensor: INPUT}, names)
    behind = detections.graph(RAW, free)
    model.graph.node.extend(behind.node)
    model.graph.initializer.extend(behind.initializer)
    del model.graph.output[:]
    model.graph.output.extend(behind.output)
    return model


def _columns(detections: Final) -> list:
    return [one for one in (detections.boxes, detections.scores, detections.ids, detections.count) if one is not None]


def _follows_batch(original: Original, detections: Final) -> bool:
    """Whether the first axis of input and outputs is the batch's."""
    shape = original.input.shape
    if shape is None or len(shape) != 4 or shape[0] is not None:
        return False
    picture = np.zeros((original.height or 64, original.width or 64, 3), np.uint8)
    tensors = {one.name: one.tensor for one in original.outputs}
    wanted = [tensors[column.output] for column in _columns(detections)]
    try:
        values = original.values(wanted, {original.input.tensor: np.repeat(original.feed(picture), 2, axis=0)})
    except (ValueError, tf.errors.OpError):
        return False
    return all(value.ndim and value.shape[0] == 2 for value in values)


def _scale(original: Original):
    factor, offset = (np.broadcast_to(one, 3).astype(float) for one in original.scale)
    mean, std = tuple(-offset / factor), tuple(1 / factor)
    return (mean[::-1], std[::-1]) if original.channels == "bgr" else (mean, std)


def _detect(original: Original, detections: Final, picture: np.ndarray, resize: Resize) -> Detections:
    if original.fits(*picture.shape[:2]):
        found, placed = final.read(original, detections, picture), None
    else:
        placed = place(picture, original.height, original.width, resize)
        found = final.read(original, detections, placed.pixels)
    boxes = found.boxes if placed is None else placed.boxes_in_picture(found.boxes)
    return Detections(boxes.clip(0, 1), found.classes, found.scores)
