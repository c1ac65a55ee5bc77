"""convert's second step as the verb runs it: after identification, for a file of a kind."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from converting import from_checkpoint, from_torchscript

from isomer import files
from isomer.contract import Core
from isomer.converting import begin, source
from isomer.converting.source import KINDS, Source
from isomer.run import RunFolder
from isomer.volume import Volume


def convert(volume: Volume, path: Path, *flags: str, kind: str = "torch") -> RunFolder:
    """As the verb does it, after the file was identified."""
    run = RunFolder(volume.runs / "made")
    run.path.mkdir(parents=True, exist_ok=True)
    files.write_json(run.path / "config.json", {"framework": "torch", "data": None, "converted": True})
    digest, size = source.digest([path])
    source.write(run, Source(kind, KINDS[kind], str(path), str(path), path.name, digest, size))
    opener = from_torchscript if kind == "torchscript" else from_checkpoint
    opener.convert(begin([str(path), "--name", "made", *flags]))
    return run


def core_of(run: RunFolder) -> Core:
    return Core.from_json(json.loads(run.core_json.read_text()))


def save(state: dict, path: Path) -> Path:
    torch.save(state, path)
    return path
