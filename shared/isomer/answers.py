"""What --json asks for: one JSON document, alone on standard output or in a file, for programs.

Standard library only: the host imports it too.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from isomer import files

STDOUT = Path("-")
_stdout: list[TextIO] = []  # standard output, while what is said for people goes to standard error


@contextlib.contextmanager
def alone(where: Path | None) -> Iterator[None]:
    """Inside, all that is printed goes to standard error if the answer is to be on standard output."""
    if where != STDOUT or _stdout:
        yield
        return
    _stdout.append(sys.stdout)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        _stdout.clear()


def is_alone() -> bool:
    """Whether standard output is kept for an answer."""
    return bool(_stdout)


def give(where: Path | None, value: Any) -> None:
    """Write the answer where --json said; nowhere if it was not given."""
    if where == STDOUT:
        print(files.to_json(value), end="", file=_answering(), flush=True)
    elif where is not None:
        files.write_json(where, value)


def give_file(where: Path | None, path: Path) -> None:
    """The same with an answer that stands in a file, however long it is."""
    if where == STDOUT:
        with path.open(encoding="utf-8") as stream:
            shutil.copyfileobj(stream, _answering())
        _answering().flush()
    elif where is not None:
        with files.replacing(where) as temporary:
            shutil.copyfile(path, temporary)


def _answering() -> TextIO:
    return _stdout[0] if _stdout else sys.stdout
