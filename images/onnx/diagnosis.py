"""Why the raw outputs differ: the usual mistakes are undone one at a time, and the one that explains it is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.utils import Extractor
from PIL import Image
from session import open_session, run

from isomer import contract
from isomer.contract import COORDINATES, Core
from isomer.errors import CheckFailed
from isomer.graph import check, head
from isomer.graph.parts import RAW, with_raw_outputs

# Normalisations in use, in grey levels: mean, std, what it is.
NORMALISATIONS = (
    ((0, 0, 0), (1, 1, 1), "none, pixels of 0 to 255"),
    ((0, 0, 0), (255, 255, 255), "pixels of 0 to 1"),
    ((127.5, 127.5, 127.5), (127.5, 127.5, 127.5), "pixels of -1 to 1"),
    ((127, 127, 127), (128, 128, 128), "(pixel - 127) / 128"),
    ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375), "ImageNet's mean and std"),
    ((0, 0, 0), (58.395, 57.12, 57.375), "ImageNet's std without its mean"),
    ((123.675, 116.28, 103.53), (1, 1, 1), "ImageNet's mean without its std"),
)

PIXELS_LIMIT = 1e-3  # of normalised pixels

Raw = tuple[np.ndarray, np.ndarray]


def gaps(ours: Raw, native: Raw) -> tuple[float, float]:
    """The largest |Δbox| and |Δscore|; infinite where shapes differ or something is not finite."""
    return tuple(
        float(np.abs(one.astype(np.float64) - two).max(initial=0))
        if one.shape == two.shape and np.isfinite(one).all() and np.isfinite(two).all()
        else np.inf
        for one, two in zip(ours, native, strict=True)
    )


def diagnose(model: onnx.ModelProto, core: Core, pixels: np.ndarray, native: Raw, limit: float) -> str:
    """A sentence on the likely cause.

    Args:
        pixels: uint8 [n, height, width, 3] as the model takes them.
        native: boxes [n, A, 4] and scores [n, A, C] that the framework gave, columns in the model's order.
        limit: largest |Δbox| and |Δscore| that count as the same.
    """
    ours = raw_of(model, pixels)
    if any(one.shape != two.shape for one, two in zip(ours, native, strict=True)):
        return "the core and the framework's own model do not have the same anchors or classes: export again"
    box_gap, score_gap = gaps(ours, native)
    explained = []
    if box_gap > limit:
        explained += [
            f"boxes agree if {what}" for what, boxes in _other_boxes(ours[0], core) if _near(boxes, native[0], limit)
        ]
    if score_gap > limit:
        explained += [
            f"scores agree if {what}"
            for what, scores in _other_scores(ours[1], native[1])
            if _near(scores, native[1], limit)
        ]
    if explained and (box_gap <= limit) + (score_gap <= limit) + len(explained) >= 2:
        return "; ".join(explained)
    for what, attempt in _other_inputs(model, core, pixels):
        try:
            if max(gaps(attempt(), native)) <= limit:
                return f"they agree if {what}"
        except CheckFailed:
            continue
    if explained:
        return "; ".join(explained)
    if in_head := _other_pixels(model, core, pixels):
        return in_head
    parts = [name for name, gap in (("boxes", box_gap), ("scores", score_gap)) if gap > limit]
    return (
        f"{' and '.join(parts)} differ, and none of the usual mistakes explains it (channel order, normalisation, "
        "resizing, batch, order of coordinates, classes and anchors, missing sigmoid): compare the core with the "
        "framework layer by layer, beginning with evaluation mode and the weights"
    )


def raw_of(model: onnx.ModelProto, pixels: np.ndarray) -> Raw:
    """The model's raw boxes and scores."""
    *_, boxes, scores = run(open_session(with_raw_outputs(model)), **{contract.INPUT: pixels})
    return boxes, scores


