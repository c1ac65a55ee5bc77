"""What every framework's predict.py does around its model: which pictures, drawn boxes, a COCO result file.

runs/RUN/predictions/   the pictures under their own names   detections.json
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from isomer import files, native, progress
from isomer.contract import Thresholds
from isomer.dataset.canonical import Dataset, load_rgb
from isomer.drawing import draw
from isomer.errors import UserError
from isomer.flags import Predict
from isomer.native import Nms, Raw
from isomer.run import RunFolder

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


@dataclass(frozen=True)
class Source:
    """A picture to run the model on: its file, its name in the results, its COCO image id."""

    path: Path
    name: str
    id: int


def predict(run: RunFolder, dataset: Dataset, options: Predict, raw: Raw, nms: Nms) -> Path:
    """Run a model on the pictures the flags ask for; returns the folder written.

    detections.json holds COCO results, each with its picture's `file_name` besides.

    Raises:
        UserError: there is no picture, or one cannot be read.
    """
    thresholds = Thresholds(score=options.threshold)
    results = []
    folder = run.path / "predictions"
    with files.replacing_folder(folder) as temporary:
        chosen = list(sources(dataset, options.source))[: options.limit]
        for source in progress.track(chosen, "predict", unit="images"):
            pixels = load_rgb(source.path)
            boxes, scores = raw(pixels[None])
            found = native.detect(boxes[0], scores[0], nms, thresholds)
            height, width = pixels.shape[:2]
            results += [
                {"file_name": source.name, **result} for result in native.to_coco(source.id, width, height, found)
            ]
            draw(pixels, found, dataset.classes).save(temporary / source.name.replace("/", "_"))
        files.write_json(temporary / "detections.json", results)
    progress.say(f"{len(results)} detections above {options.threshold} in {len(chosen)} pictures: {folder}")
    return folder


def sources(dataset: Dataset, path: Path | None) -> Iterator[Source]:
    """A picture, the pictures of a folder in the order of their names, or the dataset's test split."""
    if path is None:
        split = dataset.split("test")
        yield from (Source(split.path(picture), picture.file_name, picture.id) for picture in split.pictures)
        return
    if not path.exists():
        raise UserError(f"{path}: no such picture or folder")
    found = sorted(one for one in path.iterdir() if one.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
    if not found:
        raise UserError(f"{path} holds no picture ({', '.join(SUFFIXES)})")
    yield from (Source(one, one.name, number) for number, one in enumerate(found, start=1))
