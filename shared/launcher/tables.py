"""Tables and JSON for those who ask what there is."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from isomer import files

WIDE = 200  # columns, where no terminal says how many


def show(headings: Iterable[str], rows: Iterable[Iterable[str]], right: Iterable[str] = (), title: str = "") -> None:
    """Print a table; `right` names the columns of figures."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title or None, title_justify="left")
    figures = set(right)
    for heading in headings:
        table.add_column(heading, justify="right" if heading in figures else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else WIDE, markup=False, highlight=False).print(table)


def show_json(value: Any) -> None:
    print(files.to_json(value), end="")


def figure(value: float | None, digits: int = 3) -> str:
    """A number, or a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"
