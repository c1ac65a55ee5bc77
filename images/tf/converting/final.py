"""The detections of a graph with its NMS inside, by TensorFlow: what its outputs were, and what they say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from converting.original import Original
from isomer.contract import Thresholds
from isomer.converting.final_outputs import Final
from isomer.converting.seen import Seen
from isomer.native import Detections


def look(original: Original, pictures: Sequence[np.ndarray]) -> dict[str, Seen]:
    """All outputs on pictures, by the names that the graph gives them."""
    runs = [_outputs(original, picture) for picture in pictures]
    return {name: Seen(name, tuple(run[name] for run in runs)) for name in runs[0]}


def read(original: Original, detections: Final, picture: np.ndarray, low: Thresholds | None = None) -> Detections:
    """What the graph finds in a picture that it takes as it is, uint8 [height, width, 3]; `low` as of Final.read."""
    return detections.read(_outputs(original, picture), *picture.shape[:2], low)


def rows(original: Original, detections: Final, picture: np.ndarray) -> int:
    """How many detections its outputs have room for."""
    return detections.scores.take(_outputs(original, picture)).size


def _outputs(original: Original, picture: np.ndarray) -> dict[str, np.ndarray]:
    values = original.run([one.tensor for one in original.outputs], picture)
    return {one.name: np.asarray(value) for one, value in zip(original.outputs, values, strict=True)}
