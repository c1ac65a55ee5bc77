"""The models that an image can train: its models.toml, read without its framework. Standard library only.

[ssdlite320_mobilenet_v3_large]           the first is what --model is when it is not given
title = "SSDLite320, MobileNetV3-Large"
size = 320                                input that the published weights were trained at, pixels
multiple = 128                            where it takes only multiples of so many pixels
parameters = 3_440_060                    with the classes of the published weights
gflops = 0.58                             billions of multiply-adds at that size
stages = 6                                of the backbone, as --freeze counts them
mAP = 0.213                               published, COCO val2017; `source` says where
source = "https://…"
paper = "https://…"
[ssdlite320_mobilenet_v3_large.weights.coco]
url = "https://…"                         the file's name in weights/ is the address's last part
sha256 = "a79551df"                       or its first digits, where no more is published; or md5
bytes = 14_000_000
licence = "BSD-3-Clause"
"""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass
from pathlib import Path

from isomer.errors import UserError, known

FILE = "models.toml"


@dataclass(frozen=True)
class Pretrained:
    """A published file of weights. `sha256` may be its first digits only, or None where that is not published."""

    url: str
    licence: str
    sha256: str | None = None
    md5: str | None = None
    bytes: int | None = None

    @property
    def file_name(self) -> str:
        return self.url.rpartition("/")[2]


@dataclass(frozen=True)
class Model:
    """An architecture. `weights` is by the word that --weights takes: coco, imagenet."""

    name: str
    title: str
    size: int
    parameters: int
    gflops: float
    source: str
    paper: str
    weights: dict[str, Pretrained]
    mAP: float | None = None  # noqa: N815 (as everybody writes it)
    multiple: int = 1
    stages: int | None = None

    def fitting(self, size: int) -> int:
        """The smallest input that the model takes and that is not below `size` pixels."""
        return math.ceil(size / self.multiple) * self.multiple

    def check_size(self, size: int) -> None:
        """Raise UserError unless the model takes an input of `size` pixels."""
        above = self.fitting(size)
        if size != above:
            below = max(above - self.multiple, self.multiple)
            near = " or ".join(f"{near}" for near in dict.fromkeys((below, above)))
            raise UserError(f"--size {size}: {self.name} takes multiples of {self.multiple} only, such as {near}")

    def check_freeze(self, freeze: str) -> None:
        """Raise UserError unless `--freeze` names the backbone, at most as many stages as it has, or norms."""
        count = int(freeze) if freeze.isdecimal() else 0
        if self.stages is not None and freeze not in ("backbone", "norms") and not 1 <= count <= self.stages:
            raise UserError(
                f"--freeze {freeze}: the backbone of {self.name} has {self.stages} stages: so many at most, "
                "backbone, or norms"
            )


def load(folder: Path) -> dict[str, Model]:
    """The models of the image whose scripts are in `folder`, by name, in the file's order."""
    entries = tomllib.loads((folder / FILE).read_text())
    return {name: _model(name, entry) for name, entry in entries.items()}


def choose(models: dict[str, Model], name: str | None, weights: str | None = None) -> Model:
    """The model that `--model` names, or the default one: the first, of those that have published `weights` if any has.

    Raises:
        UserError: there is no such model.
    """
    if name is None:
        return next((model for model in models.values() if weights in model.weights), next(iter(models.values())))
    if name not in models:
        raise known("--model", name, models)
    return models[name]


def _model(name: str, entry: dict) -> Model:
    weights = {word: Pretrained(**item) for word, item in entry.get("weights", {}).items()}
    return Model(name=name, **{**entry, "weights": weights})
