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


Detect = Callable[[np.ndarray], list[Detections]]
"""uint8 [n, height, width, 3] RGB -> each picture's detections, best first, of a graph with its own NMS."""

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


def write(
    run: RunFolder,
    split: Split,
    raw: Raw,
    nms: Nms,
    weights_sha256: str,
    classes: tuple[str, ...] | None = None,
) -> None:
    """Write the native predictions of a run: raw outputs and detections of the probes, detections of the split.

    Args:
        classes: the model's, where they are not the split's.
    """
    thresholds = Thresholds().for_evaluation()
    arrays: dict[str, np.ndarray] = {}
    for probe in probes(split):
        boxes, scores = raw(probe.pixels)
        arrays[f"{probe.name}/raw_boxes"] = boxes
        arrays[f"{probe.name}/raw_scores"] = scores
        arrays |= _arrays(probe, [detect(*one, nms, thresholds) for one in zip(boxes, scores, strict=True)])

    _save(run, split, arrays, _final(raw, nms, thresholds), weights_sha256, classes or split.classes)


def write_final(run: RunFolder, split: Split, find: Detect, weights_sha256: str, classes: tuple[str, ...]) -> None:
    """The same of a model that keeps its own NMS: nothing raw, its detections as they are."""
    arrays: dict[str, np.ndarray] = {}
    for probe in probes(split):
        arrays |= _arrays(probe, find(probe.pixels))
    _save(run, split, arrays, find, weights_sha256, classes)


def _arrays(probe: Probe, found: list[Detections]) -> dict[str, np.ndarray]:
    """A probe's hash and detections under their names in probes.npz."""
    arrays = {f"{probe.name}/sha256": np.array(probe.sha256)}
    for index, one in enumerate(found):
        arrays |= {f"{probe.name}/{index}/{key}": value for key, value in asdict(one).items()}
    return arrays


def _save(
    run: RunFolder,
    split: Split,
    arrays: dict[str, np.ndarray],
    find: Detect,
    weights_sha256: str,
    classes: tuple[str, ...],
) -> None:
    results = _results(split, find, classes)
    run.native.mkdir(exist_ok=True)
    with files.replacing(run.native / "probes.npz") as temporary, temporary.open("wb") as stream:
        np.savez(stream, **arrays)
    files.write_json(run.native / "detections.json", results)
    about = {"weights_sha256": weights_sha256, "thresholds": asdict(Thresholds().for_evaluation())}
    files.write_json(run.native / "native.json", {"split": split.name, **about})


def predict_split(split: Split, raw: Raw, nms: Nms, thresholds: Thresholds) -> list[dict]:
    """COCO results of a whole split, picture by picture."""
    return _results(split, _final(raw, nms, thresholds), split.classes)


def _final(raw: Raw, nms: Nms, thresholds: Thresholds) -> Detect:
    def find(pixels: np.ndarray) -> list[Detections]:
        return [detect(*one, nms, thresholds) for one in zip(*raw(pixels), strict=True)]

    return find


def _results(split: Split, find: Detect, classes: tuple[str, ...]) -> list[dict]:
    """COCO results of a whole split, picture by picture; classes that the split does not have are left out."""
    category = {
        number: split.classes.index(name) + 1 for number, name in enumerate(classes, 1) if name in split.classes
    }
    results = []
    for picture in progress.track(split.pictures, f"predict {split.name}", unit="images"):
        (found,) = find(split.load(picture)[None])
        known = np.isin(found.classes, list(category))
        ids = np.array([category[int(number)] for number in found.classes[known]], np.int64)
        found = Detections(found.boxes[known], ids, found.scores[known])
        results += to_coco(picture.id, picture.width, picture.height, found)
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
