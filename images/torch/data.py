"""Training pictures: decoded, augmented, resized as the contract says, with targets."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import crops
import numpy as np
import torch
from models.base import Detector, Targets
from torch import Tensor
from torch.nn import functional as nn_functional
from torch.utils.data import Dataset
from torchvision.io import ImageReadMode, decode_jpeg

from isomer import progress
from isomer.dataset.canonical import Picture, Split, load_rgb
from isomer.memory import available
from isomer.stream import Stream

CACHE_SHARE = 0.25  # of the memory that is free: --cache auto leaves the rest to training and to others
BRIGHTNESS = 32.0  # grey levels
CONTRAST = SATURATION = (0.6, 1.4)
# A picture of more pixels than are looked up for the resized one is not made float as a whole.
LARGE = 4
END_OF_JPEG = b"\xff\xd9"


def resize(pixels: Tensor, size: int) -> Tensor:
    """Pixels [N, height, width, 3], uint8, to grey levels float32 [N, 3, size, size]: the contract's one definition."""
    return nn_functional.interpolate(
        pixels.permute(0, 3, 1, 2).float(), (size, size), mode="bilinear", align_corners=False, antialias=False
    )


class TrainingPictures(Dataset):
    """Positions of the stream to (image [3, size, size], the detector's targets of it …)."""

    def __init__(self, split: Split, detector: Detector, stream: Stream, augment: str, cache: str, share: int) -> None:
        """`augment` and `cache` as the flags say; `share` processes on this machine keep pictures."""
        self.split, self.stream, self.augment = split, stream, augment
        self.size, self.mean, self.assign = detector.size, detector.mean, detector.assigner()
        mean, std = (torch.tensor(values).repeat(self.size) for values in (detector.mean, detector.std))
        self._scale, self._shift = 1 / std, -mean / std
        weight = sum(picture.width * picture.height * 3 for picture in split.pictures)
        self._kept: tuple[Tensor, ...] = ()
        if cache == "memory" or (cache == "auto" and weight <= CACHE_SHARE * available() / share):
            self._kept = self._read_all()

    def __getitem__(self, position: int) -> tuple[Tensor, *Targets]:
        index = self.stream[position]
        picture = self.split.pictures[index]
        pixels = self._kept[index] if self._kept else self._read(picture)
        rng = np.random.default_rng([self.stream.seed, position])
        boxes, classes = labels(picture)
        window = crops.Window(0, 0, picture.width, picture.height)
        if self.augment == "ssd":
            window = crops.draw(rng, picture.width, picture.height, boxes)
        boxes, classes = window.place(boxes, classes)
        image = self._look(pixels, window)
        if self.augment != "none":
            image = recolour(rng, image)
            if rng.random() < 0.5:
                image, boxes = image.flip(-1), boxes * (-1, 1, 1, 1) + (1, 0, 0, 0)
        image = self._normalise(image)[0]
        return image, *self.assign(torch.from_numpy(boxes).float(), torch.from_numpy(classes))

    def name(self, position: int) -> str:
        """The file name of the picture at a position."""
        return self.split.pictures[self.stream[position]].file_name

    def _look(self, pixels: Tensor, window: crops.Window) -> Tensor:
        """The window's pixels, resized: in one piece where it is within the picture and small."""
        height, width = pixels.shape[:2]
        right, low = window.x + window.width, window.y + window.height
        is_within = min(window.x, window.y) >= 0 and right <= width and low <= height
        if is_within and window.height * window.width <= LARGE * self.size**2:
            return resize(pixels[None, window.y : low, window.x : right], self.size)
        return crops.look(pixels, window, self.size, self.mean)

    def _normalise(self, image: Tensor) -> Tensor:
        """As the model's own, a line of pixels at a time: torch is slow where the last of the dimensions is 3."""
        lines = image.permute(0, 2, 3, 1).reshape(-1, 3 * self.size)
        return torch.addcmul(self._shift, lines, self._scale).view(1, self.size, self.size, 3).permute(0, 3, 1, 2)

    def _read(self, picture: Picture) -> Tensor:
        return read(self.split.path(picture))

    def _read_all(self) -> tuple[Tensor, ...]:
        pool = ThreadPoolExecutor()
        try:
            found = pool.map(self._read, self.split.pictures)
            return tuple(progress.track(found, f"read {self.split.name}", "images", len(self.split.pictures)))
        finally:
            pool.shutdown(cancel_futures=True)  # of those that are still to come when one cannot be read


def read(path: Path) -> Tensor:
    """A picture's pixels, uint8 [height, width, 3], RGB: the same as everywhere, JPEG's in half the time.

    Raises:
        UserError: the file is not a readable picture; it is named.
    """
    if path.suffix.lower() in (".jpg", ".jpeg"):
        content = path.read_bytes() if path.is_file() else b""
        # torchvision fills up with grey what a file that was cut off lacks
        if content.rstrip(b"\0").endswith(END_OF_JPEG):
            try:
                encoded = torch.frombuffer(bytearray(content), dtype=torch.uint8)
                return decode_jpeg(encoded, ImageReadMode.RGB, apply_exif_orientation=True).permute(1, 2, 0)
            except RuntimeError:  # a kind of JPEG that it does not know (CMYK), or damage: Pillow decides
                pass
    return torch.tensor(load_rgb(path))


def labels(picture: Picture) -> tuple[np.ndarray, np.ndarray]:
    """Boxes float64 [M, 4] (xmin, ymin, xmax, ymax, pixels) and classes int64 [M], from 1; without crowds."""
    found = [box for box in picture.boxes if not box.crowd]
    boxes = np.array([[box.x, box.y, box.x + box.width, box.y + box.height] for box in found], dtype=np.float64)
    return boxes.reshape(-1, 4), np.array([box.category for box in found], dtype=np.int64)


def recolour(rng: np.random.Generator, image: Tensor) -> Tensor:
    """Other light: saturation, contrast and brightness of grey levels [1, 3, height, width].

    All three are one matrix: grey and mean stay what they are when the colours are drawn nearer to grey.
    """
    saturation, contrast = rng.uniform(*SATURATION), rng.uniform(*CONTRAST)
    level = image.mean() * (1 - contrast) + rng.uniform(-BRIGHTNESS, BRIGHTNESS)
    mix = contrast * (saturation * torch.eye(3) + (1 - saturation) / 3)
    size = image.shape[2:]
    mixed = image.permute(0, 2, 3, 1).reshape(-1, 3) @ mix
    return mixed.add_(level).clamp_(0, 255).view(1, *size, 3).permute(0, 3, 1, 2)
