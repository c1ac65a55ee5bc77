"""`./inv VERB …` in a cell of a notebook: asks the launcher that opened the notebook to run the verb, outside.

A notebook's kernel is in one image, and most verbs need another one, or several. The launcher listens at the socket
`$ISOMER_LAUNCHER` in the data volume; it is handed this process's output, so that the verb writes to the cell itself,
and answers with the exit code. Standard library only.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

from isomer.errors import EXIT_FAILED, UserError, run_main
from isomer.volume import Volume

VARIABLE = "ISOMER_LAUNCHER"
PROGRAM = '#!/bin/sh\nexec python3 -m isomer.asking "$@"\n'  # what ./inv is in the folder of the notebooks


def ask(place: Path, words: list[str], folder: str) -> int:
    """The exit code of a verb that is run in a folder of the data volume.

    Raises:
        OSError: no launcher listens.
    """
    opened = os.open(place.parent, os.O_DIRECTORY)
    with socket.socket(socket.AF_UNIX) as asked:
        asked.connect(short(opened, place.name))
        os.close(opened)
        request = json.dumps({"words": words, "folder": folder}) + "\n"
        socket.send_fds(asked, [request.encode()], [sys.stdout.fileno(), sys.stderr.fileno()])
        answer = asked.recv(16)
    return int(answer) if answer else EXIT_FAILED


def short(folder: int, name: str) -> str:
    """A socket's address by its opened folder: a path may be longer than the 107 characters that an address has."""
    return f"/proc/self/fd/{folder}/{name}"


def main() -> None:
    place = os.environ.get(VARIABLE)
    if not place:
        raise UserError("this ./inv is for the cells of `./inv notebook`; outside use the one in the repository")
    root = Volume.from_environment().root
    here = Path.cwd()
    if not here.is_relative_to(root):
        raise UserError(f"in a notebook ./inv works below the data volume, {root}, and this is {here}")
    try:
        code = ask(Path(place), sys.argv[1:], str(here.relative_to(root)))
    except OSError as error:
        raise UserError(
            f"the launcher that opened this notebook does not answer ({error.strerror}); open it again"
        ) from None
    sys.exit(code)


if __name__ == "__main__":
    run_main(main)
