"""`./inv completion SHELL`: the script that a shell reads to complete verbs and flags; invoke's own, for `./inv`."""

from __future__ import annotations

import contextlib
import io

from invoke.completion.complete import print_completion_script

from launcher.verbs import Parsed

NAMES = ["./inv", "inv"]  # the first is called to complete


def run(given: Parsed) -> None:
    with contextlib.redirect_stdout(io.StringIO()) as said:
        print_completion_script(given.flags.shell, NAMES)
    # shells' functions have no slash in their names
    print(said.getvalue().replace(f"complete_{NAMES[0]}", f"complete_{NAMES[1]}"), end="")
