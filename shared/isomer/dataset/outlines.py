"""Shapes that annotation tools draw, as points that reach to their sides: for the rectangle around them."""

from __future__ import annotations

import math

Point = tuple[float, float]


def ellipse(centre: Point, a: float, b: float, angle: float = 0.0) -> list[Point]:
    """The corners of the rectangle around an ellipse of half axes a and b, turned by `angle` (radians)."""
    x, y = centre
    wide = math.hypot(a * math.cos(angle), b * math.sin(angle))
    high = math.hypot(a * math.sin(angle), b * math.cos(angle))
    return [(x - wide, y - high), (x + wide, y + high)]


def rectangle(corner: Point, width: float, height: float, angle: float, about: Point) -> list[Point]:
    """The four corners of a rectangle, `corner` its upper left one, turned by `angle` (radians) about a point."""
    (left, top), (x, y) = corner, about
    sides = [(left + right - x, top + down - y) for right in (0, width) for down in (0, height)]
    cosine, sine = math.cos(angle), math.sin(angle)
    return [(x + dx * cosine - dy * sine, y + dx * sine + dy * cosine) for dx, dy in sides]
