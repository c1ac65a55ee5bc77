"""The contract, checked by running: any batch and frame size, and a batch gives what one by one gives."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from matching import match
from onnxruntime import InferenceSession
from session import open_session, run

from isomer import contract
from isomer.contract import Thresholds
from isomer.errors import CheckFailed
from isomer.graph.check import Finding, classes
from isomer.graph.parts import has_raw, with_raw_outputs, with_thresholds
from isomer.native import Detections

BATCHES = (1, 2, 5)
FRAMES = ((300, 300), (540, 960), (241, 317), (1, 1))  # height, width
RAW_TOLERANCE = 1e-4
DOES_NOT_RUN = "running"


def check(model: onnx.ModelProto) -> list[Finding]:
    """Everything that running the model shows not to be as the contract says.

    The model must have passed the check of its file as far as inputs and outputs go.
    """
    try:
        session = open_session(_more_sensitive(model))
    except CheckFailed as error:
        return [Finding(DOES_NOT_RUN, str(error))]
    findings: dict[str, Finding] = {}
    for height, width in FRAMES:
        alone: list[list[np.ndarray]] = []
        pictures = _pictures(height, width)
        for batch in BATCHES:
            where = f"batch {batch} of {height}x{width}"
            try:
                outputs = run(session, **{contract.INPUT: pictures[:batch]})
            except CheckFailed as error:
                cause = "the batch is frozen inside" if batch > 1 else "the frame size is frozen inside"
                findings.setdefault("run", Finding(DOES_NOT_RUN, str(error), cause))
                break
            for finding in _values(outputs, batch, len(classes(model) or ()), where):
                findings.setdefault(finding.what, finding)
            if not findings and batch == max(BATCHES):
                alone = [run(session, **{contract.INPUT: picture[None]}) for picture in pictures]
                for finding in _same_alone(session, outputs, alone, where):
                    findings.setdefault(finding.what, finding)
    return list(findings.values())


def _more_sensitive(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with its raw tensors as outputs and the evaluation's threshold, where it has them."""
    if not has_raw(model):
        return model
    initializers = {tensor.name for tensor in model.graph.initializer}
    if {contract.SCORE_THRESHOLD, contract.IOU_THRESHOLD, contract.MAX_DETECTIONS} <= initializers:
        model = with_thresholds(model, Thresholds().for_evaluation())
    return with_raw_outputs(model)


def _pictures(height: int, width: int) -> np.ndarray:
    """Noise of several coarsenesses and colours: detectors find something in some of it. uint8 [5, h, w, 3]."""
    random = np.random.default_rng(height * width)
    pictures = []
    for index in range(max(BATCHES)):
        block = 2 ** (index + 2)
        coarse = random.integers(0, 256, (height // block + 1, width // block + 1, 3), dtype=np.uint8)
        pictures.append(coarse.repeat(block, axis=0).repeat(block, axis=1)[:height, :width])
    return np.stack(pictures)


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
            yield Finding(where, f"{name} hold values that are not finite")
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


def _same_alone(
    session: InferenceSession, together: list[np.ndarray], alone: list[list[np.ndarray]], where: str
) -> Iterator[Finding]:
    """A picture's outputs must not depend on the batch it is in: raw ones element by element, else detections."""
    cause = "batch normalisation in training mode, or a reshape that mixes the batch"
    named = dict(zip([item.name for item in session.get_outputs()], range(len(together)), strict=True))
    raw = [named[name] for name in (contract.RAW_BOXES, contract.RAW_SCORES) if name in named]
    if raw:
        gap = max(
            float(np.abs(together[output][index] - single[output][0]).max(initial=0))
            for output in raw
            for index, single in enumerate(alone)
        )
        if not gap <= RAW_TOLERANCE:
            yield Finding(where, f"raw outputs differ by {gap:.3g} from those of the pictures one by one", cause)
        return
    for index, single in enumerate(alone):
        found = match(_detections(together, index), _detections(single, 0), Thresholds())
        if not found.complete or found.score_gap > RAW_TOLERANCE:
            yield Finding(where, "detections differ from those of the pictures one by one", cause)
            return


def _detections(outputs: list[np.ndarray], index: int) -> Detections:
    count = int(outputs[3][index])
    boxes, ids, scores = (values[index, :count] for values in outputs[:3])
    return Detections(boxes, ids.astype(np.int64), scores)
