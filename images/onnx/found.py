"""Files of what was found, written as it is found, so that a stream of days needs no memory.

detections.json   frames, each with its detections, and the summary
coco.json         COCO's images, categories and annotations (with scores); with several models one MODEL.coco.json each
detections.csv    a row a detection
"""

from __future__ import annotations

import csv
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from detector import Detector

from isomer import native
from isomer.native import Detections

JSON_FILE, COCO_FILE, CSV_FILE = "detections.json", "coco.json", "detections.csv"
COLUMNS = ("frame", "file", "seconds", "model", "class", "class_id", "score", "xmin", "ymin", "xmax", "ymax", "object")


@dataclass(frozen=True)
class Seen:
    """A picture that the models have looked at: sizes in pixels; found, and numbers of the objects, model by model."""

    index: int
    name: str
    width: int
    height: int
    seconds: float | None
    found: tuple[Detections, ...]
    numbers: tuple[Sequence[int] | None, ...]

    def rows(self, model: int) -> list[dict[str, Any]]:
        """One model's detections as COCO results, each with the number of its object where there is one."""
        results = native.to_coco(self.index + 1, self.width, self.height, self.found[model])
        numbers = self.numbers[model]
        if numbers is None:
            return results
        return [result | {"track_id": int(number)} for result, number in zip(results, numbers, strict=True)]


class Writer(Protocol):
    def add(self, seen: Seen) -> None: ...

    def close(self, summary: dict[str, Any]) -> None: ...


def writers(formats: Sequence[str], folder: Path, models: Sequence[Detector]) -> list[Writer]:
    """What writes the files of these formats into a folder."""
    made: list[Writer] = []
    if "json" in formats:
        made.append(JsonFile(folder / JSON_FILE, models))
    if "coco" in formats:
        names = [COCO_FILE] if len(models) == 1 else [f"{model.name.replace('/', '-')}.{COCO_FILE}" for model in models]
        made += [
            CocoFile(folder / name, model, number)
            for number, (name, model) in enumerate(zip(names, models, strict=True))
        ]
    if "csv" in formats:
        made.append(CsvFile(folder / CSV_FILE, models))
    return made


class JsonFile:
    """`{"models": […], "frames": […], "summary": {…}}`; boxes are x, y, width, height in pixels."""

    def __init__(self, path: Path, models: Sequence[Detector]) -> None:
        self._models = models
        self._stream = path.open("w")
        about = [{"name": one.name, "sha256": one.sha256, "classes": one.classes} for one in models]
        self._stream.write(f'{{"models": {_words(about)},\n"frames": [')
        self._separator = "\n"

    def add(self, seen: Seen) -> None:
        detections = [
            {"model": model.name, "class": model.classes[row["category_id"] - 1]}
            | {key: value for key, value in row.items() if key != "image_id"}
            for number, model in enumerate(self._models)
            for row in seen.rows(number)
        ]
        frame = {"frame": seen.index, "file_name": seen.name, "seconds": seen.seconds}
        frame |= {"width": seen.width, "height": seen.height, "detections": detections}
        self._stream.write(self._separator + _words(frame))
        self._separator = ",\n"

    def close(self, summary: dict[str, Any]) -> None:
        with self._stream:
            self._stream.write(f'\n],\n"summary": {_words(summary)}}}\n')


class CocoFile:
    """https://cocodataset.org/#format-data, whose `annotations` have scores, as results do."""

    def __init__(self, path: Path, model: Detector, number: int) -> None:
        self._path, self._model, self._number = path, model, number
        self._annotations = 0
        self._images, self._rows = _Spool(path.parent), _Spool(path.parent)

    def add(self, seen: Seen) -> None:
        image = {"id": seen.index + 1, "file_name": seen.name, "width": seen.width, "height": seen.height}
        self._images.add(image if seen.seconds is None else image | {"frame": seen.index, "seconds": seen.seconds})
        for row in seen.rows(self._number):
            self._annotations += 1
            area = row["bbox"][2] * row["bbox"][3]
            self._rows.add({"id": self._annotations, **row, "area": area, "iscrowd": 0})

    def close(self, summary: dict[str, Any]) -> None:
        categories = [{"id": number, "name": name} for number, name in enumerate(self._model.classes, 1)]
        with self._path.open("w") as stream:
            stream.write(f'{{"info": {_words(summary)},\n"categories": {_words(categories)},\n"images": [')
            self._images.pour(stream)
            stream.write('],\n"annotations": [')
            self._rows.pour(stream)
            stream.write("]}\n")


class _Spool:
    """The items of a JSON list, on the disk until it is their turn in the file."""

    def __init__(self, folder: Path) -> None:
        # not in /tmp, which is memory in a container
        self._stream = tempfile.TemporaryFile("w+", dir=folder)  # noqa: SIM115 (closed by pour)
        self._separator = "\n"

    def add(self, item: dict[str, Any]) -> None:
        self._stream.write(self._separator + _words(item))
        self._separator = ",\n"

    def pour(self, target: IO[str]) -> None:
        with self._stream:
            self._stream.seek(0)
            shutil.copyfileobj(self._stream, target)


class CsvFile:
    """The columns of `COLUMNS`; corners in pixels."""

    def __init__(self, path: Path, models: Sequence[Detector]) -> None:
        self._models = models
        self._stream = path.open("w", newline="")
        self._rows = csv.writer(self._stream)
        self._rows.writerow(COLUMNS)

    def add(self, seen: Seen) -> None:
        for number, model in enumerate(self._models):
            for row in seen.rows(number):
                left, top, width, height = row["bbox"]
                name = model.classes[row["category_id"] - 1]
                place = (seen.index, seen.name, "" if seen.seconds is None else f"{seen.seconds:.3f}")
                corners = [f"{value:.2f}" for value in (left, top, left + width, top + height)]
                score = f"{row['score']:.6f}"
                self._rows.writerow(
                    [*place, model.name, name, row["category_id"], score, *corners, row.get("track_id", "")]
                )

    def close(self, summary: dict[str, Any]) -> None:
        self._stream.close()


def _words(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
