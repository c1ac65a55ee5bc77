"""How much is said: what --quiet and --verbose of every verb set for the steps, too."""

from __future__ import annotations

import os

QUIET, VERBOSE = "ISOMER_QUIET", "ISOMER_VERBOSE"  # in compose.yaml, too


def is_quiet() -> bool:
    """Whether results, warnings and errors are enough: no commands, no bars."""
    return bool(os.environ.get(QUIET))


def is_verbose() -> bool:
    """Whether to show what is otherwise held back: where in the code an error was raised."""
    return bool(os.environ.get(VERBOSE))
