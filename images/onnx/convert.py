"""convert, this image's half for ONNX made elsewhere: what its outputs mean, a core (or a whole graph) of the contract.

The truth that the gate compares with is the original file in ONNX Runtime; its outputs are read by NumPy code of their
own (raw_outputs, final_outputs, nms).
"""

from __future__ import annotations

from dataclasses import asdict, replace

import before_nms
import cutting
import numpy as np
import onnx
import onnxruntime
from batching import with_free_batch
from nms import nms
from original import Original, load
from seen import look, not_understood
from session import run

from isomer.converting import Conversion, asked, begin, final_outputs, layouts, normalising
from isomer.converting import usual as usual_ways
from isomer.converting.final_outputs import Final
from isomer.converting.raw_outputs import decode
from isomer.converting.reference import some_pictures
from isomer.converting.seen import PICTURES, Seen
from isomer.converting.usual import AS_IT_IS, TO_ONE, Usual
from isomer.dataset.source import some
from isomer.errors import CheckFailed, UserError, run_main
from isomer.flags import Convert
from isomer.graph import decoders
from isomer.graph.decoders import Layout
from isomer.graph.versions import to_contract
from isomer.native import Detections
from isomer.progress import say


def main() -> None:
    convert(begin())


def convert(conversion: Conversion) -> None:
    """Write core.onnx or whole.onnx of a run whose source is ONNX.

    Raises:
        UserError: the model's inputs or outputs are not understood, or are not a detector's; what was seen is said.
        CheckFailed: ONNX Runtime does not take it.
    """
    options = conversion.options
    original = load(conversion.source.opened, options)
    if original.metadata("task") in ("classify", "obb"):
        raise UserError(
            f"{conversion.source.origin} is a model for the task {original.metadata('task')!r}, no detector"
        )
    inside = normalising.inside(original.model, original.input.name)
    first = AS_IT_IS if original.input.dtype == "uint8" else inside or TO_ONE
    original = _prepared(original, first, options)
    pictures = some_pictures(conversion.volume, options, PICTURES)
    seen = look(original, pictures)
    given = asked.roles(options, seen)
    chosen = seen if given.keys() <= set(asked.ROLES) else {name: seen[name] for name in given.values()}
    names = _names_known(conversion, original)
    layout = _layout(original, chosen, given, names, options)
    if isinstance(layout, Layout):
        original = _usual(original, _usual_of(layout, inside, original), options)
        _write_core(conversion, original, layout, seen)
        return
    original = _usual(original, first, options)
    seen = look(original, pictures)
    final = final_outputs.recognise(
        {name: seen[name] for name in chosen}, original.model.producer_name, given, options.box_order
    )
    if isinstance(final, str):
        raise not_understood(layout or final, original, seen)
    if not _finds_something(original, final, pictures):
        raise UserError(
            f"the model finds nothing in {len(pictures)} pictures, so what its boxes and ids mean does not show: give "
            "pictures in which it does with --pictures FOLDER (or --data), or correct what they go through before it "
            "(--mean, --std, --input-channels, --resize)"
        )
    place = before_nms.cut(original, final, pictures)
    if place is not None:
        say("cut before its own NMS")
        original, layout = place
        _write_core(conversion, original, layout, look(original, pictures))
        return
    _write_whole(conversion, original, final, seen)


def _finds_something(original: Original, final: Final, pictures: list[np.ndarray]) -> bool:
    sides = original.how.height or 1, original.how.width or 1
    return any(len(final.read(original(original.place(pixels)[0]), *sides).scores) for pixels in pictures)


def _names_known(conversion: Conversion, original: Original) -> int | None:
    """How many classes the model has, if that is told before its outputs are understood."""
    found = original.metadata_names()
    if conversion.options.classes and conversion.options.classes not in ("coco", "voc"):
        return len(conversion.class_names(None, None))
    return len(found) if found else None


def _layout(
    original: Original, seen: dict[str, Seen], given: dict[str, str], names: int | None, options: Convert
) -> Layout | str | None:
    """The layout of raw outputs; None, or why not, where there are none."""
    how, producer = original.how, original.model.producer_name
    sides = how.height, how.width
    if not how.height:
        return None
    decoder, order = options.decoder, options.box_order
    return layouts.of_all(seen, given, *sides, names, decoder=decoder, order=order, producer=producer)


def _usual_of(layout: Layout, inside: Usual | None, original: Original) -> Usual:
    """How pictures are prepared for a kind of model; what the graph does by itself is left to it."""
    usual = usual_ways.of_layout(layout)
    if original.input.dtype == "uint8":
        return replace(usual, mean=AS_IT_IS.mean, std=AS_IT_IS.std)
    return replace(usual, mean=inside.mean, std=inside.std) if inside else usual


def _prepared(original: Original, usual: Usual, options: Convert) -> Original:
    """The original with pictures prepared in the usual way, or as the flags say."""
    if original.how.resize.mode == "none" and options.resize:
        raise UserError(f"--resize {options.resize}: say to what size, with --size")
    resize = original.how.resize if original.how.resize.mode == "none" else usual.resize
    how = replace(original.how, mean=usual.mean, std=usual.std, channels=usual.channels, resize=resize)
    return original.with_preprocessing(asked.preprocessing(options, how))


def _usual(original: Original, usual: Usual, options: Convert) -> Original:
    made = _prepared(original, usual, options)
    how = made.how
    words = Usual(how.mean, how.std, how.channels, how.resize).words()
    size = f"{how.height}x{how.width}, " if how.height else ""
    say(f"pictures are given as {size}{words}: --mean, --std, --input-channels and --resize say otherwise")
    return made


