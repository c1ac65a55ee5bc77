"""What the cells of an open notebook ask for by `./inv VERB …` (isomer.asking), run out here as if typed in a terminal.

Whoever asks gets no further by it than a notebook does: the data volume, the verbs' own steps, this engine.
"""

from __future__ import annotations

import json
import os
import secrets
import select
import shlex
import signal
import socket
import socketserver
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from threading import Event, Thread

from isomer.asking import short
from isomer.errors import UserError
from isomer.manners import QUIET
from launcher import project

# They need a terminal, or change what is outside of the data volume.
TERMINAL_ONLY = ("build", "clean", "docs", "lock", "notebook", "shell", "test")


@contextmanager
def answering(engine: str, folder: Path) -> Iterator[Path]:
    """Run what is asked for, by an engine, until the block ends; gives the socket, which is in `folder`."""
    name = f".launcher-{secrets.token_hex(4)}"
    opened = os.open(folder, os.O_DIRECTORY)
    server = Server(short(opened, name), engine)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
    thread.start()
    try:
        yield folder / name
    finally:
        server.shutdown()
        thread.join()
        server.ended.set()
        server.server_close()  # waits for its threads
        (folder / name).unlink(missing_ok=True)
        os.close(opened)


class Server(socketserver.ThreadingUnixStreamServer):
    """Each verb in a thread of its own."""

    def __init__(self, address: str, engine: str) -> None:
        super().__init__(address, Handler)
        self.engine = engine
        self.ended = Event()


class Handler(socketserver.BaseRequestHandler):
    """One verb: until it ends, or the notebook does, or whoever asked is gone, as after an interrupted cell."""

    def handle(self) -> None:
        words, folder, (out, err) = receive(self.request)
        try:
            refuse(words, folder)
            child = start(words, folder, self.server.engine, out, err)
        except UserError as error:
            os.write(err, f"error: {error}\n".encode())
            self._answer(error.exit_code)
            return
        finally:
            os.close(out)
            os.close(err)
        while child.poll() is None:
            # nothing comes but the end
            if select.select([self.request], [], [], 0.1)[0] or self.server.ended.is_set():
                with suppress(ProcessLookupError):
                    child.send_signal(signal.SIGINT)  # a launcher then ends its step
                child.wait()
        self._answer(child.returncode)

    def _answer(self, code: int) -> None:
        with suppress(BrokenPipeError):
            self.request.sendall(str(code if code >= 0 else 128 - code).encode())


def receive(asked: socket.socket) -> tuple[list[str], Path, list[int]]:
    """The words of a request, the folder it was typed in, and where its output goes."""
    text, handed, *_ = socket.recv_fds(asked, 1 << 16, 2)
    while not text.endswith(b"\n") and (more := asked.recv(1 << 16)):
        text += more
    request = json.loads(text)
    return request["words"], project.volume().root / request["folder"], handed


def refuse(words: list[str], folder: Path) -> None:
    """Raises UserError for what a notebook has no business with."""
    typed = f"type it in a terminal: ./inv {shlex.join(words)}"
    for before, word in pairwise(("", *words)):  # a verb may stand behind another; a split is called test, too
        if word in TERMINAL_ONLY and before != "--split":
            raise UserError(f"{word} is not for a notebook; {typed}")
    root = project.volume().root.resolve()
    for word in (".", *words):
        flag, _, value = word.partition("=") if word.startswith("-") else ("", "", word)
        if flag == "--engine":
            raise UserError("--engine: a notebook's verbs are run by the engine that the notebook was opened with")
        if word.endswith(".py"):  # invoke takes such for its own settings, and runs it
            raise UserError(f"{word}: no verb takes Python")
        if value.startswith("~") or not (folder / value).resolve().is_relative_to(root):
            raise UserError(f"{value} is outside of the data volume, which is all that a notebook sees; {typed}")


def start(words: list[str], folder: Path, engine: str, out: int, err: int) -> subprocess.Popen:
    """A launcher of its own for a verb."""
    return subprocess.Popen(
        [sys.executable, str(project.ROOT / "tasks.py"), *words],
        cwd=folder,
        # the commands that a verb runs are long lines of what a notebook's reader cannot type
        env={QUIET: "1", **os.environ, "ISOMER_ENGINE": engine, "ISOMER_DATA": str(project.volume().root)},
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=err,
        process_group=0,  # Ctrl-C in the terminal ends the notebook first
    )
