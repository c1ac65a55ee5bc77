"""The gate's fifth level: the oldest ONNX Runtime that is promised gives what the newest one gives."""

from __future__ import annotations

import numpy as np
import oldest
import onnx
from levels import SCORE_LIMIT, Check, as_taken, distance, finite, limits
from matching import LEAST_IOU, match
from native_predictions import NativePredictions
from session import open_session, run

from isomer import contract
from isomer.contract import Thresholds
from isomer.graph.parts import RAW, has_raw, has_thresholds, tail_alone, with_raw_outputs, with_thresholds
from isomer.native import Detections

PROBES_OF = 2  # pictures: of each frame size the probe with so many


def check(model: onnx.ModelProto, native: NativePredictions) -> list[Check]:
    """The whole model at every frame size; then, fed the same raw tensors, its tail.

    Raises:
        CheckFailed: the oldest one does not take the model.
        UserError: it is not installed.
    """
    allowed = limits(model)
    pictures = [probe.pixels for probe in native.probes() if len(probe.pixels) == PROBES_OF]
    batches = [{contract.INPUT: as_taken(model, pixels)} for pixels in pictures]
    if not has_raw(model):
        version, gap, unmatched, pairs = _compare_detections(model, batches)
        return _detection_checks(version, gap, unmatched, pairs, allowed.raw)
    whole = with_raw_outputs(model)
    session = open_session(whole)
    newest = [_named(session, run(session, **batch)) for batch in batches]
    version, old = oldest.run(whole, batches)
    gaps = {
        name: max(distance(one[name], two[name], allowed) for one, two in zip(newest, old, strict=True)) for name in RAW
    }
    checks = [
        Check(5, f"{name.replace('_', ' ')}, ONNX Runtime {version}", finite(gap), allowed.raw, gap <= allowed.raw)
        for name, gap in gaps.items()
    ]
    sensitive = with_thresholds(model, Thresholds().for_evaluation()) if has_thresholds(model) else model
    raw = [{name: outputs[name] for name in RAW} for outputs in newest]
    version, gap, unmatched, pairs = _compare_detections(tail_alone(sensitive), raw)
    return checks + _detection_checks(version, gap, unmatched, pairs, SCORE_LIMIT)


def _compare_detections(model: onnx.ModelProto, batches: list[dict[str, np.ndarray]]) -> tuple[str, float, int, int]:
    """Version, largest |Δscore| of a pair, detections without a partner, and pairs."""
    session = open_session(model)
    version, old = oldest.run(model, batches)
    gap, unmatched, pairs = 0.0, 0, 0
    for batch, theirs in zip(batches, old, strict=True):
        ours = _named(session, run(session, **batch))
        for index in range(len(ours[contract.COUNT])):
            found = match(_detections(ours, index), _detections(theirs, index), Thresholds())
            gap = max(gap, found.score_gap)
            unmatched += len(found.left) + len(found.right)
            pairs += found.pairs
    return version, gap, unmatched, pairs


def _detection_checks(version: str, gap: float, unmatched: int, pairs: int, limit: float) -> list[Check]:
    told = f"{pairs} pairs of one class with IoU ≥ {LEAST_IOU}"
    return [
        Check(5, f"detections unmatched, ONNX Runtime {version}", unmatched, 0, not unmatched, told),
        Check(5, f"detections' scores, ONNX Runtime {version}", gap, limit, gap <= limit, told),
    ]


def _named(session, outputs: list[np.ndarray]) -> dict[str, np.ndarray]:
    return dict(zip([item.name for item in session.get_outputs()], outputs, strict=True))


def _detections(outputs: dict[str, np.ndarray], index: int) -> Detections:
    rows = slice(int(outputs[contract.COUNT][index]))
    boxes, ids, scores = (outputs[name][index][rows] for name in (contract.BOXES, contract.CLASSES, contract.SCORES))
    return Detections(boxes, ids.astype(np.int64), scores)
