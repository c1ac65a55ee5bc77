"""What models of the contract find on the pictures of a split, as metrics need it: down to low scores.

What was found is kept as it comes, a line a picture: a run that was interrupted goes on, and another threshold or
another --map costs nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import detector
import numpy as np
from detector import Detector
from published import Published

from isomer import files, native, progress
from isomer.contract import EVALUATION_SCORE_THRESHOLD
from isomer.dataset.canonical import Dataset, Picture, Split
from isomer.errors import UserError

KEPT = "evaluation"  # folder in a dataset's reports


def batch_of(model: Published, pixels: np.ndarray) -> np.ndarray:
    """A picture, uint8 [height, width, 3] RGB, as the model takes it: its channels, as often as its batch is."""
    return model.as_taken(np.repeat(pixels[None], model.batch or 1, axis=0))


def to_low_scores(model: Published, device: str = "cpu") -> Detector:
    """The model as metrics need it; one without a threshold that can be changed reports what it does."""
    threshold = EVALUATION_SCORE_THRESHOLD if model.has_score_threshold else None
    return detector.load([model], threshold=threshold, device=device)[0]


def detect(model: Detector, picture: Picture, pixels: np.ndarray) -> list[dict[str, Any]]:
    """A model's detections on a picture as COCO results, with the model's own class ids.

    Raises:
        CheckFailed: the model does not run.
    """
    (found,) = model.find(pixels[None])
    return native.to_coco(picture.id, picture.width, picture.height, found)


def with_ids(results: list[dict[str, Any]], ids: dict[int, int]) -> list[dict[str, Any]]:
    """Results with other class ids; those of classes without one are left out."""
    return [result | {"category_id": ids[result["category_id"]]} for result in results if result["category_id"] in ids]


def detect_split(
    folder: Path, dataset: Dataset, split: Split, model: Published, device: str = "auto"
) -> tuple[dict[int, list[dict[str, Any]]], dict[int, str]]:
    """The model's detections on a split, with its own class ids, by picture id; and why pictures could not be read.

    Args:
        folder: the dataset's in reports/.

    Raises:
        CheckFailed: the model does not run.
    """
    path = folder / KEPT / f"{model.name.replace('/', '_')}-{split.name}.jsonl"
    head = {
        "model_sha256": files.sha256_of_file(model.path),
        "dataset_sha256": dataset.sha256,
        "split": split.name,
        "score_threshold": EVALUATION_SCORE_THRESHOLD,
    }
    done = dict(_kept(path, head))
    left = [picture for picture in split.pictures if picture.id not in done]
    unread: dict[int, str] = {}
    if done and left:
        progress.say(f"{model.name}: {len(split.pictures) - len(left)} pictures are done already")
    if left:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not done:
            path.write_text(json.dumps(head) + "\n")
        finder = to_low_scores(model, device)
        with path.open("a") as stream:
            for picture in progress.track(left, model.name, unit="images"):
                try:
                    pixels = split.load(picture)
                except UserError as error:
                    unread[picture.id] = str(error)
                    continue
                done[picture.id] = detect(finder, picture, pixels)
                stream.write(json.dumps({"image_id": picture.id, "results": done[picture.id]}) + "\n")
                stream.flush()
    return done, unread


def _kept(path: Path, head: dict[str, Any]) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """What an earlier run found of the same model on the same pictures, by picture id.

    A line that a killed process left half written is cut off the file, so that the next one begins on its own.
    """
    if not path.is_file():
        return
    with path.open("r+b") as stream:
        whole = 0
        for number, line in enumerate(stream):
            if not line.endswith(b"\n"):
                stream.truncate(whole)
                return
            whole += len(line)
            value = json.loads(line)
            if number == 0 and value != head:
                return
            if number:
                yield value["image_id"], value["results"]
