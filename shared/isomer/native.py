"""Native predictions: what the framework itself says about the same pixels, for the gate to compare with.

    runs/RUN/native/   probes.npz  detections.json  native.json

A framework hands over two functions, `raw` (pixels to decoded boxes and scores, with its own resizing,
normalisation and decoding) and `nms` (its own NMS); everything else is the same for all frameworks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import numpy as np
from PIL import Image

from isomer import files, progress
from isomer.contract import NMS_CANDIDATES, Thresholds
from isomer.dataset.canonical import Split
from isomer.run import RunFolder

# Besides the pictures' own size: square, a common camera's, and odd numbers that no stride divides.
PROBE_SIZES = ((300, 300), (540, 960), (241, 317))  # height, width
PROBE_BATCHES = (1, 2, 5)

Raw = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""uint8 [n, height, width, 3] RGB -> float32 boxes [n, A, 4] (ymin, xmin, ymax, xmax, fractions), scores [n, A, C]."""


@dataclass(frozen=True)
class Detections:
    """One picture's detections, best first.

    boxes: float32 [k, 4], ymin, xmin, ymax, xmax as fractions; classes: int [k], from 1; scores: float32 [k].
    """

    boxes: np.ndarray
    classes: np.ndarray
    scores: np.ndarray


Nms = Callable[[np.ndarray, np.ndarray, Thresholds], Detections]
"""One picture's candidates, boxes [a, 4] and scores [a, C], to its detections by the framework's own NMS per class."""


@dataclass(frozen=True)
class Probe:
    """A batch of real pictures of one size, uint8 [n, height, width, 3], RGB."""

    name: str
    pixels: np.ndarray

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.pixels.tobytes()).hexdigest()


def probes(split: Split) -> Iterator[Probe]:
    """The gate's batches: every size with every batch size, made of the split's first pictures."""
    pictures = [split.pictures[index % len(split.pictures)] for index in range(max(PROBE_BATCHES))]
    images = [Image.fromarray(split.load(picture)) for picture in pictures]
    own = (images[0].height, images[0].width)
    for height, width in dict.fromkeys((own, *PROBE_SIZES)):
        resized = np.stack([np.asarray(image.resize((width, height), Image.Resampling.BILINEAR)) for image in images])
        for batch in PROBE_BATCHES:
            yield Probe(f"{height}x{width}x{batch}", resized[-batch:])


def candidates(scores: np.ndarray) -> np.ndarray:
    """Indices of the anchors that go into NMS: the best by their best class, ties by index. Scores [A, C]."""
    best = scores.max(axis=1)
    return np.argsort(-best, kind="stable")[:NMS_CANDIDATES]


def detect(raw_boxes: np.ndarray, raw_scores: np.ndarray, nms: Nms, thresholds: Thresholds) -> Detections:
    """One picture's raw outputs [A, 4] and [A, C] through the framework's NMS, on the gate's candidate set."""
    chosen = candidates(raw_scores)
    return nms(np.clip(raw_boxes[chosen], 0, 1), raw_scores[chosen], thresholds)


def write(run: RunFolder, split: Split, raw: Raw, nms: Nms, weights_sha256: str) -> None:
    """Write the native predictions of a run: raw outputs and detections of the probes, detections of the split."""
    thresholds = Thresholds()
    arrays: dict[str, np.ndarray] = {}
    for probe in probes(split):
        boxes, scores = raw(probe.pixels)
        arrays[f"{probe.name}/raw_boxes"] = boxes
        arrays[f"{probe.name}/raw_scores"] = scores
        for index in range(len(boxes)):
            found = detect(boxes[index], scores[index], nms, thresholds.for_evaluation())
            for key, value in asdict(found).items():
                arrays[f"{probe.name}/{index}/{key}"] = value
        arrays[f"{probe.name}/sha256"] = np.array(probe.sha256)
    results = predict_split(split, raw, nms, thresholds.for_evaluation())
    run.native.mkdir(exist_ok=True)
    with files.replacing(run.native / "probes.npz") as temporary, temporary.open("wb") as stream:
        np.savez(stream, **arrays)
    files.write_json(run.native / "detections.json", results)
    files.write_json(
        run.native / "native.json",
        {"split": split.name, "weights_sha256": weights_sha256, "thresholds": asdict(thresholds.for_evaluation())},
    )


def predict_split(split: Split, raw: Raw, nms: Nms, thresholds: Thresholds) -> list[dict]:
    """COCO results of a whole split, picture by picture."""
    results = []
    for picture in progress.track(split.pictures, f"predict {split.name}", unit="images"):
        boxes, scores = raw(split.load(picture)[None])
        results += to_coco(picture.id, picture.width, picture.height, detect(boxes[0], scores[0], nms, thresholds))
    return results


def to_coco(image_id: int, width: int, height: int, found: Detections) -> list[dict]:
    """Detections as COCO results: bbox [x, y, width, height] in pixels. https://cocodataset.org/#format-results"""
    results = []
    for box, category, score in zip(found.boxes.tolist(), found.classes.tolist(), found.scores.tolist(), strict=True):
        ymin, xmin, ymax, xmax = box
        results.append(
            {
                "image_id": image_id,
                "category_id": int(category),
                "score": score,
                "bbox": [xmin * width, ymin * height, (xmax - xmin) * width, (ymax - ymin) * height],
            }
        )
    return results


def read_detections(run: RunFolder) -> list[dict]:
    return json.loads((run.native / "detections.json").read_text())
