"""From an opened model to a run's core, or, where it cannot be cut before its NMS, to its whole graph as it is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import suppression
import tensorflow as tf
import tf2onnx
from PIL import Image

from converting import (
    batching,
    decoded_core,
    final,
    laid_out,
    normalisation,
    onnx_writing,
    pixels,
    raw,
    settings,
    whole,
)
from converting.frozen_graph import FrozenGraph, may_be_raw
from converting.original import Original
from converting.pixels import Measured
from converting.raw import SAME_BOX, SAME_SCORE, RawTensors
from isomer.contract import CORE_INPUT, ORIGINAL_IOU, Preprocessing, Thresholds
from isomer.converting import Conversion, asked, final_outputs, normalising, reference
from isomer.converting.final_outputs import UNTOLD, Final
from isomer.converting.resizing import place, prepare
from isomer.converting.usual import of_layout
from isomer.errors import UserError
from isomer.graph.decoders import Layout
from isomer.native import Detections
from isomer.progress import say

VERSIONS = {"framework_version": tf.__version__, "tf2onnx": tf2onnx.__version__}
BACKBONES = r"(mobilenet_?v\d\w*|efficientnet\w*|resnet_?v?\d+\w*|inception_?v\d|vgg_?\d+|spinenet\w*|hourglass)"
REFERENCE = 2  # pictures of the reference that a graph is tried on
MOST = 1000  # detections compared
ALL = Thresholds(score=0, max_detections=MOST)


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
    options = conversion.options
    sized = normalisation.sized(original, options)
    given = {one.name: one.name for one in original.outputs if one.name in asked.ROLES} if options.outputs else {}
    unknown: UserError | None = None
    if may_be_raw(sized):
        graph = FrozenGraph(sized, conversion.source.origin)
        layout = laid_out.recognise(graph, laid_out.sides(graph, conversion), conversion, given)
        if isinstance(layout, Layout):
            if not _stands(layout) or _core(conversion, normalisation.settle(sized, options), None, layout):
                _write_laid_out(conversion, sized, graph, layout)
            return
        unknown = layout
    original = normalisation.settle(sized, options)
    pictures = tried_on(conversion, original)
    seen = final.look(original, pictures)
    detections = final_outputs.recognise(seen, "tf2onnx", given, options.box_order)
    if isinstance(detections, str):
        # a graph that goes on to its own NMS by other outputs than detections, or ends before it
        why = _core(conversion, original, None, None)
        if why is None:
            return
        raise unknown or UserError(
            f"{conversion.source.origin}: {why}, and its outputs are no detections that can be understood: "
            f"{detections}. Seen: {'; '.join(one.in_words() for one in seen.values())}. Name them with --outputs "
            "boxes=NAME,scores=NAME,classes=NAME,count=NAME, or name the tensors before its NMS with --outputs "
            "boxes=NAME,scores=NAME"
        )
    why = _core(conversion, original, detections, None)
    if why is None:
        return
    say(f"{why}: it keeps its own NMS")
    found = raw.find(original, [one.tensor for one in original.outputs], pictures)
    count = (
        found.classes - found.background if found else max(UNTOLD[detections.first_class], detections.classes_in(seen))
    )
    whole.write(conversion, original, detections, count, VERSIONS, architecture(original))


def tried_on(conversion: Conversion, original: Original) -> list[np.ndarray]:
    """Pictures that a graph is tried on, of its network's own size if that is known: noise, some of the reference's."""
    sides = original.height or original.width, original.width or original.height
    if not sides[0]:
        measured = pixels.measure(original, [one.tensor for one in original.outputs])
        sides = measured.size if measured else (None, None)
    if not sides[0] or not sides[1]:
        return [pixels.noise(*probe, seed) for seed, probe in enumerate(pixels.PROBES)]
    taken = reference.some_pictures(conversion.volume, conversion.options, REFERENCE)
    size = (sides[1], sides[0])
    drawn = [np.asarray(Image.fromarray(one).resize(size, Image.Resampling.BILINEAR)) for one in taken]
    return [*(pixels.noise(*sides, seed) for seed in range(2)), *drawn]


def _stands(layout: Layout) -> bool:
    """Boxes are corners and scores probabilities as they come out."""
    return len(layout.outputs) == 2 and layout.boxes in ("yxyx", "xyxy") and layout.activation == "none"


def _core(conversion: Conversion, original: Original, detections: Final | None, layout: Layout | None) -> str | None:
    """Write the core; returns why not, where there is none.

    Args:
        detections: what the graph ends in, after its NMS.
        layout: what its raw outputs are, where it ends before.
    """
    pictures = tried_on(conversion, original)
    theirs = [final.read(original, detections, picture, ALL) for picture in pictures] if detections else []
    found = raw.find(original, [one.tensor for one in original.outputs], pictures, theirs)
    if found is None:
        return "there is no place before its NMS where it holds boxes and scores of all anchors"
    if layout is not None:
        if found.classes - found.background != layout.classes:
            return "its outputs are others than what they are computed from"
        found = replace(found, order=layout.boxes)
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
    if detections is not None:
        difference = compare(original, cut, detections, own, pictures)
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
        **described(measured),
    )
    return None


def _write_laid_out(conversion: Conversion, original: Original, graph: FrozenGraph, layout: Layout) -> None:
    """Write the core of a graph whose outputs are to be decoded."""
    how = laid_out.sides(graph, conversion)
    made = laid_out.decoded(graph, layout, how)
    names = {graph.tensor(number): f"raw_{number}" for number in made.wanted}
    inner = onnx_writing.write(original.definition, {original.input.tensor: "picture"}, names)
    core = decoded_core.build(inner, graph.inputs[0], [graph.tensors[number] for number in made.wanted], made, how)
    how = laid_out.prepared(graph, how, normalising.inside(core, CORE_INPUT), of_layout(layout), conversion)
    conversion.write_core(
        core.SerializeToString(),
        lambda batch: laid_out.raw(graph, made, how, batch),
        suppression.nms,
        classes=conversion.class_names(layout.classes, original.about.get("classes")),
        versions=VERSIONS,
        architecture=architecture(original),
        **described(how),
    )


def described(how: Measured | Preprocessing) -> dict:
    """What a core says of its pictures."""
    return {item.name: getattr(how, item.name) for item in fields(Preprocessing)}


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
    detections: Final,
    own: settings.Settings | None,
    pictures: Sequence[np.ndarray],
) -> str | None:
    """Whether the raw tensors through TensorFlow's NMS are what the original finds itself; why not, in words.

    Boxes that reach out of the picture are clipped before the contract's NMS; in some graphs that is done after it.
    Both count as the same.
    """
    iou = own.iou if own and own.iou is not None else Thresholds.iou
    compared = 0
    for picture in pictures:
        theirs = final.read(original, detections, picture, ALL)
        if not len(theirs.scores):
            continue
        compared += len(theirs.scores)
        boxes, scores = _raw_of_one(original, cut, picture)
        full_up = len(theirs.scores) == final.rows(original, detections, picture)
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
    if not compared:
        say(
            f"it finds nothing in noise and {len(pictures) - 2} pictures, so its NMS is not compared: the raw tensors "
            "before it are (--pictures or --data give it what it was made for)"
        )
        return None
    say(
        f"its raw tensors through TensorFlow's NMS at IoU {iou:.3g} give the {compared} detections that it gives itself"
    )
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
