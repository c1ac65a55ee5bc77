"""From an opened model to a run's core, or, where it cannot be cut before its NMS, to its whole graph as it is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import suppression
import tensorflow as tf
import tf2onnx

from converting import batching, final, normalisation, onnx_writing, pixels, raw, settings, whole
from converting.original import Original
from converting.pixels import Measured
from converting.raw import RawTensors
from isomer.contract import CORE_INPUT, ORIGINAL_IOU, Thresholds
from isomer.converting import Conversion
from isomer.converting.resizing import place, prepare
from isomer.errors import UserError
from isomer.native import Detections
from isomer.progress import say

VERSIONS = {"framework_version": tf.__version__, "tf2onnx": tf2onnx.__version__}
BACKBONES = r"(mobilenet_?v\d\w*|efficientnet\w*|resnet_?v?\d+\w*|inception_?v\d|vgg_?\d+|spinenet\w*|hourglass)"
# Of the original's own detections and of its raw tensors through TensorFlow's NMS with its settings.
SAME_SCORE, SAME_BOX = 1e-4, 1e-3
MOST = 1000  # detections compared


@dataclass(frozen=True)
class Place:
    """Where a graph is cut: between the prepared picture and the raw tensors."""

    raw: RawTensors
    measured: Measured


def convert(conversion: Conversion, original: Original) -> None:
    """Write the core and the native predictions of an original, or its whole graph.

    Raises:
        UserError: what comes out of it cannot be understood.
        ConversionFailed: tf2onnx does not convert it.
    """
    original = normalisation.settle(original, conversion.options)
    pictures = tried_on(original)
    roles = final.roles(original, pictures)
    why = _core(conversion, original, pictures, roles)
    if why is None:
        return
    if roles is None:
        seen = ", ".join(f"{one}" for one in original.outputs)
        raise UserError(
            f"{conversion.source.origin}: {why}, and its outputs are no detections that can be understood ({seen}). "
            "Name them with --outputs boxes=NAME,scores=NAME,classes=NAME,count=NAME, or name the tensors before its "
            "NMS with --outputs boxes=NAME,scores=NAME"
        )
    say(f"{why}: it keeps its own NMS")
    whole.write(conversion, original, roles, VERSIONS, architecture(original))


def tried_on(original: Original) -> list[np.ndarray]:
    """Pictures that a graph is tried on: noise, of its own size or of two sizes."""
    if original.height or original.width:
        side = (original.height or original.width or 0, original.width or original.height or 0)
        return [pixels.noise(*side, seed) for seed in range(2)]
    return [pixels.noise(*sides, seed) for seed, sides in enumerate(pixels.PROBES)]


def _core(
    conversion: Conversion, original: Original, pictures: Sequence[np.ndarray], roles: final.Roles | None
) -> str | None:
    """Write the core; returns why not, where there is none."""
    ends = [one.tensor for one in (roles.ports if roles else original.outputs)]
    found = raw.find(original, ends, pictures)
    if found is None:
        return "there is no place before its NMS where it holds boxes and scores of all anchors"
    say(
        f"cut at {found.boxes} and {found.scores}: {found.anchors} anchors, {found.classes - found.background} classes"
        + (", a background before them" if found.background else "")
    )
    measured = pixels.measure(original, [found.boxes, found.scores])
    if measured is None:
        return "what it does to pictures before its first layer is none of the contract's ways"
    measured = normalisation.asked_for(original, measured, conversion.options)
    say(f"pictures: {normalisation.in_words(measured)}")
    cut = Place(found, measured)
    try:
        definition = batching.core(original, found, measured)
    except batching.NotBatched as error:
        return f"it computes one picture only ({error})"
    own = settings.read(original.graph)
    if roles is not None:
        difference = compare(original, cut, roles, own, pictures)
        if difference:
            return difference
    model = onnx_writing.write(
        definition,
        {CORE_INPUT: CORE_INPUT},
        {batching.BOXES: batching.BOXES, batching.SCORES: batching.SCORES},
    )
    classes = conversion.class_names(found.classes - found.background, original.about.get("classes"))
    about = {ORIGINAL_IOU: str(own.iou)} if own and own.iou is not None else {}
    conversion.write_core(
        model.SerializeToString(),
        lambda batch: raw_of(original, cut, batch),
        suppression.nms,
        classes=classes,
        versions=VERSIONS | about,
        architecture=architecture(original),
        layout=measured.layout,
        height=measured.height,
        width=measured.width,
        mean=measured.mean,
        std=measured.std,
        channels=measured.channels,
        resize=measured.resize,
    )
    return None


def raw_of(original: Original, cut: Place, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As isomer.native.Raw, by the original graph, picture by picture."""
    found = [_raw_of_one(original, cut, picture) for picture in batch]
    boxes, scores = zip(*found, strict=True)
    return np.stack(boxes), np.stack(scores)


