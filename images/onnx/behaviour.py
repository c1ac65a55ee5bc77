"""The contract, checked by running: any batch, frame size and content, any number of threads, nothing to be found."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import onnx
from matching import match
from onnxruntime import InferenceSession
from session import open_session, run

from isomer import contract
from isomer.contract import Thresholds
from isomer.errors import CheckFailed
from isomer.graph.check import Finding, classes, fixed_batch
from isomer.graph.parts import has_raw, has_thresholds, with_raw_outputs, with_thresholds
from isomer.native import Detections

MOST = 8  # pictures in a batch
FRAMES = ((300, 300), (540, 960), (241, 317), (1, 1))  # height, width
LARGE_FRAME = (3000, 4000)
BATCHES = dict.fromkeys(FRAMES, (1, 2)) | {FRAMES[0]: tuple(range(1, MOST + 1))}
RAW_TOLERANCE = 1e-4
DOES_NOT_RUN = "running"


def check(model: onnx.ModelProto) -> list[Finding]:
    """Everything that running the model shows not to be as the contract says.

    The model must have passed the check of its file as far as inputs and outputs go.
    """
    if fixed_batch(model):
        return []  # the gate saw the model for any batch that it was made of
    sensitive = _more_sensitive(model)
    try:
        session = open_session(sensitive)
    except CheckFailed as error:
        return [Finding(DOES_NOT_RUN, str(error))]
    findings: dict[str, Finding] = {}
    for finding in _all(model, sensitive, session):
        findings.setdefault(finding.what, finding)
        if finding.where == DOES_NOT_RUN:
            break
    return list(findings.values())


def _all(model: onnx.ModelProto, sensitive: onnx.ModelProto, session: InferenceSession) -> Iterator[Finding]:
    class_count = len(classes(model) or ())
    sound = True
    for (height, width), batches in BATCHES.items():
        pictures = _pictures(height, width)
        for batch in batches:
            where = f"batch {batch} of {height}x{width}"
            try:
                outputs = run(session, **{contract.INPUT: pictures[:batch]})
            except CheckFailed as error:
                cause = "the batch is frozen inside" if batch > 1 else _frozen(session, height, width)
                yield Finding(DOES_NOT_RUN, str(error), cause)
                return
            for finding in _values(outputs, batch, class_count, where):
                sound = False
                yield finding
        if sound:
            alone = [run(session, **{contract.INPUT: picture[None]}) for picture in pictures[:batch]]
            cause = "batch normalisation in training mode, or a reshape that mixes the batch"
            yield from _same(session, outputs, alone, where, "the pictures one by one", cause)
    if not sound:
        return
    yield from _large_frame(session, class_count)
    yield from _threads(sensitive)
    yield from _nothing_found(model)


def _frozen(session: InferenceSession, height: int, width: int) -> str:
    """Why a frame of this size does not go through: a square of its larger side does where only shapes that are not
    square are at fault."""
    side = max(height, width)
    try:
        run(session, **{contract.INPUT: _noise(side, side, 1)[None]})
    except CheckFailed:
        return "the frame size is frozen inside"
    return "height and width are exchanged in the resizing inside, or only square frames were thought of"


def _large_frame(session: InferenceSession, class_count: int) -> Iterator[Finding]:
    height, width = LARGE_FRAME
    try:
        outputs = run(session, **{contract.INPUT: _noise(height, width, 64)[None]})
    except CheckFailed as error:
        yield Finding(DOES_NOT_RUN, str(error), "the frame size is limited inside")
        return
    yield from _values(outputs, 1, class_count, f"batch 1 of {height}x{width}")


def _threads(sensitive: onnx.ModelProto) -> Iterator[Finding]:
    """What comes out must not depend on how many threads work on it."""
    pictures = _pictures(*FRAMES[0])[-2:]
    sessions = {count: open_session(sensitive, threads=count) for count in range(1, (os.cpu_count() or 1) + 1)}
    results = {count: run(session, **{contract.INPUT: pictures}) for count, session in sessions.items()}
    for count, outputs in results.items():
        alone = [[value[[index]] for value in results[1]] for index in range(len(pictures))]
        yield from _same(sessions[count], outputs, alone, f"{count} threads", "one thread", "a race in an operator")


def _nothing_found(model: onnx.ModelProto) -> Iterator[Finding]:
    """A threshold that nothing passes: no row may be left."""
    if not has_thresholds(model):
        return
    session = open_session(with_thresholds(model, replace(Thresholds(), score=1.0)))
    boxes, ids, scores, count = run(session, **{contract.INPUT: _pictures(*FRAMES[0])[:2]})
    if count.any() or scores.any() or ids.any() or boxes.any():
        yield Finding("score threshold 1", "detections that do not pass it", "the tail does not read score_threshold")


def _more_sensitive(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with its raw tensors as outputs and the evaluation's threshold, where it has them."""
    if not has_raw(model):
        return model
    if has_thresholds(model):
        model = with_thresholds(model, Thresholds().for_evaluation())
    return with_raw_outputs(model)


