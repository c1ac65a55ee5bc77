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
    script = said.getvalue()
    # shells' functions have no slash in their names, and fish finds a command's completions by its last part
    for before in ("complete_", "complete --command "):
        script = script.replace(f"{before}{NAMES[0]}", f"{before}{NAMES[1]}")
    print(script, end="")
