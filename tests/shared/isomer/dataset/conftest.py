"""Sources to import, as people have them, made in a moment."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SIZE = (64, 48)  # width, height

Corners = tuple[str, float, float, float, float]
"""A label, and xmin, ymin, xmax, ymax."""


class Source:
    """A folder of pictures with annotations; every picture is another noise."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.drawn = 0

    def picture(self, name: str, size: tuple[int, int] = SIZE, **options: object) -> Path:
        path = self._path(name)
        self.drawn += 1
        noise = np.random.default_rng(self.drawn).integers(0, 256, (size[1], size[0], 3), np.uint8)
        Image.fromarray(noise).save(path, **options)
        return path

    def text(self, name: str, text: str) -> None:
        self._path(name).write_text(text, encoding="utf-8")

    def voc(self, name: str, *boxes: Corners, size: tuple[int, int] = SIZE) -> None:
        corners = ("xmin", "ymin", "xmax", "ymax")
        objects = "".join(
            f"<object><name>{label}</name><bndbox>"
            + "".join(f"<{key}>{number}</{key}>" for key, number in zip(corners, numbers, strict=True))
            + "</bndbox></object>"
            for label, *numbers in boxes
        )
        shape = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>"
        self.text(name, f"<annotation><filename>{Path(name).stem}.jpg</filename>{shape}{objects}</annotation>")

    def coco(self, name: str, pictures: dict[str, list[Corners]], labels: tuple[str, ...]) -> None:
        images = [
            {"id": number, "file_name": file_name, "width": SIZE[0], "height": SIZE[1]}
            for number, file_name in enumerate(pictures)
        ]
        annotations = [
            {
                "id": number * 100 + index,
                "image_id": number,
                "category_id": labels.index(label),
                "bbox": [xmin, ymin, xmax - xmin, ymax - ymin],
            }
            for number, boxes in enumerate(pictures.values())
            for index, (label, xmin, ymin, xmax, ymax) in enumerate(boxes)
        ]
        categories = [{"id": number, "name": label} for number, label in enumerate(labels)]
        self.text(name, json.dumps({"images": images, "annotations": annotations, "categories": categories}))

    def _path(self, name: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """An empty source."""
    return Source(tmp_path / "source")


@pytest.fixture
def ten(source: Source) -> Source:
    """Ten pictures in VOC's layout, a box each."""
    for number in range(10):
        source.picture(f"JPEGImages/{number}.jpg")
        source.voc(f"Annotations/{number}.xml", ("cat" if number % 2 else "dog", 1, 2, 21, 22))
    return source
