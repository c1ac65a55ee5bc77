"""What evaluate says of models on a split, and where it is written.

reports/DATASET/   evaluation.json  evaluation.html  evaluation/MODEL-SPLIT.jsonl (what was found, a line a picture)
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from isomer import mistakes
from isomer.class_names import Names
from isomer.dataset.canonical import Dataset, Split
from isomer.errors import UserError
from isomer.evaluation import Metrics, evaluate, score_pictures
from isomer.run import now

EVALUATION_JSON = "evaluation.json"
EVALUATION_HTML = "evaluation.html"
MOST_WORST = 50  # pictures


@dataclass(frozen=True)
class Evaluated:
    """A model on a split.

    Attributes:
        about: name, sha256 and the like.
        known: mAP, AP50 and AR over the classes that the model knows.
        counts: how many detections of each kind, and missed boxes, above the score threshold.
        gains: what AP50 would gain if a kind of mistake were mended, each for itself.
        best: the score above which F1 is highest, and that F1; None where nothing is right.
        worst: pictures, the worst first, with their F1 above the threshold.
        results: COCO results with the dataset's class ids; judged: the kind of each.
    """

    about: dict[str, Any]
    names: Names
    metrics: Metrics
    known: dict[str, float | None]
    counts: dict[str, int]
    gains: dict[str, float]
    best: dict[str, float] | None
    worst: list[dict[str, Any]]
    results: list[dict[str, Any]]
    judged: dict[int, tuple[mistakes.Judged, ...]]

    @property
    def name(self) -> str:
        return self.about["name"]

    def to_json(self) -> dict[str, Any]:
        return {
            **self.about,
            "names": asdict(self.names),
            "metrics": self.metrics.to_json(),
            "known": self.known,
            "mistakes": {"counts": self.counts, "gains": self.gains},
            "best": self.best,
            "worst": self.worst,
        }


def limited(split: Split, most: int | None) -> Split:
    """The first pictures of a split."""
    return replace(split, pictures=split.pictures[:most])


def measure(
    about: dict[str, Any], names: Names, split: Split, results: list[dict[str, Any]], threshold: float
) -> Evaluated:
    """All figures of a model's results, COCO's, with the split's class ids and down to low scores."""
    metrics = evaluate(split, results, threshold)
    judged = mistakes.judge(split, results)
    return Evaluated(
        about=about,
        names=names,
        metrics=metrics,
        known=_over(metrics, [ours for _, ours, _ in names.pairs]),
        counts=mistakes.count(split, judged, threshold),
        gains=mistakes.gains(split, results),
        best=best_threshold(split, judged),
        worst=_worst(split, results, threshold),
        results=results,
        judged=judged,
    )


def without(split: Split, unread: Container[int]) -> Split:
    """The split without the pictures of these ids.

    Raises:
        UserError: none is left.
    """
    left = tuple(picture for picture in split.pictures if picture.id not in unread)
    if not left:
        raise UserError(f"none of the {len(split.pictures)} {split.name} pictures can be read")
    return replace(split, pictures=left)


def report(dataset: Dataset, split: Split, evaluated: Iterable[Evaluated], left_out: list[str]) -> dict[str, Any]:
    """evaluation.json; `left_out` says which pictures could not be read, and why."""
    return {
        "made": now(),
        "data": dataset.name,
        "dataset_sha256": dataset.sha256,
        "split": split.name,
        "images": len(split.pictures),
        "left_out": left_out,
        "classes": list(dataset.classes),
        "models": [one.to_json() for one in evaluated],
    }


def best_threshold(split: Split, judged: dict[int, tuple[mistakes.Judged, ...]]) -> dict[str, float] | None:
    """The score above which precision and recall together (F1) are highest."""
    boxes = sum(not box.crowd for picture in split.pictures for box in picture.boxes)
    found = sorted((one for part in judged.values() for one in part), key=lambda one: -one.result["score"])
    if not boxes or not any(one.kind == mistakes.RIGHT for one in found):
        return None
    scores = np.array([one.result["score"] for one in found])
    right = np.cumsum([one.kind == mistakes.RIGHT for one in found])
    f1 = 2 * right / (np.arange(1, len(found) + 1) + boxes)
    # what is as sure as the next one cannot be told apart from it
    f1[:-1][scores[:-1] == scores[1:]] = 0
    place = int(f1.argmax())
    below = scores[place + 1] if place + 1 < len(scores) else 0.0
    return {"score": float((scores[place] + below) / 2), "F1": float(f1[place])}


def _over(metrics: Metrics, names: list[str]) -> dict[str, float | None]:
    """Means over some classes, of those of which there is a box."""
    figures = {}
    for key in ("mAP", "AP50", "AR"):
        values = [getattr(metrics.per_class[name], key) for name in dict.fromkeys(names)]
        defined = [value for value in values if value is not None]
        figures[key] = float(np.mean(defined)) if defined else None
    return figures


def _worst(split: Split, results: list[dict[str, Any]], threshold: float) -> list[dict[str, Any]]:
    """Pictures with something wrong: the lowest F1 first, among equals those with most mistakes."""
    scores = score_pictures(split, results, threshold)
    wrong = [
        (score.at_threshold.F1 or 0.0, -len(score.wrong) - len(score.missed), picture)
        for picture in split.pictures
        for score in [scores[picture.id]]
        if score.wrong or score.missed
    ]
    ordered = sorted(wrong, key=lambda item: (item[0], item[1], item[2].id))
    return [
        {"image_id": picture.id, "file_name": picture.file_name, "F1": f1, "mistakes": -count}
        for f1, count, picture in ordered[:MOST_WORST]
    ]
