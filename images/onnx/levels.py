"""The gate's four levels, each giving its checks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import behaviour
import client
import diagnosis
import numpy as np
import onnx
from matching import LEAST_IOU, ROUNDING, Match, match
from native_predictions import NativePredictions, NativeProbe
from onnxruntime import InferenceSession
from session import open_session, run

from isomer import contract as the_contract
from isomer import evaluation, profiles, progress
from isomer.contract import Core, Thresholds
from isomer.dataset import shapes
from isomer.dataset.canonical import Split
from isomer.graph import check
from isomer.graph.assemble import class_columns
from isomer.graph.parts import tail_alone, with_raw_outputs, with_thresholds
from isomer.native import Detections, to_coco

SCORE_LIMIT = 1e-6
CLIENT_PICTURES = 4


@dataclass(frozen=True)
class Limits:
    """What a precision may cost: |Δ| of the raw outputs, the largest or (rounded cores) the mean, and |ΔmAP|."""

    raw: float
    largest: bool
    quality: float


LIMITS = {
    "fp32": Limits(1e-4, True, 0.002),
    "fp16": Limits(2e-3, False, 0.003),
    "int8": Limits(2e-2, False, 0.01),
}


@dataclass(frozen=True)
class Check:
    """One line of the gate's verdict; value and limit are None where there is nothing to measure."""

    level: int
    name: str
    value: float | None
    limit: float | None
    passed: bool
    detail: str = ""


def contract(model: onnx.ModelProto) -> tuple[list[Check], bool]:
    """Level 1: the file, and, if nothing is wrong with it, how it behaves; and whether it can be run at all."""
    findings = check.check(model)
    runs = not findings
    if runs:
        findings = behaviour.check(model)
        runs = not any(finding.where == behaviour.DOES_NOT_RUN for finding in findings)
        findings += _for_client(model)
    if not findings:
        return [Check(1, "contract", None, None, True)], True
    return [Check(1, "contract", None, None, False, str(finding)) for finding in findings], runs


def _for_client(model: onnx.ModelProto) -> list[check.Finding]:
    """What the client would stumble over that the model was made for, if it was made for one."""
    name = check.metadata(model).get("profile")
    if name is None:
        return []
    pictures = [shapes.draw(0, "test", index).pixels for index in range(CLIENT_PICTURES)]
    lines = client.follow(model, profiles.load(name), pictures)
    return [
        check.Finding(f"profile {name}", f"{line.what}: the client {line.harm}")
        for line in lines
        if line.harm and line.harm != client.NOTHING
    ]


def limits(model: onnx.ModelProto) -> Limits:
    """Those of the precision that the model's metadata names, its own or that of the original it is compared with."""
    found = check.metadata(model)
    return LIMITS[found.get(the_contract.ORIGINAL_PRECISION) or found.get("precision", "fp32")]


def distance(ours: np.ndarray, theirs: np.ndarray, allowed: Limits) -> float:
    """|Δ| of two raw tensors as the precision is measured; infinite where they cannot be compared."""
    if ours.shape != theirs.shape or not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        return np.inf
    gaps = np.abs(ours.astype(np.float64) - theirs)
    return float(gaps.max(initial=0) if allowed.largest else gaps.mean())


def raw(model: onnx.ModelProto, core: Core, native: NativePredictions) -> list[Check]:
    """Level 2: every element of the raw outputs, at every probe."""
    session = open_session(with_raw_outputs(model))
    columns = _columns(model, core)
    allowed = limits(model)
    worst: dict[str, tuple[float, str]] = {"raw boxes": (0.0, ""), "raw scores": (0.0, "")}
    culprit: tuple[float, NativeProbe] | None = None
    for probe in native.probes():
        *_, boxes, scores = run(session, **{the_contract.INPUT: as_taken(model, probe.pixels)})
        ours, theirs = (boxes, scores), (probe.boxes, probe.scores[..., columns])
        gaps = [distance(one, two, allowed) for one, two in zip(ours, theirs, strict=True)]
        for name, gap, one, two in zip(worst, gaps, ours, theirs, strict=True):
            if gap >= worst[name][0]:
                worst[name] = (gap, f"probe {probe.name}{_place(one, two) if allowed.largest else ''}")
        if culprit is None or max(gaps) > culprit[0]:
            culprit = (max(gaps), probe)
    assert culprit is not None, "a split has pictures"
    why = ""
    if not culprit[0] <= allowed.raw:
        probe = culprit[1]
        expected = (probe.boxes, probe.scores[..., columns])
        why = diagnosis.diagnose(model, core, as_taken(model, probe.pixels), expected, allowed.raw)
    measured = "" if allowed.largest else ", mean"
    checks = []
    for name, (gap, where) in worst.items():
        passed = gap <= allowed.raw
        detail = where if passed else f"{gap:.3g} at {where}; {why}"
        checks.append(Check(2, name + measured, finite(gap), allowed.raw, passed, detail))
    return checks


