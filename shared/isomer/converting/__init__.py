"""Models made elsewhere: what was given, which pictures it is tried on, what its classes are called, what comes out.

An image's convert.py calls `begin()`, opens `Conversion.source`, and ends with `write_core` or `write_whole`. Both are
loaded when they are asked for: the host, which has no numpy, reads the tables of known messages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isomer.converting.conversion import Conversion, begin

__all__ = ["Conversion", "begin"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from isomer.converting import conversion

    return getattr(conversion, name)
