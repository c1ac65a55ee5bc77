"""Folders of annotations, made in a moment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from isomer.dataset.source import Tree


@pytest.fixture
def tree_of(tmp_path: Path):
    """A function from file names and their contents (text, bytes, or a value for JSON) to a tree."""

    def write(files: dict[str, object]) -> Tree:
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(content)
            else:
                path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return Tree(tmp_path)

    return write
