"""Models made elsewhere: what was given, which pictures it is tried on, what its classes are called, what comes out.

An image's convert.py calls `begin()`, opens `Conversion.source`, and ends with `write_core` or `write_whole`.
"""

from isomer.converting.conversion import Conversion, begin

__all__ = ["Conversion", "begin"]
