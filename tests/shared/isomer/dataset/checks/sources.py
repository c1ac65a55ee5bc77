"""Healthy sources, and what the modules broken_*.py need to break them: each names the codes to be found, and where."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (64, 48)
LABELS = ("cat", "dog")
PER_SPLIT = {"train": 60, "val": 24, "test": 24}


@dataclass(frozen=True)
class Broken:
    """name: what is wrong; make: breaks a healthy folder; codes: all that is to be found; place: in one of them."""

    name: str
    base: Callable[[Path], None]
    make: Callable[[Path], None]
    codes: frozenset[str]
    place: str


CASES: list[Broken] = []


def case(base: Callable[[Path], None], *codes: str, place: str = ""):
    def keep(make: Callable[[Path], None]) -> Callable[[Path], None]:
        CASES.append(Broken(make.__name__, base, make, frozenset(codes), place))
        return make

    return keep


def picture(path: Path, seed: int, size: tuple[int, int] = SIZE, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(noise).save(path, **options)


def voc(root: Path) -> None:
    """Sixty pictures with a box each, one a line of its own."""
    for number in range(60):
        picture(root / f"JPEGImages/{number}.jpg", number)
        xml(root, number, [(LABELS[number % 2], 10, 8, 40, 30)])


def xml(root: Path, number: int, boxes: list[tuple], size: tuple[int, int] | None = SIZE, extra: str = "") -> None:
    shape = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>" if size else ""
    objects = "".join(
        f"<object>\n<name>{label}</name>\n<bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax><ymax>{d}</ymax></bndbox>\n"
        f"</object>\n"
        for label, a, b, c, d in boxes
    )
    path = root / f"Annotations/{number}.xml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"<annotation>\n{shape}\n{objects}{extra}</annotation>\n", encoding="utf-8")


def coco(root: Path) -> None:
    """Three splits, each picture with a box of either class."""
    seed = 0
    for split, count in PER_SPLIT.items():
        images, annotations = [], []
        for number in range(1, count + 1):
            seed += 1
            picture(root / split / f"{number}.png", seed)
            images.append({"id": number, "file_name": f"{number}.png", "width": SIZE[0], "height": SIZE[1]})
            for label in (1, 2):
                row = [10 * label, 8, 20, 20 + label]
                entry = {"id": len(annotations) + 1, "image_id": number, "category_id": label, "bbox": row}
                annotations.append(entry)
        categories = [{"id": number, "name": name} for number, name in enumerate(LABELS, start=1)]
        write(root, {"images": images, "annotations": annotations, "categories": categories}, split)


def yolo(root: Path) -> None:
    """Three splits, each picture with a box of one class."""
    seed = 0
    for split, count in PER_SPLIT.items():
        for number in range(count):
            seed += 1
            picture(root / f"images/{split}/{number}.jpg", seed)
            label(root, split, number, f"{number % 2} 0.5 0.5 0.5 0.4")
    (root / "data.yaml").write_text(
        "".join(f"{split}: images/{split}\n" for split in PER_SPLIT) + "names: [cat, dog]\n"
    )


def label(root: Path, split: str, number: int, *lines: str) -> None:
    path = root / f"labels/{split}/{number}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def table(root: Path) -> None:
    """Sixty pictures and a row each."""
    rows = ["filename,width,height,class,xmin,ymin,xmax,ymax"]
    for number in range(60):
        picture(root / f"{number}.jpg", number)
        rows.append(f"{number}.jpg,64,48,{LABELS[number % 2]},10,8,40,30")
    (root / "_annotations.csv").write_text("\n".join(rows))


def change_row(root: Path, line: int, old: str, new: str) -> None:
    path = root / "_annotations.csv"
    rows = path.read_text().split("\n")
    rows[line - 1] = rows[line - 1].replace(old, new)
    path.write_text("\n".join(rows))


def read(root: Path, split: str = "train") -> dict:
    return json.loads((root / split / "_annotations.coco.json").read_text())


def write(root: Path, value: dict, split: str = "train") -> None:
    (root / split / "_annotations.coco.json").write_text(json.dumps(value))


def edit(root: Path, change: Callable[[dict], object], *splits: str) -> None:
    for split in splits or ("train",):
        value = read(root, split)
        change(value)
        write(root, value, split)
