"""source.json: what `convert` was given, as identification found it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from isomer import files
from isomer.errors import UserError
from isomer.run import RunFolder

VERSION = 1
# What a file may be, and the image that opens it.
KINDS = {
    "onnx": "onnx",
    "tf1-frozen": "tf",
    "tf1-checkpoint": "tf",
    "saved-model": "tf",
    "keras": "tf",
    "tflite": "tf",
    "torch": "torch",
    "torchscript": "torch",
    "safetensors": "torch",
}


@dataclass(frozen=True)
class Source:
    """A model made elsewhere.

    Attributes:
        kind: a key of KINDS. "keras" is .keras or .h5 by content, "torch" a checkpoint or state dict of torch.save.
        image: that opens it.
        path: what the user gave, as the step sees it.
        file: what to open: the file, the SavedModel's folder, the checkpoint's prefix (`…/model.ckpt-1000`).
        origin: the name it was given under, without its folder.
        sha256: of the file, or of all files that belong to it.
        bytes: of the same.
        about: what identification learned on the way, for people.
        more: files beside it that belong to it (an ONNX model's weights).
    """

    kind: str
    image: str
    path: str
    file: str
    origin: str
    sha256: str
    bytes: int
    about: dict[str, Any] = field(default_factory=dict)
    more: list[str] = field(default_factory=list)

    @property
    def opened(self) -> Path:
        return Path(self.file)


def write(run: RunFolder, source: Source) -> None:
    files.write_json(run.source_json, {"isomer_source": VERSION, **asdict(source)})


def read(run: RunFolder) -> Source:
    """The run's source.json, if what it speaks of is still the same.

    Raises:
        UserError: it is not there, or the model has changed since.
    """
    if not run.source_json.is_file():
        raise UserError(f"run {run.name!r} has no source.json: convert identifies the model first")
    value = json.loads(run.source_json.read_text())
    if value.pop("isomer_source", None) != VERSION:
        raise UserError(f"{run.source_json} was written by another version: convert again")
    source = Source(**value)
    if digest([*members(source.opened), *map(Path, source.more)])[0] != source.sha256:
        raise UserError(f"{source.path} has changed since it was identified: convert again")
    return source


def members(opened: Path) -> list[Path]:
    """The files that make up a model: one, those of a folder, or those of a checkpoint's prefix."""
    if opened.is_file():
        return [opened]
    if opened.is_dir():
        return sorted(path for path in opened.rglob("*") if path.is_file())
    return sorted(path for path in opened.parent.glob(f"{opened.name}.*") if path.is_file())


def digest(paths: list[Path]) -> tuple[str, int]:
    """sha256 and bytes of a file; of several, of their names and hashes, so that the folder's place does not count."""
    if len(paths) == 1:
        return files.sha256_of_file(paths[0]), paths[0].stat().st_size
    root = Path(*_common([path.parts for path in paths]))
    lines = [f"{path.relative_to(root)} {files.sha256_of_file(path)}\n" for path in paths]
    return hashlib.sha256("".join(lines).encode()).hexdigest(), sum(path.stat().st_size for path in paths)


def _common(paths: list[tuple[str, ...]]) -> list[str]:
    parts = []
    for column in zip(*paths, strict=False):
        if len(set(column)) > 1:
            break
        parts.append(column[0])
    return parts