def detections(model: onnx.ModelProto, core: Core, native: NativePredictions) -> list[Check]:
    """Level 3: our tail and the framework's NMS on the framework's raw outputs."""
    columns = _columns(model, core)
    ids = np.argsort(columns) + 1  # the model's class id of each of the core's
    nearby = [replace(native.thresholds, iou=native.thresholds.iou + step) for step in (0.0, ROUNDING, -ROUNDING)]
    sessions = [open_session(tail_alone(with_thresholds(model, thresholds))) for thresholds in nearby]
    pairs, unmatched, gap, first = 0, 0, 0.0, ""
    for probe in native.probes():
        for index, theirs in enumerate(probe.detections):
            theirs = replace(theirs, classes=ids[theirs.classes.astype(np.int64) - 1])
            tensors = {
                the_contract.RAW_BOXES: probe.boxes[[index]],
                the_contract.RAW_SCORES: np.ascontiguousarray(probe.scores[[index]][..., columns]),
            }
            found = _best_match(sessions, tensors, theirs, native.thresholds)
            pairs += found.pairs
            gap = max(gap, found.score_gap)
            unmatched += len(found.left) + len(found.right)
            if not found.complete and not first:
                extra = f"{len(found.left)} of ours, {len(found.right)} of theirs"
                first = f"first at picture {index} of probe {probe.name}: {extra}"
    told = f"{pairs} pairs of one class with IoU ≥ {LEAST_IOU}"
    why = "; likely: class ids, box order or thresholds of one of the two NMS"
    return [
        Check(3, "detections unmatched", unmatched, 0, not unmatched, first + why if unmatched else told),
        Check(3, "detections' scores", gap, SCORE_LIMIT, gap <= SCORE_LIMIT, told),
    ]


def quality(model: onnx.ModelProto, native: NativePredictions) -> tuple[list[Check], dict[str, Any]]:
    """Level 4: mAP of the whole model on the split, against the framework's, both from the evaluation's threshold."""
    split = native.split
    limit = limits(model).quality
    results = predict(model, split, native.thresholds)
    theirs, ours = (evaluation.evaluate(split, each) for each in (native.results, results))
    metrics = {"native": theirs.to_json(), "onnx": ours.to_json()}
    if theirs.mAP is None or ours.mAP is None:
        return [Check(4, "mAP", None, limit, True, f"the {split.name} split has no boxes to measure on")], metrics
    gap = abs(theirs.mAP - ours.mAP)
    detail = f"native {theirs.mAP:.4f}, ONNX {ours.mAP:.4f} on {len(split.pictures)} pictures"
    if gap > limit:
        per_class = {
            name: abs((theirs.per_class[name].mAP or 0) - (ours.per_class[name].mAP or 0)) for name in split.classes
        }
        detail += f"; most at class {max(per_class, key=per_class.get)}; likely: see the levels before"
    return [Check(4, "mAP", gap, limit, gap <= limit, detail)], metrics


def predict(model: onnx.ModelProto, split: Split, thresholds: Thresholds) -> list[dict]:
    """COCO results of a model on a split, with the split's class ids."""
    names = check.classes(model) or ()
    category = {number: split.classes.index(name) + 1 for number, name in enumerate(names, 1) if name in split.classes}
    session = open_session(with_thresholds(model, thresholds))
    results = []
    for picture in progress.track(split.pictures, f"predict {split.name} by ONNX Runtime", unit="images"):
        boxes, ids, scores, count = run(session, **{the_contract.INPUT: as_taken(model, split.load(picture)[None])})
        rows = int(count[0])
        found = Detections(
            boxes[0, :rows], np.array([category.get(int(i), 0) for i in ids[0, :rows]]), scores[0, :rows]
        )
        results += to_coco(picture.id, picture.width, picture.height, found)
    return results


def _best_match(
    sessions: list[InferenceSession], tensors: dict[str, np.ndarray], theirs: Detections, thresholds: Thresholds
) -> Match:
    """The match at the IoU threshold, or where that fails a hair beside it: rounding decides overlaps that near."""
    best: Match | None = None
    for session in sessions:
        boxes, classes, scores, count = run(session, **tensors)
        rows = int(count[0])
        ours = Detections(boxes[0, :rows], classes[0, :rows].astype(np.int64), scores[0, :rows])
        found = match(ours, theirs, thresholds)
        if found.complete:
            return found
        best = best or found
    assert best is not None
    return best


def as_taken(model: onnx.ModelProto, pixels: np.ndarray) -> np.ndarray:
    """RGB pixels in the channel order that the model takes."""
    return np.ascontiguousarray(pixels[..., ::-1]) if check.metadata(model)["channels"] == "bgr" else pixels


def _columns(model: onnx.ModelProto, core: Core) -> list[int]:
    """For each class of the model, its column in the core's scores."""
    return class_columns(core.classes, check.classes(model) or ())


def _place(ours: np.ndarray, theirs: np.ndarray) -> str:
    """Where two raw tensors differ most, in words."""
    if ours.shape != theirs.shape:
        return f", shape {list(ours.shape)} instead of {list(theirs.shape)}"
    picture, anchor, column = np.unravel_index(np.abs(ours - theirs).argmax(), ours.shape)
    return f", picture {picture}, anchor {anchor}, column {column}"


def finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
