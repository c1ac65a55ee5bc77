"""Tables in the terminal: names left, figures right, columns that say nothing left out."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

WIDE = 160  # characters; a log has no width: give a table what it needs instead of folding its figures


def show(title: str, head: Sequence[str], rows: Sequence[Sequence[str]], words: Sequence[str] = ()) -> None:
    """Print a table.

    Args:
        words: names of the columns that hold words; the others hold figures.
    """
    # of a class called [dog] rich would make a style
    console = Console(width=None if Console().is_terminal else WIDE, markup=False)
    table = Table(title=title, title_justify="left")
    kept = [place for place in range(len(head)) if any(row[place] for row in rows)]
    for place in kept:
        table.add_column(head[place], justify="left" if head[place] in words else "right")
    for row in rows:
        table.add_row(*(row[place] for place in kept))
    console.print(table)