def _other_inputs(model: onnx.ModelProto, core: Core, pixels: np.ndarray) -> Iterator[tuple[str, Callable[[], Raw]]]:
    """What the pictures may have gone through in one of the two and not in the other."""
    yield "red and blue are swapped: RGB and BGR are mixed up", lambda: raw_of(model, pixels[..., ::-1].copy())
    for mean, std, what in (*NORMALISATIONS, (core.mean[::-1], core.std[::-1], "mean and std in the order of BGR")):
        yield (
            f"the normalisation is {what}: mean or std in core.json are wrong",
            lambda mean=mean, std=std: raw_of(_normalised(model, mean, std), pixels),
        )
    exchanged = _normalised(model, core.mean[::-1], core.std[::-1])
    is_exchanged = all(_weights(model, name) == _weights(exchanged, name) for name in (head.MEAN, head.STD))
    others = "in the order of BGR" if is_exchanged else "others"
    yield (
        f"the normalisation is core.json's: the head's mean and std are {others}",
        lambda: raw_of(_normalised(model, core.mean, core.std), pixels),
    )
    if len(pixels) > 1:
        yield (
            "the pictures go through one by one: the batch leaks (batch normalisation in training mode?)",
            lambda: _together([raw_of(model, picture[None]) for picture in pixels]),
        )
    for what, method in (
        ("with antialiasing", Image.Resampling.BILINEAR),
        ("to the nearest", Image.Resampling.NEAREST),
    ):
        yield (
            f"the pictures are resized {what}",
            lambda method=method: raw_of(model, _resized(pixels, core, method)),
        )
    yield from _other_resizing(model, core, pixels)


def _other_resizing(model: onnx.ModelProto, core: Core, pixels: np.ndarray) -> Iterator[tuple[str, Callable[[], Raw]]]:
    """The core behind heads with another rule of where an output pixel lies in the picture."""
    if check.metadata(model).get("channels") != core.channels or core.resize.mode != "stretch":
        return  # the swap may have been folded into the core; a letterbox changes the boxes too
    typed = onnx.ModelProto()
    typed.CopyFrom(model)
    shape = head.core_input_shape(core)
    typed.graph.value_info.append(helper.make_tensor_value_info(contract.CORE_INPUT, TensorProto.FLOAT, shape))
    inside = Extractor(typed).extract_model([contract.CORE_INPUT], list(RAW))

    def behind(coordinates: str) -> Raw:
        graph = head.build(replace(core, resize=replace(core.resize, coordinates=coordinates)), core.channels)
        opset = [helper.make_opsetid("", contract.OPSET)]
        alone = helper.make_model(graph, ir_version=contract.IR_VERSION, opset_imports=opset)
        (images,) = run(open_session(alone), **{contract.INPUT: pixels})
        boxes, scores = run(open_session(inside), **{contract.CORE_INPUT: images})
        return boxes, scores

    for word in COORDINATES:
        if word != core.resize.coordinates:
            yield (
                f"the pictures are resized with {word} coordinates: core.json says {core.resize.coordinates}",
                lambda word=word: behind(word),
            )


def _other_pixels(model: onnx.ModelProto, core: Core, pixels: np.ndarray) -> str:
    """What is wrong with the head, if it does not give the core the pixels that core.json describes."""
    channels = check.metadata(model).get("channels", "rgb")
    graph = head.build(core, channels)
    opset = [helper.make_opsetid("", contract.OPSET)]
    sound = open_session(helper.make_model(graph, ir_version=contract.IR_VERSION, opset_imports=opset))
    opened = onnx.ModelProto()
    opened.CopyFrom(model)
    shape = head.core_input_shape(core)
    opened.graph.output.append(helper.make_tensor_value_info(contract.CORE_INPUT, TensorProto.FLOAT, shape))
    session = open_session(opened)
    axis = 1 if core.layout == "NCHW" else 3

    def gap(pictures: np.ndarray) -> float:
        theirs, ours = (run(each, **{contract.INPUT: pictures})[-1] for each in (sound, session))
        # a swap of the channels may have been folded into the core
        return min(float(np.abs(one - theirs).max()) for one in (ours, np.flip(ours, axis)))

    found = gap(pixels)
    if found <= PIXELS_LIMIT:
        return ""
    told = f"the head gives the core other pixels than core.json describes (up to {found:.3g} apart, normalised)"
    side = min(pixels.shape[1:3])
    if gap(np.ascontiguousarray(pixels[:, :side, :side])) <= PIXELS_LIMIT:
        return f"{told}, but not where pictures are square: height and width are exchanged in its resizing"
    return f"{told}: its resizing or normalisation was changed"


