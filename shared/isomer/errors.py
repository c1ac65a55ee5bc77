"""Errors for people: a sentence instead of a traceback, and the exit code that goes with it.

Standard library only: the host imports it too.
"""

from __future__ import annotations

import difflib
import errno
import signal
import sys
import traceback
from collections.abc import Callable, Iterable
from typing import NoReturn

from isomer.manners import is_verbose

EXIT_FAILED = 1  # the work was done and the answer is no: a gate, a check, a comparison
EXIT_USAGE = 2  # what was asked for cannot be done as asked
EXIT_LOST = 75  # another process of a run is gone (sysexits.h: try again later)
EXIT_INTERRUPTED = 130  # Ctrl-C, as shells count it
EXIT_TERMINATED = 143  # SIGTERM, likewise

GOES_ON = "interrupted: what was finished is kept; the same command goes on from there"


class UserError(Exception):
    """What is wrong, where, and what to do, in words for the person who typed the command."""

    exit_code = EXIT_USAGE


class ProcessLost(UserError):
    """Another process of the same run is gone; nothing is wrong with what was asked for."""

    exit_code = EXIT_LOST


class CheckFailed(UserError):
    """The command itself went well; what it looked at did not pass."""

    exit_code = EXIT_FAILED


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The choice that was probably meant, or None."""
    close = difflib.get_close_matches(word, choices)
    # two letters exchanged is the commonest slip
    return next((choice for choice in close if sorted(choice) == sorted(word)), next(iter(close), None))


def unknown(what: str, word: str, choices: Iterable[str]) -> str:
    """The sentence about a name that is not known, with the one that was probably meant."""
    near = nearest(word, choices)
    return f"unknown {what} {word!r}" + (f"; did you mean {near!r}?" if near else ".")


def known(what: str, value: str, choices: Iterable[str]) -> UserError:
    """An error for a name that is not known, listing those that are (and the nearest one)."""
    choices = sorted(choices)
    return UserError(f"{unknown(what, value, choices)} Known: {', '.join(choices) or 'none yet'}")


def chosen(flag: str, words: str, choices: Iterable[str]) -> list[str]:
    """The names that a flag gives with commas, each once.

    Raises:
        UserError: one is not known.
    """
    names = list(dict.fromkeys(word.strip().lower() for word in words.split(",")))
    for name in names:
        if name not in choices:
            raise known(flag, name, choices)
    return names


def run_main(main: Callable[[], None], goes_on: bool = False) -> NoReturn:
    """Run a script's main function and leave with the right exit code.

    Args:
        goes_on: run again after Ctrl-C, it goes on where it was.

    SIGTERM becomes SystemExit, so that `finally` blocks clean up when a container is stopped.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_TERMINATED))
    try:
        main()
    except UserError as error:
        if is_verbose():
            traceback.print_exc()
        print(f"error: {error}", file=sys.stderr, flush=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print(GOES_ON if goes_on else "interrupted: this step starts anew next time", file=sys.stderr, flush=True)
        sys.exit(EXIT_INTERRUPTED)
    except OSError as error:
        sentence = _disk_sentence(error)
        if sentence is None:
            raise
        print(f"error: {sentence}", file=sys.stderr, flush=True)
        sys.exit(EXIT_USAGE)
    sys.exit(0)


def _disk_sentence(error: OSError) -> str | None:
    """A sentence for the failures of a disk that a user can mend; None for anything else."""
    # a failed copy names its source first, its target second
    where = error.filename2 or error.filename or "the data volume"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"no space left on the disk while writing {where}: free some space and run the same command again"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"no access to {where}: {error.strerror}; check its owner and permissions"
    return None
