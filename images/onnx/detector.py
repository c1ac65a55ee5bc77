"""A published model, or any file under the contract, ready to find things: pixels in, detections out.

Nothing but the file is needed: names of the classes, thresholds and order of the channels are in its metadata.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
from published import Published
from session import open_session, run

from isomer import contract, files
from isomer.errors import UserError, known
from isomer.native import Detections


@dataclass(frozen=True)
class Detector:
    """A model in a session of ONNX Runtime.

    Attributes:
        classes: names, the first is class 1.
        kept: ids of the classes that are reported.
        threshold: a score must be above it.
        channels: the order in which the model takes them, "rgb" or "bgr".
        batch: the number of pictures that the model was fixed to; None where it takes any.
    """

    name: str
    sha256: str
    classes: tuple[str, ...]
    kept: tuple[int, ...]
    threshold: float
    channels: str
    batch: int | None
    session: onnxruntime.InferenceSession

    def find(self, pictures: np.ndarray) -> list[Detections]:
        """Each picture's detections, best first, of pictures uint8 [n, height, width, 3] RGB.

        Raises:
            CheckFailed: ONNX Runtime cannot compute them.
        """
        step = self.batch or len(pictures)
        return [
            one
            for first in range(0, len(pictures), step)
            for one in self._find(self._filled(pictures[first : first + step]))[: len(pictures) - first]
        ]

    def _filled(self, pictures: np.ndarray) -> np.ndarray:
        """As many pictures as the model was fixed to, the last one repeated."""
        missing = (self.batch or 0) - len(pictures)
        return np.concatenate([pictures, *[pictures[-1:]] * missing]) if missing > 0 else pictures

    def _find(self, pictures: np.ndarray) -> list[Detections]:
        pictures = np.ascontiguousarray(pictures[..., ::-1] if self.channels == "bgr" else pictures)
        boxes, classes, scores, count = run(self.session, **{contract.INPUT: pictures})
        return [self._reported(*one) for one in zip(boxes, classes, scores, count, strict=True)]

    def _reported(self, boxes: np.ndarray, classes: np.ndarray, scores: np.ndarray, count: float) -> Detections:
        rows = np.arange(len(scores)) < count
        rows &= np.isin(classes, self.kept) & (scores > self.threshold)
        return Detections(boxes[rows], classes[rows].astype(np.int64), scores[rows])


def load(
    models: Sequence[Published],
    *,
    threshold: float | None = None,
    classes: str | None = None,
    device: str = "auto",
    threads: int | None = None,
) -> list[Detector]:
    """Models as the flags `--threshold` and `--classes` want them.

    Raises:
        UserError: no such class, or a threshold that a model cannot have.
    """
    kept = _kept(models, classes)
    return [_detector(model, ids, threshold, device, threads) for model, ids in zip(models, kept, strict=True)]


def _kept(models: Sequence[Published], words: str | None) -> list[tuple[int, ...]]:
    """The ids of the wanted classes, by model.

    Raises:
        UserError: no model knows one of them, or a model knows none.
    """
    wanted = {word.strip() for word in words.split(",")} if words else None
    everything = {name for model in models for name in model.classes}
    for word in sorted((wanted or set()) - everything):
        raise known("class of --classes", word, everything)
    kept = []
    for model in models:
        ids = tuple(number for number, name in enumerate(model.classes, 1) if wanted is None or name in wanted)
        if not ids:
            raise UserError(f"--classes {words}: {model.name} knows none of them, but {', '.join(model.classes)}")
        kept.append(ids)
    return kept


def _detector(
    model: Published, kept: tuple[int, ...], threshold: float | None, device: str, threads: int | None
) -> Detector:
    threshold = model.score_threshold if threshold is None else threshold
    return Detector(
        model.name,
        files.sha256_of_file(model.path),
        model.classes,
        kept,
        threshold,
        model.about["channels"],
        model.batch,
        # pictures are decoded and drawn meanwhile: with spinning threads a frame takes half as long again
        open_session(_reporting(model, threshold), device, threads, shares_cores=True),
    )


def _reporting(model: Published, threshold: float) -> onnx.ModelProto:
    """The model that reports all that scores above a threshold; one of a graph of its own may not be able to."""
    if threshold >= model.score_threshold:
        return model.model
    if not model.has_score_threshold:
        raise UserError(f"--threshold {threshold:g}: {model.name} itself finds nothing below {model.score_threshold:g}")
    return model.reporting_above(threshold)
