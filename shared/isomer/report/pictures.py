"""Test pictures for the page: which ones, small enough to embed, and the boxes drawn over them."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from isomer.dataset.canonical import Box, Picture, Split
from isomer.drawing import class_colour
from isomer.evaluation import Score, score_pictures
from isomer.report.collect import Collected

GROUPS = ("best", "typical", "worst")
PER_GROUP = 4
WIDEST = 440  # pixels of an embedded picture, about twice what a phone shows
JPEG_QUALITY = 80


@dataclass(frozen=True)
class Frame:
    """A box to draw, in the picture's pixels. kind: truth, right, wrong or missed."""

    kind: str
    x: float
    y: float
    width: float
    height: float
    category: int
    label: str
    score: float | None = None

    @property
    def colour(self) -> str:
        return css_colour(self.category)


@dataclass(frozen=True)
class Panel:
    """One detector's boxes on a picture (or the ground truth's), and its F1 there."""

    title: str
    colour: int | None  # the subject's place in the page's palette
    frames: list[Frame]
    F1: float | None = None


@dataclass(frozen=True)
class Shown:
    """A picture on the page."""

    picture: Picture
    data: str  # data: URL
    group: str
    panels: list[Panel]


def choose(collected: Collected) -> list[Shown]:
    """A dozen pictures: those that all detectors together did best, as usual, and worst at.

    Without detections the first dozen, with the ground truth alone.
    """
    split = collected.split
    judged = [(index, subject) for index, subject in enumerate(collected.subjects) if subject.model]
    scores = [score_pictures(split, subject.results, collected.score_threshold) for _, subject in judged]
    if not scores:
        return [_shown(split, picture, "", [_truth(split, picture)]) for picture in split.pictures[: 3 * PER_GROUP]]
    shown = []
    for group, pictures in _groups(split, scores).items():
        for picture in pictures:
            panels = [_truth(split, picture)]
            for (index, subject), score in zip(judged, scores, strict=True):
                panels.append(_panel(split, subject.label, index, score[picture.id]))
            shown.append(_shown(split, picture, group, panels))
    return shown


def _groups(split: Split, scores: list[dict[int, Score]]) -> dict[str, list[Picture]]:
    """The split's pictures by how well they went: both ends and the middle of the order, none twice."""
    order = sorted(split.pictures, key=lambda picture: _merit(picture, scores), reverse=True)
    count = min(PER_GROUP, -(-len(order) // len(GROUPS)))
    best, worst = order[:count], order[count:][-count:]
    rest = order[len(best) : len(order) - len(worst)]
    start = max(0, (len(rest) - count) // 2)
    groups = zip(GROUPS, (best, rest[start : start + count], worst[::-1]), strict=True)
    return {group: pictures for group, pictures in groups if pictures}


def _merit(picture: Picture, scores: list[dict[int, Score]]) -> tuple:
    """Mean F1 of the detectors; among equals pictures with more to find, then surer detections, stand first."""
    here = [score[picture.id] for score in scores]
    measures = [score.at_threshold.F1 for score in here]
    sure = [result["score"] for score in here for result in score.right]
    f1 = float(np.mean([1.0 if value is None else value for value in measures]))
    return round(f1, 6), min(len(picture.boxes), 4), float(np.mean(sure)) if sure else 0.0, -picture.id


def _truth(split: Split, picture: Picture) -> Panel:
    return Panel("ground truth", None, [box_frame(split, "truth", box) for box in picture.boxes])


def _panel(split: Split, title: str, index: int, score: Score) -> Panel:
    frames = [box_frame(split, "missed", box) for box in score.missed]
    frames += [_result_frame(split, "right", result) for result in score.right[::-1]]
    # dashed, so that a right one of another class still shows below
    frames += [_result_frame(split, "wrong", result) for result in score.wrong[::-1]]
    return Panel(title, index, frames, score.at_threshold.F1)


def box_frame(split: Split, kind: str, box: Box) -> Frame:
    """A box of the ground truth."""
    name = split.classes[box.category - 1]
    return Frame(kind, box.x, box.y, box.width, box.height, box.category, name)


def _result_frame(split: Split, kind: str, result: dict) -> Frame:
    category = result["category_id"]
    return Frame(kind, *result["bbox"], category, split.classes[category - 1], result["score"])


def css_colour(category: int) -> str:
    """A class's colour, the same as in drawn predictions."""
    return "#{:02x}{:02x}{:02x}".format(*class_colour(category))


def _shown(split: Split, picture: Picture, group: str, panels: list[Panel]) -> Shown:
    return Shown(picture, _embed(split.load(picture)), group, panels)


def _embed(pixels: np.ndarray) -> str:
    """Pixels as a small JPEG in a data: URL."""
    image = Image.fromarray(pixels)
    if image.width > WIDEST:
        image = image.resize((WIDEST, max(1, round(image.height * WIDEST / image.width))), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()