def _raw_of_one(original: Original, cut: Place, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    ends = [cut.raw.boxes, cut.raw.scores]
    measured = cut.measured
    if original.fits(*picture.shape[:2]):
        values = original.run(ends, picture)
        placed = None if measured.resize.mode == "stretch" else place(picture, *measured.size, measured.resize)
    else:
        prepared, placed = prepare(picture, measured.described)
        some = original.feed(np.zeros((original.height, original.width, 3), np.uint8))
        values = original.values(ends, {original.input.tensor: some, measured.tensor: prepared[None]})
    boxes, scores = cut.raw.settle(*values, *measured.size)
    return (boxes if placed is None else placed.boxes_in_picture(boxes)), scores


def compare(
    original: Original,
    cut: Place,
    roles: final.Roles,
    own: settings.Settings | None,
    pictures: Sequence[np.ndarray],
) -> str | None:
    """Whether the raw tensors through TensorFlow's NMS are what the original finds itself; why not, in words.

    Boxes that reach out of the picture are clipped before the contract's NMS; in some graphs that is done after it.
    Both count as the same.
    """
    iou = own.iou if own and own.iou is not None else Thresholds.iou
    for picture in pictures:
        tensors = [one.tensor for one in roles.ports]
        values = dict(zip(tensors, original.run(tensors, picture), strict=True))
        theirs = final.detections(roles, values, first_class=0)
        if not len(theirs.scores):
            continue
        boxes, scores = _raw_of_one(original, cut, picture)
        full_up = len(theirs.scores) == values[roles.scores.tensor].size
        thresholds = Thresholds(max(float(theirs.scores.min()) - SAME_SCORE, 0), iou, MOST)
        missing, more = min(
            differences(theirs, suppression.nms(some, scores, thresholds), full_up)
            for some in (np.clip(boxes, 0, 1), boxes)
        )
        if missing or more:
            return (
                f"its own NMS is another than TensorFlow's class by class at IoU {iou:.3g}: of {len(theirs.scores)} "
                f"detections {missing} are not found so, and {more} others are"
            )
    say(f"its raw tensors through TensorFlow's NMS at IoU {iou:.3g} give the detections that it gives itself")
    return None


def differences(theirs: Detections, ours: Detections, full_up: bool) -> tuple[int, int]:
    """How many of their detections are not among ours, and, unless their list is full, of ours not among theirs."""
    certain = ours.scores > theirs.scores.min() + SAME_SCORE
    more = 0 if full_up else int(certain.sum()) - _matched(ours, theirs, certain)
    return len(theirs.scores) - _matched(theirs, ours, np.ones(len(theirs.scores), bool)), more


def _matched(some: Detections, others: Detections, chosen: np.ndarray) -> int:
    """How many of the chosen of some detections are among the others, whatever their class ids count from."""
    found = 0
    for box, score in zip(np.clip(some.boxes[chosen], 0, 1), some.scores[chosen], strict=True):
        near = np.abs(others.scores - score) <= SAME_SCORE
        found += bool((near & (np.abs(np.clip(others.boxes, 0, 1) - box).max(axis=1, initial=0) <= SAME_BOX)).any())
    return found


def architecture(original: Original) -> str:
    """A word for the network: its backbone by the names of its nodes."""
    names = "\n".join(original.graph.nodes)
    found = re.search(BACKBONES, names, re.IGNORECASE)
    backbone = found[1].lower() if found else "network"
    return f"ssd_{backbone}" if "BoxPredictor" in names or "BoxEncoding" in names else backbone
