"""Annotation formats that can be imported: one small module each, and this package is the list.

A module gives `NAME` (what `--format` takes), `ACCEPTS` (what it looks for, in words), `evidence(tree)` (a few words
on what was found of it, or None) and `read(tree)`. What understands the text is a pure function from bytes to boxes;
only `read` touches files.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Protocol

from isomer.dataset.source import Reading, Tree
from isomer.errors import UserError, known


class Format(Protocol):
    NAME: str
    ACCEPTS: str

    def evidence(self, tree: Tree) -> str | None: ...

    def read(self, tree: Tree) -> Reading: ...


def formats() -> dict[str, Format]:
    """All formats by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    return {module.NAME: module for module in modules}


def choose(tree: Tree, name: str | None) -> tuple[Format, str]:
    """The format of a folder and the evidence for it; `name` is what `--format` says, None to detect it.

    Raises:
        UserError: the name is not known; nothing of that format is there; no format fits, or several do.
    """
    all_formats = formats()
    if name is not None:
        if name not in all_formats:
            raise known("format", name, all_formats)
        found = all_formats[name].evidence(tree)
        if found is None:
            raise UserError(
                f"--format {name}: nothing of it under {tree.root} ({tree.describe()}); "
                f"it would be {all_formats[name].ACCEPTS}"
            )
        return all_formats[name], found
    evidence = {key: found for key, one in all_formats.items() if (found := one.evidence(tree))}
    if len(evidence) == 1:
        chosen, found = evidence.popitem()
        return all_formats[chosen], found
    if evidence:
        several = "; ".join(f"{key} ({found})" for key, found in evidence.items())
        raise UserError(f"annotations of several formats under {tree.root}: {several}. Give --format one of them")
    accepted = "; ".join(f"{key}: {one.ACCEPTS}" for key, one in all_formats.items())
    raise UserError(f"no known annotations under {tree.root} ({tree.describe()}). Known formats: {accepted}")
