"""Tables and JSON for those who ask what there is."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

WIDE = 200  # columns, where no terminal says how many


def show(
    headings: Iterable[str],
    rows: Iterable[Sequence[str]],
    right: Iterable[str] = (),
    title: str = "",
    optional: Iterable[str] = (),
) -> None:
    """Print a table; `right` names the columns of figures, `optional` those that a narrow terminal is spared."""
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else WIDE, markup=False, highlight=False)
    headings, rows = list(headings), list(rows)
    columns = [(name, [row[place] for row in rows]) for place, name in enumerate(headings)]
    needed = sum(3 + max(len(line) for cell in (name, *cells) for line in cell.split("\n")) for name, cells in columns)
    if needed + 1 > console.width:
        left_out = set(optional)
        columns = [(name, cells) for name, cells in columns if name not in left_out]
    table = Table(title=title or None, title_justify="left")
    figures = set(right)
    for name, _ in columns:
        table.add_column(name, justify="right" if name in figures else "left", overflow="fold")
    for row in zip(*(cells for _, cells in columns), strict=True):
        table.add_row(*row)
    console.print(table)


def figure(value: float | None, digits: int = 3) -> str:
    """A number, or a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"
