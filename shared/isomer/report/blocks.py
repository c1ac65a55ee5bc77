"""What a page is made of: plain values that document.page turns into HTML. All text is text: it is escaped.

    Section   a heading, a note, and blocks below each other
    Verdict   what is to be known first: a sentence that is good, bad or neither, and what explains it
    Note      a paragraph; a warning has a frame
    Table     rows that can be sorted by any column; a cell is a Cell, or a word or a number
    Charts    curves that can be read with the pointer, drawn by uPlot; as many beside each other as fit
    Bars      a histogram
    Shares    a whole in its parts, one bar
    Images    small pictures with a line below
    Columns   blocks beside each other where there is room
    Legend    marks and what they stand for
    Gallery   pictures with boxes: see gallery.py

A colour is a place in the page's palette (an int, of any size) or CSS's own (a string).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from isomer.report import words

Colour = int | str
GOOD, BAD, PLAIN = STATES = ("good", "bad", "plain")


@dataclass(frozen=True)
class Section:
    title: str
    blocks: Sequence[Any]
    note: str = ""

    @property
    def id(self) -> str:
        return words.slug(self.title)


@dataclass(frozen=True)
class Verdict:
    """state: one of STATES."""

    kind: ClassVar[str] = "verdict"
    state: str
    headline: str
    lines: Sequence[str] = ()


@dataclass(frozen=True)
class Note:
    kind: ClassVar[str] = "note"
    text: str
    warning: bool = False


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    text: what is shown; value: what is sorted by, the text where it is None; small: a line below; bar: a fraction from
    0 to 1 drawn below; mark: a dot, swatch: a square in a colour before the text; tick: a sign for yes or no;
    hint: shown on hovering; name: of the figure, for scripts that keep it up to date.
    """

    text: str = ""
    value: float | str | None = None
    small: str = ""
    bar: float | None = None
    colour: Colour = 0
    mark: Colour | None = None
    swatch: Colour | None = None
    tick: bool | None = None
    state: str = ""  # "good" or "bad" colours the text
    code: bool = False
    hint: str = ""
    name: str = ""


@dataclass(frozen=True)
class Table:
    """Rows under a head; the first cell of a row names it.

    cards: on a phone every row is a card of its own, for tables wider than that; text: columns, by place, that hold
    sentences; faint: columns of less importance; plain: not to be sorted.
    """

    kind: ClassVar[str] = "table"
    head: Sequence[str | Cell]
    rows: Sequence[Sequence[Cell | str | float | None]]
    note: str = ""
    cards: bool = False
    text: Sequence[int] = ()
    faint: Sequence[int] = ()
    plain: bool = False

    @property
    def cells(self) -> list[list[Cell]]:
        return [[cell(value) for value in row] for row in self.rows]

    @property
    def heads(self) -> list[Cell]:
        return [cell(value) for value in self.head]


def cell(value: Cell | str | float | None) -> Cell:
    """A value as a cell: fractions with three digits, whole numbers whole, None as a dash."""
    if isinstance(value, Cell):
        return value
    if isinstance(value, str):
        return Cell(value)
    return Cell(words.digits(value) if isinstance(value, float) else words.whole(value), value)


@dataclass(frozen=True)
class Series:
    """A curve: x rising; y may hold None where there is nothing."""

    label: str
    x: Sequence[float]
    y: Sequence[float | None]
    colour: Colour = 0
    dash: bool = False


@dataclass(frozen=True)
class Chart:
    """Curves over one axis.

    fraction: y from 0 to 1; square: x from 0 to 1 too; points: marks at the values; legend: says below the title which
    curve is which; log: x is logarithmic;
    link: of a precision-recall chart, the class whose point moves with the threshold (0 is all classes together);
    marks: values of x with a line across.
    """

    title: str
    series: Sequence[Series]
    x: str = ""
    y: str = ""
    fraction: bool = False
    square: bool = False
    points: bool = False
    legend: bool = False
    log: bool = False
    link: int | None = None
    marks: Sequence[float] = ()

    def to_json(self) -> str:
        keys = ("label", "x", "y", "colour", "dash")
        series = [{key: getattr(one, key) for key in keys} for one in self.series]
        flags = {key: getattr(self, key) for key in ("x", "y", "fraction", "square", "points", "log", "link", "marks")}
        return words.json_text({"title": self.title, "series": series, **flags})


@dataclass(frozen=True)
class Charts:
    kind: ClassVar[str] = "charts"
    charts: Sequence[Chart]
    wide: bool = False  # two beside each other at most


@dataclass(frozen=True)
class Bar:
    """label: what it counts, in words; tick: below it, often nothing."""

    label: str
    tick: str
    count: float


@dataclass(frozen=True)
class Bars:
    """A histogram; aside: a figure beside the title."""

    kind: ClassVar[str] = "bars"
    title: str
    bars: Sequence[Bar]
    aside: str = ""

    @property
    def highest(self) -> float:
        return max((bar.count for bar in self.bars), default=0) or 1


@dataclass(frozen=True)
class Share:
    label: str
    value: float
    colour: Colour
    text: str = ""


@dataclass(frozen=True)
class Shares:
    kind: ClassVar[str] = "shares"
    title: str
    parts: Sequence[Share]


@dataclass(frozen=True)
class Picture:
    """data: a data: URL."""

    data: str
    caption: str
    alt: str


@dataclass(frozen=True)
class Images:
    kind: ClassVar[str] = "images"
    title: str
    pictures: Sequence[Picture]


@dataclass(frozen=True)
class Columns:
    kind: ClassVar[str] = "columns"
    blocks: Sequence[Any]
    narrow: bool = False  # three beside each other


@dataclass(frozen=True)
class Legend:
    """marks: (colour, text)."""

    kind: ClassVar[str] = "legend"
    marks: Sequence[tuple[Colour, str]]
    dashes: Sequence[str] = field(default=())  # what an unbroken line stands for, then a dashed one