def _other_boxes(boxes: np.ndarray, core: Core) -> Iterator[tuple[str, np.ndarray]]:
    size = np.array([core.height, core.width] * 2, np.float32)
    yield (
        "x and y are swapped: xmin, ymin, xmax, ymax where ymin, xmin, ymax, xmax is asked for",
        boxes[..., [1, 0, 3, 2]],
    )
    yield "they are divided by the input size: pixels where fractions are asked for", boxes / size
    yield "they are multiplied by the input size: the framework's own boxes are pixels", boxes * size
    for shift in (-1, -0.5, 0.5, 1):
        yield (
            f"they are shifted by {shift:g} pixels of the input: coordinates that count otherwise",
            boxes + shift / size,
        )
    for what, factor in (("divided by the size less 1", (size - 1) / size), ("multiplied", size / (size - 1))):
        yield f"they are scaled by a pixel: {what} where it is the size that counts", boxes * factor
    for what, order in (("cy, cx, h, w", [0, 1, 2, 3]), ("cx, cy, w, h", [1, 0, 3, 2])):
        centre, size = boxes[..., order[:2]], boxes[..., order[2:]]
        corners = np.concatenate([centre - size / 2, centre + size / 2], axis=-1)
        yield f"they are read as {what}: centres and sizes where corners are asked for", corners


def _other_scores(scores: np.ndarray, native: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    classes = scores.shape[-1]
    for shift in range(1, classes):
        step = shift if shift <= classes // 2 else shift - classes
        yield (
            f"the classes are shifted by {step}: a background column, or another order of names",
            np.roll(scores, shift, -1),
        )
    nearest = [int(np.abs(scores - native[..., [column]]).max(axis=(0, 1)).argmin()) for column in range(classes)]
    yield f"the classes are taken in the order {[column + 1 for column in nearest]}", scores[..., nearest]
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        yield "a sigmoid is put behind them: it was left out", 1 / (1 + np.exp(-scores))
        powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
        yield "a softmax is put behind them: it was left out", powers / powers.sum(axis=-1, keepdims=True)
        yield "a sigmoid is taken away: it is there twice", np.log(scores) - np.log1p(-scores)


def _normalised(model: onnx.ModelProto, mean: tuple, std: tuple) -> onnx.ModelProto:
    """A copy of a model with another normalisation, in RGB order, in its head."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    order = -1 if check.metadata(model).get("channels") == "bgr" else 1
    for tensor in copy.graph.initializer:
        values = {head.MEAN: mean[::order], head.STD: std[::order]}.get(tensor.name)
        if values is not None:
            tensor.CopyFrom(numpy_helper.from_array(np.array(values, np.float32).reshape(tensor.dims), tensor.name))
    return copy


def _weights(model: onnx.ModelProto, name: str) -> list[float] | None:
    found = (numpy_helper.to_array(tensor) for tensor in model.graph.initializer if tensor.name == name)
    return next((values.ravel().tolist() for values in found), None)


def _resized(pixels: np.ndarray, core: Core, method: Image.Resampling) -> np.ndarray:
    size = (core.width, core.height)
    return np.stack([np.asarray(Image.fromarray(picture).resize(size, method)) for picture in pixels])


def _together(singles: list[Raw]) -> Raw:
    boxes, scores = zip(*singles, strict=True)
    return np.concatenate(boxes), np.concatenate(scores)


def _near(values: np.ndarray, native: np.ndarray, limit: float) -> bool:
    return bool(np.isfinite(values).all() and np.abs(values - native).max(initial=0) <= limit)
