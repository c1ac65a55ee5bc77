"""Everything that `infer` writes about a picture: boxes drawn, rows in files, crops."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import found
import numpy as np
from detector import Detector
from feed import Feed
from found import Seen
from panels import beside
from PIL import Image
from recording import SUFFIX, Recording
from video import Frame

from isomer.drawing import draw
from isomer.predicting import SUFFIXES

CROPS = "crops"
QUALITY = 90  # of JPEG


class Output:
    """The results of a feed in a folder."""

    def __init__(
        self, folder: Path, source: Feed, models: Sequence[Detector], formats: Sequence[str], crops: bool
    ) -> None:
        self._folder, self._models, self._crops = folder, models, crops
        self._stems: dict[str, str] = {}
        self._writers = found.writers(formats, folder, models)
        # a word of ours: an address or a device is no file's name
        name = f"{Path(source.name).stem or 'video'}{SUFFIX}"
        self._recording = Recording(folder / name, source.rate) if source.is_video else None

    def add(self, frame: Frame, seen: Seen) -> Image.Image:
        """Write one picture and what was found in it; returns it with its boxes."""
        for writer in self._writers:
            writer.add(seen)
        if self._crops:
            self._cut(frame, seen)
        drawn = beside(
            [
                draw(frame.pixels, one, model.classes, numbers=numbers)
                for model, one, numbers in zip(self._models, seen.found, seen.numbers, strict=True)
            ],
            [model.name for model in self._models],
        )
        if self._recording:
            self._recording.add(drawn, seen.seconds)
        else:
            path = Path(seen.name)
            known = path.suffix.lower() in SUFFIXES
            drawn.save(self._folder / (path.name if known else f"{path.name}.png"), quality=QUALITY)
        return drawn

    def _cut(self, frame: Frame, seen: Seen) -> None:
        """crops/[MODEL/]CLASS/[OBJECT/]PICTURE-N.jpg, without the drawn frames."""
        stem = f"{seen.index:06d}" if self._recording else self._stem(seen.name)
        for model, one, numbers in zip(self._models, seen.found, seen.numbers, strict=True):
            for row, (box, number) in enumerate(zip(one.boxes, one.classes, strict=True)):
                pixels = _inside(frame.pixels, box)
                if not pixels.size:
                    continue
                parts = [model.name.replace("/", "-")] if len(self._models) > 1 else []
                parts.append(model.classes[number - 1].replace("/", "_"))
                parts += [] if numbers is None else [str(numbers[row])]
                folder = self._folder.joinpath(CROPS, *parts)
                folder.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(folder / f"{stem}-{row + 1}.jpg", quality=QUALITY)

    def _stem(self, name: str) -> str:
        """A picture's name without its suffix, unless another one differs in the suffix alone."""
        stem = Path(name).stem
        return stem if self._stems.setdefault(stem, name) == name else name

    def close(self, summary: dict) -> None:
        """Write what is still held back."""
        for writer in self._writers:
            writer.close(summary)
        if self._recording:
            self._recording.close()


def _inside(pixels: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The part of a picture that a box covers, whole pixels."""
    height, width = pixels.shape[:2]
    top, left, bottom, right = box * (height, width, height, width)
    return pixels[int(top) : int(np.ceil(bottom)), int(left) : int(np.ceil(right))]