def _pictures(height: int, width: int) -> np.ndarray:
    """Black, white, and noise of several coarsenesses and colours: detectors find something in some of it.

    uint8 [MOST, height, width, 3].
    """
    noise = [_noise(height, width, 2**index) for index in range(MOST - 2)]
    return np.stack([np.zeros_like(noise[0]), np.full_like(noise[0], 255), *noise])


def _noise(height: int, width: int, block: int) -> np.ndarray:
    """Squares of so many pixels a side in random colours, uint8 [height, width, 3]."""
    random = np.random.default_rng(block)
    coarse = random.integers(0, 256, (height // block + 1, width // block + 1, 3), dtype=np.uint8)
    return coarse.repeat(block, axis=0).repeat(block, axis=1)[:height, :width]


def _values(outputs: list[np.ndarray], batch: int, class_count: int, where: str) -> Iterator[Finding]:
    boxes, ids, scores, count = outputs[:4]
    rows = scores.shape[1] if scores.ndim == 2 else -1
    wanted = {"boxes": (batch, rows, 4), "classes": (batch, rows), "scores": (batch, rows), "num_detections": (batch,)}
    found = {"boxes": boxes, "classes": ids, "scores": scores, "num_detections": count}
    for name, shape in wanted.items():
        if found[name].shape != shape:
            yield Finding(where, f"{name} have shape {list(found[name].shape)} where {list(shape)} is asked for")
            return
    for name, values in found.items():
        if not np.isfinite(values).all():
            cause = "a plain picture through batch normalisation in training mode, an overflow, or broken weights"
            yield Finding(where, f"{name} hold values that are not finite", cause)
            return
    present = np.arange(rows) < count[:, None]
    if (count < 0).any() or (count > rows).any() or (count % 1).any():
        yield Finding(where, f"num_detections {count.tolist()} where whole numbers from 0 to {rows} are asked for")
    if (np.diff(scores, axis=1) > 0).any():
        yield Finding(where, "scores do not fall")
    if (scores < 0).any() or (scores > 1).any():
        yield Finding(where, f"scores from {scores.min():.3g} to {scores.max():.3g}", "sigmoid or softmax left out")
    if (boxes < 0).any() or (boxes > 1).any():
        yield Finding(where, f"boxes from {boxes.min():.3g} to {boxes.max():.3g}", "pixels, or not clipped to 0 to 1")
    elif (boxes[..., 2:] < boxes[..., :2])[present].any():
        yield Finding(where, "boxes whose ymax or xmax is before ymin or xmin", "not ymin, xmin, ymax, xmax")
    most = class_count or ids.max(initial=1)
    if ((ids < 1) | (ids > most) | (ids % 1 != 0))[present].any():
        yield Finding(where, f"class ids outside 1 to {most:g}", "ids that count from 0, or a background class")
    if scores[~present].any() or ids[~present].any() or boxes[~present].any():
        yield Finding(where, "rows after num_detections are not zero")


def _same(
    session: InferenceSession,
    together: list[np.ndarray],
    alone: list[list[np.ndarray]],
    where: str,
    other: str,
    cause: str,
) -> Iterator[Finding]:
    """A picture's outputs must be those that it has alone: raw ones element by element, else detections."""
    named = dict(zip([item.name for item in session.get_outputs()], range(len(together)), strict=True))
    raw = [named[name] for name in (contract.RAW_BOXES, contract.RAW_SCORES) if name in named]
    if raw:
        gap = max(
            float(np.abs(together[output][index] - single[output][0]).max(initial=0))
            for output in raw
            for index, single in enumerate(alone)
        )
        if not gap <= RAW_TOLERANCE:
            yield Finding(where, f"raw outputs differ by {gap:.3g} from those of {other}", cause)
        return
    for index, single in enumerate(alone):
        found = match(_detections(together, index), _detections(single, 0), Thresholds())
        if not found.complete or found.score_gap > RAW_TOLERANCE:
            yield Finding(where, f"detections differ from those of {other}", cause)
            return


def _detections(outputs: list[np.ndarray], index: int) -> Detections:
    count = int(outputs[3][index])
    boxes, ids, scores = (values[index, :count] for values in outputs[:3])
    return Detections(boxes, ids.astype(np.int64), scores)
