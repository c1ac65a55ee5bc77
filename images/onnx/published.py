"""The models that a verb is given, by the name they are published under or as files, held against the contract."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx

from isomer import contract, progress
from isomer.contract import Thresholds
from isomer.errors import UserError, known
from isomer.graph import check, parts, seal
from isomer.volume import NAME, Volume


@dataclass(frozen=True)
class Published:
    """A model of the contract.

    Attributes:
        name: what it is called among the others of a command.
        about: its metadata.
        classes: its names in the order of the ids it reports.
    """

    name: str
    path: Path
    model: onnx.ModelProto
    about: dict[str, str]
    classes: tuple[str, ...]

    @property
    def score_threshold(self) -> float:
        """Above which it reports detections: what is inside, or where nothing is, what the metadata says."""
        inside = parts.thresholds(self.model).get(contract.SCORE_THRESHOLD, float(self.about["score_threshold"]))
        return round(inside, 6)  # float32 has no more, and 0.3 should read so

    @property
    def batch(self) -> int | None:
        """What the batch is fixed to; None where it takes any."""
        return check.fixed_batch(self.model)

    def as_taken(self, pictures: np.ndarray) -> np.ndarray:
        """Pictures, uint8 [n, height, width, 3] RGB, in the order of channels that the model takes."""
        return np.ascontiguousarray(pictures[..., ::-1]) if self.about["channels"] == "bgr" else pictures

    @property
    def has_score_threshold(self) -> bool:
        """Whether there is one inside that can be changed; a graph of its own may have none."""
        return contract.SCORE_THRESHOLD in parts.thresholds(self.model)

    def reporting_above(self, score: float) -> onnx.ModelProto:
        """The model with another score threshold; as it is where it has none of its own to change."""
        if not self.has_score_threshold:
            return self.model
        own = parts.thresholds(self.model)
        most = int(own.get(contract.MAX_DETECTIONS, Thresholds.max_detections))
        # a model with its own NMS has no overlap to keep
        kept = Thresholds(score, own.get(contract.IOU_THRESHOLD, Thresholds.iou), most)
        return parts.with_thresholds(self.model, kept)


def read(path: Path) -> Published:
    """An ONNX file, whether it meets the contract or not.

    Raises:
        UserError: it is not there, or not ONNX.
    """
    model = check.load(path)
    return Published(path.stem, path, model, check.metadata(model), check.classes(model) or ())


def find(volume: Volume, words: Iterable[str]) -> list[Published]:
    """The models that `--model` names, each a published model's name or a file, all under the contract.

    Raises:
        UserError: there is no such model or file, or it does not meet the contract; what would mend it is said.
    """
    found = [read(_path(volume, word)) for word in dict.fromkeys(words)]
    for model in found:
        require_contract(model)
    names = [model.name for model in found]
    # two files of one name are told apart by their folders
    return [
        model if names.count(model.name) == 1 else replace(model, name=f"{model.path.parent.name}/{model.name}")
        for model in found
    ]


def _path(volume: Volume, word: str) -> Path:
    published = volume.models / f"{word}.onnx"
    if NAME.fullmatch(word) and published.is_file():
        return published
    if Path(word).exists():
        return Path(word)
    names = (path.stem for path in volume.models.glob("[!.]*.onnx"))
    raise UserError(f"--model {word}: no such file, and {known('published model', word, names)}")


def require_contract(model: Published) -> None:
    """Refuse a model that nobody could feed or read; one changed after the gate saw it is used, and that is said.

    Raises:
        UserError: it does not meet the contract; the points, and the command that would mend it.
    """
    findings = check.check(model.model, sealed=False)
    if findings:
        points = "; ".join(map(str, findings[:3])) + (f"; and {len(findings) - 3} more" if len(findings) > 3 else "")
        if "run" in model.about:
            cure = f"It was made by Isomer and changed since: export or convert {model.about['run']} again"
        else:
            command = f"./inv convert {shlex.quote(str(model.path))} --name {_as_name(model.path.stem)}"
            cure = f"Make it one of the contract with: {command}"
        raise UserError(f"{model.path} does not meet the contract: {points}. {cure}")
    if seal.is_intact(model.model) is False:
        progress.say(
            f"note: {model.name} was changed after the gate saw it, so what the gate proved is not proved of it"
        )


def _as_name(stem: str) -> str:
    """A file's name as that of a published model may be."""
    return re.sub(r"^[^A-Za-z0-9]+|[^A-Za-z0-9._-]+", "", stem) or "model"
