"""The data volume's weights/: published files by name, each with its SHA-256 beside it. Standard library only.

weights/FILE  weights/FILE.sha256 (as sha256sum writes it: `sha256sum --check *.sha256` in the folder works)
"""

from __future__ import annotations

from pathlib import Path

from isomer import files


def record_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def recorded_sha256(path: Path) -> str | None:
    """The SHA-256 that was recorded when a file of weights was fetched."""
    record = record_of(path)
    words = record.read_text().split() if record.is_file() else []
    return words[0] if words else None


def record(path: Path, sha256: str) -> None:
    """Write down the SHA-256 of a file of weights."""
    files.write_text(record_of(path), f"{sha256}  {path.name}\n")
