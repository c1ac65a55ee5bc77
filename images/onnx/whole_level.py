"""The gate's level for a model with its own NMS: its detections against those of the original, on every probe."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
from levels import Check, as_taken
from matching import LEAST_IOU, match
from native_predictions import NativePredictions
from session import open_session, run

from isomer import contract as the_contract
from isomer.contract import Whole
from isomer.graph import check
from isomer.graph.assemble import class_columns
from isomer.graph.parts import with_thresholds
from isomer.native import Detections

SCORE_LIMIT = 1e-4


def detections(model: onnx.ModelProto, whole: Whole, native: NativePredictions) -> list[Check]:
    """Every detection above the evaluation's threshold, matched one to one."""
    columns = class_columns(whole.classes, check.classes(model) or ())
    ids = np.argsort(columns) + 1  # the model's class id of each of the original's
    session = open_session(with_thresholds(model, native.thresholds))
    pairs, unmatched, gap, first = 0, 0, 0.0, ""
    for probe in native.probes():
        boxes, classes, scores, count = run(session, **{the_contract.INPUT: as_taken(model, probe.pixels)})
        for index, theirs in enumerate(probe.detections):
            theirs = replace(theirs, classes=ids[theirs.classes.astype(np.int64) - 1])
            rows = int(count[index])
            ours = Detections(boxes[index, :rows], classes[index, :rows].astype(np.int64), scores[index, :rows])
            found = match(ours, theirs, native.thresholds)
            pairs += found.pairs
            gap = max(gap, found.score_gap)
            unmatched += len(found.left) + len(found.right)
            if not found.complete and not first:
                extra = f"{len(found.left)} of ours, {len(found.right)} of the original's"
                first = f"first at picture {index} of probe {probe.name}: {extra}"
    told = f"{pairs} pairs of one class with IoU ≥ {LEAST_IOU}"
    if not pairs and not unmatched:
        nothing = "nothing to compare: the model finds nothing in the pictures; give some in which it does (--pictures)"
        return [Check(3, "detections unmatched", None, 0, False, nothing)]
    why = "; likely: box order, class ids, or what the pictures go through before the graph"
    return [
        Check(3, "detections unmatched", unmatched, 0, not unmatched, first + why if unmatched else told),
        Check(3, "detections' scores", gap, SCORE_LIMIT, gap <= SCORE_LIMIT, told),
    ]
