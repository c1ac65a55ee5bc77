"""What every framework's predict.py does around its model: which detector, which pictures, drawn boxes, a result file.

runs/RUN/predictions/ or predictions/MODEL-WEIGHTS/   the pictures under their own names   detections.json
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from isomer import catalogue, coco, files, native, pretrained, progress
from isomer.catalogue import Model
from isomer.contract import Thresholds
from isomer.dataset import canonical
from isomer.dataset.canonical import Dataset, load_rgb
from isomer.drawing import draw
from isomer.errors import UserError, known
from isomer.flags import Predict
from isomer.native import Nms, Raw
from isomer.pretrained import Weights
from isomer.run import RunFolder
from isomer.training import trained
from isomer.volume import Volume

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")

Names = Sequence[str | None]
"""The classes of a model's score columns; None where a column has no meaning. Column 0 is category id 1."""


@dataclass(frozen=True)
class Subject:
    """The detector that is looked at: a run's, or pretrained weights as they are (`weights` of `model`).

    `names` is None where only the file itself tells its classes; `dataset` is there where its test split is looked at.
    """

    folder: Path  # of the predictions
    names: Names | None
    dataset: Dataset | None
    run: RunFolder | None = None
    weights: Weights | None = None
    model: Model | None = None


@dataclass(frozen=True)
class Source:
    """A picture to run the model on: its file, its name in the results, its COCO image id."""

    path: Path
    name: str
    id: int


def subject(options: Predict, framework: str, models: dict[str, Model]) -> Subject:
    """What the flags ask for; all that can be wrong with them is said before a framework is loaded.

    Raises:
        UserError: no such run or weights, --model without --weights, no such class, no such picture.
    """
    found = _run(options, framework) if options.weights is None else _pretrained(options, framework, models)
    if found.names is not None:
        columns(options.classes, found.names)
    next(sources(found.dataset, options.source))
    return found


def _run(options: Predict, framework: str) -> Subject:
    if options.model is not None:
        raise UserError("--model goes with --weights: a run has the architecture it was trained with")
    run, dataset = trained(options, framework)
    return Subject(run.path / "predictions", dataset.classes, dataset, run=run)


def _pretrained(options: Predict, framework: str, models: dict[str, Model]) -> Subject:
    if options.run is not None:
        raise UserError("--run and --weights cannot both be given: each names a detector")
    model = catalogue.choose(models, options.model, options.weights)
    volume = Volume.from_environment()
    weights = pretrained.find(options.weights, model, volume, framework)
    if weights is None or options.weights == "imagenet":
        raise UserError(f"--weights {options.weights}: that is no whole detector; give coco, a file, or --run")
    if weights.run is not None:
        raise UserError(f"--weights {options.weights}: that is a run: give --run {options.weights}")
    dataset = canonical.load(volume.dataset(options.data)) if options.source is None else None
    folder = volume.predictions / f"{model.name}-{options.weights if weights.published else weights.path.stem}"
    names = coco.BY_ID if weights.published else None
    return Subject(folder, names, dataset, weights=weights, model=model)


def columns(classes: str | None, names: Names) -> list[int]:
    """The score columns that `--classes` asks for, in the order of the columns.

    Raises:
        UserError: the model knows no such class.
    """
    wanted = {name.strip() for name in classes.split(",")} if classes else {name for name in names if name}
    for name in wanted - set(names):
        raise known("class of --classes", name, (name for name in names if name))
    return [column for column, name in enumerate(names) if name in wanted]


def predict(found: Subject, names: Names, options: Predict, raw: Raw, nms: Nms) -> Path:
    """Run a model on the pictures the flags ask for; returns the folder written.

    detections.json holds COCO results, each with its picture's `file_name` besides; their category ids are the
    dataset's, or those of the weights' own classes (COCO's).

    Raises:
        UserError: there is no picture or no class as asked for, or a picture cannot be read.
    """
    thresholds = Thresholds(score=options.threshold)
    kept = columns(options.classes, names)
    shown = tuple(str(names[column]) for column in kept)
    results = []
    with files.replacing_folder(found.folder) as temporary:
        chosen = list(sources(found.dataset, options.source))[: options.limit]
        for source in progress.track(chosen, "predict", unit="images"):
            pixels = load_rgb(source.path)
            boxes, scores = raw(pixels[None])
            seen = native.detect(boxes[0], np.ascontiguousarray(scores[0][:, kept]), nms, thresholds)
            height, width = pixels.shape[:2]
            for result in native.to_coco(source.id, width, height, seen):
                result["category_id"] = kept[result["category_id"] - 1] + 1
                results.append({"file_name": source.name, **result})
            draw(pixels, seen, shown).save(temporary / source.name.replace("/", "_"))
        files.write_json(temporary / "detections.json", results)
    progress.say(f"{len(results)} detections above {options.threshold} in {len(chosen)} pictures: {found.folder}")
    return found.folder


def sources(dataset: Dataset | None, path: Path | None) -> Iterator[Source]:
    """A picture, the pictures of a folder in the order of their names, or the dataset's test split."""
    if path is None:
        split = dataset.split("test")
        yield from (Source(split.path(picture), picture.file_name, picture.id) for picture in split.pictures)
        return
    if not path.exists():
        raise UserError(f"{path}: no such picture or folder")
    found = sorted(filter(_is_picture, path.iterdir())) if path.is_dir() else [path]
    if not found:
        within = sum(_is_picture(one) for one in path.rglob("*"))
        hint = f"; {within} are in folders inside it: name one of these" if within else ""
        raise UserError(f"{path} holds no picture ({', '.join(SUFFIXES)}){hint}")
    yield from (Source(one, one.name, number) for number, one in enumerate(found, start=1))


def _is_picture(path: Path) -> bool:
    """By its name; macOS leaves `._photo.jpg` beside photo.jpg, which is none."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