def _write_core(conversion: Conversion, original: Original, layout: Layout, seen: dict[str, Seen]) -> None:
    how = original.how
    found = original.metadata_names()
    classes = conversion.class_names(layout.classes, found if found and len(found) == layout.classes else None)
    say(f"outputs {', '.join(layout.outputs)}: raw, boxes as {layout.boxes} in {layout.unit}s, {_some(classes)}")
    model = _frozen(original, layout.outputs)
    names = tuple(f"{cutting.RAW}{name}" for name in layout.outputs)
    behind = decoders.build(replace(layout, outputs=names), how.height or 1, how.width or 1)
    flat = {name for name in layout.outputs if seen[name].arrays[0].ndim == 2}
    inner = cutting.between(model, how, original.input, original.input.batch, behind, flat)
    core = with_free_batch(inner, how)

    def raw(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        boxes, scores = [], []
        for picture in pixels:
            values, placed = original.place(picture)
            outputs = original(values)
            tensors = [_batched(outputs[name]) for name in layout.outputs]
            one_boxes, one_scores = decode(layout, tensors, how.height or 1, how.width or 1)
            boxes.append(one_boxes[0] if placed is None else placed.boxes_in_picture(one_boxes[0]))
            scores.append(one_scores[0])
        return np.stack(boxes), np.stack(scores)

    conversion.write_core(
        core.SerializeToString(deterministic=True),
        raw,
        nms,
        classes=classes,
        versions=_versions(original),
        architecture=_architecture(original, layout.boxes),
        **_fields(how),
    )


def _write_whole(conversion: Conversion, original: Original, final: Final, seen: dict[str, Seen]) -> None:
    how = original.how
    found = original.metadata_names()
    most = final.classes_in(seen)
    if conversion.options.classes or found or not final.ids:
        classes = conversion.class_names(None if final.ids else 1, found)
    else:
        say("the model does not tell how many classes it has")
        classes = conversion.class_names(max(most, final_outputs.UNTOLD[final.first_class]))
    if most > len(classes):
        raise UserError(f"the model found class {most} where there are {len(classes)} names ({some(classes, 6)})")
    say(f"outputs {', '.join(seen)}: its own detections, boxes as {final.box_order} in {final.unit}s, {_some(classes)}")
    columns = [column for column in (final.boxes, final.scores, final.ids, final.count) if column]
    model = _frozen(original, tuple(dict.fromkeys(column.output for column in columns)))
    free = original.input.batch is None and original.input.rank == 4 and _follows_batch(original, columns)
    batch = None if free else 1
    inner = cutting.between(model, how, original.input, batch, final.graph(cutting.RAW, free))

    def detect(pixels: np.ndarray) -> list[Detections]:
        made = []
        for picture in pixels:
            values, placed = original.place(picture)
            height, width = values.shape[-2:] if how.layout == "NCHW" else values.shape[:2]
            one = final.read(original(values), height, width)
            boxes = one.boxes if placed is None else placed.boxes_in_picture(one.boxes)
            made.append(replace(one, boxes=boxes.clip(0, 1)))
        return made

    conversion.write_whole(
        inner.SerializeToString(deterministic=True),
        detect,
        classes=classes,
        versions=_versions(original),
        architecture=_architecture(original, "own detections"),
        input=inner.graph.input[0].name,
        dtype="float32",
        batch=batch,
        boxes=f"final/{final_outputs.BOXES}",
        scores=f"final/{final_outputs.SCORES}",
        class_ids=f"final/{final_outputs.IDS}" if final.ids else None,
        count=f"final/{final_outputs.COUNT}" if final.count else None,
        box_order=final.box_order,
        box_unit=final.unit,
        first_class=final.first_class,
        **_fields(how),
    )


def _frozen(original: Original, outputs: tuple[str, ...]) -> onnx.ModelProto:
    """The original at the contract's opset, with these outputs alone."""
    return cutting.leading_to(to_contract(original.model), outputs)


def _follows_batch(original: Original, columns) -> bool:
    """Whether the first axis of all outputs is the batch's."""
    side = 64 if not original.how.height else None
    sides = (original.how.height or side, original.how.width or side)
    shape = [2, 3, *sides] if original.how.layout == "NCHW" else [2, *sides, 3]
    try:
        outputs = run(original.session, **{original.input.name: np.zeros(shape, original.input.dtype)})
    except CheckFailed:
        return False
    found = dict(zip(original.outputs, outputs, strict=True))
    return all(found[column.output].ndim and found[column.output].shape[0] == 2 for column in columns)


def _batched(array: np.ndarray) -> np.ndarray:
    return array[None] if array.ndim == 2 else array


def _fields(how) -> dict:
    return {key: value if key != "resize" else how.resize for key, value in asdict(how).items()}


def _versions(original: Original) -> dict[str, str]:
    producer = f"{original.model.producer_name} {original.model.producer_version}".strip()
    return {"framework_version": onnxruntime.__version__, "producer": producer or "unknown"}


def _architecture(original: Original, what: str) -> str:
    return original.metadata("description") or f"{original.model.graph.name or 'graph'} ({what})"


def _some(classes: tuple[str, ...]) -> str:
    return f"{len(classes)} {'class' if len(classes) == 1 else 'classes'} ({some(classes, 6)})"


if __name__ == "__main__":
    run_main(main)
