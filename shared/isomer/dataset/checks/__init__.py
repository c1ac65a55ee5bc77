"""The doctor of data: what is wrong with a labelled source or a dataset, where, and what to do about it.

findings.py has every code, and needs the standard library alone, so that the host can read it; each other module checks
one matter and yields findings. subject.py reads what is checked. `check` is loaded when it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isomer.dataset.checks.examination import check

__all__ = ["check"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from isomer.dataset.checks import examination

    return getattr(examination, name)
