"""Training pictures: one endless shuffled stream, resized as the contract says, augmented, with targets.

What stands at a position of the stream follows from the seed and the position alone, so a run that goes on after a
kill sees what it would have seen.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
import torch
from models.base import Detector, Targets, normalise
from torch import Tensor
from torch.nn import functional as nn_functional
from torch.utils.data import Dataset, Sampler

from isomer import progress
from isomer.dataset.canonical import Picture, Split

IN_MEMORY_BYTES = 1 << 30  # a split whose pixels need less is decoded once and kept
BRIGHTNESS = 32.0  # grey levels
CONTRAST = SATURATION = (0.6, 1.4)


def resize(pixels: Tensor, size: int) -> Tensor:
    """Pixels [N, height, width, 3], uint8, to grey levels float32 [N, 3, size, size]: the contract's one definition."""
    return nn_functional.interpolate(
        pixels.permute(0, 3, 1, 2).float(), (size, size), mode="bilinear", align_corners=False, antialias=False
    )


class TrainingPictures(Dataset):
    """Positions of the stream to (image [3, size, size], the detector's targets of it …)."""

    def __init__(self, split: Split, detector: Detector, seed: int) -> None:
        self.split, self.seed = split, seed
        self.size, self.mean, self.std, self.assign = detector.size, detector.mean, detector.std, detector.assigner()
        weight = sum(picture.width * picture.height * 3 for picture in split.pictures)
        self._kept: dict[int, np.ndarray] = {}
        if weight <= IN_MEMORY_BYTES:
            read = progress.track(split.pictures, f"read {split.name}", unit="images")
            self._kept = {picture.id: split.load(picture) for picture in read}

    def __getitem__(self, position: int) -> Targets:
        epoch, place = divmod(position, len(self.split.pictures))
        picture = self.split.pictures[self._order(epoch)[place]]
        pixels = self._kept.get(picture.id)
        pixels = self.split.load(picture) if pixels is None else pixels
        rng = np.random.default_rng([self.seed, position])
        boxes, classes = labels(picture)
        image = resize(torch.tensor(pixels)[None], self.size)
        image = normalise(recolour(rng, image), self.mean, self.std)[0]
        if rng.random() < 0.5:
            image, boxes = image.flip(-1), boxes * (-1, 1, 1, 1) + (1, 0, 0, 0)
        return image, *self.assign(torch.from_numpy(boxes).float(), torch.from_numpy(classes))

    @functools.lru_cache(maxsize=2)  # noqa: B019 (one dataset a process)
    def _order(self, epoch: int) -> np.ndarray:
        return np.random.default_rng([self.seed, 1, epoch]).permutation(len(self.split.pictures))


class Positions(Sampler):
    """The positions of a stream that are still to come; its length counts those behind too, as Lightning expects."""

    def __init__(self, first: int, end: int) -> None:
        self.first, self.end = first, end

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.first, self.end))

    def __len__(self) -> int:
        return self.end


def labels(picture: Picture) -> tuple[np.ndarray, np.ndarray]:
    """Boxes [M, 4] (cx, cy, w, h, fractions) and classes int64 [M], from 1; without crowds."""
    found = [box for box in picture.boxes if not box.crowd]
    boxes = np.array([[box.x + box.width / 2, box.y + box.height / 2, box.width, box.height] for box in found])
    boxes = boxes.reshape(-1, 4) / (picture.width, picture.height, picture.width, picture.height)
    return boxes, np.array([box.category for box in found], dtype=np.int64)


def recolour(rng: np.random.Generator, image: Tensor) -> Tensor:
    """Other light: brightness, contrast and saturation of grey levels [1, 3, height, width]."""
    grey = image.mean(dim=1, keepdim=True)
    image = grey + (image - grey) * rng.uniform(*SATURATION)
    mean = image.mean()
    image = mean + (image - mean) * rng.uniform(*CONTRAST) + rng.uniform(-BRIGHTNESS, BRIGHTNESS)
    return image.clamp_(0, 255)
