"""The processes that srun has started for a run meet before they load a framework.

What is wrong with one of them is said once, with its node's name, and ends all: without it the others would wait in the
framework's own meeting, for minutes, for one that has failed. And what must be the same on all nodes is compared.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

from isomer.errors import ProcessLost, UserError
from isomer.slurm import Task

T = TypeVar("T")

PATIENCE = 300.0  # seconds until all have come: a file system that many start from is slow
HELLO_SECONDS = 5.0
AGAIN = 0.2  # between two tries to reach the first


class Meeting:
    """What one process says all hear; a context manager.

    With None for a task it is a process alone, which hears itself.

    Raises:
        ProcessLost: one has not come, or is gone.
    """

    def __init__(self, task: Task | None, patience: float = PATIENCE) -> None:
        self.task, self._patience = task, patience
        self._others: list = []  # of the first: streams to the others, in their order
        self._first = None  # of the others: the stream to the first
        self._open = contextlib.ExitStack()
        self.addresses: tuple[str, ...] = ("127.0.0.1",)  # of all processes, as the others reach them

    def __enter__(self) -> Meeting:
        if self.task is None:
            return self
        self._end = time.monotonic() + self._patience
        with contextlib.ExitStack() as undo:
            undo.push(self._open)
            if self.task.first:
                self._receive()
            else:
                self._come()
            self._open = undo.pop_all()
        self.addresses = tuple(self.all(self.addresses)[0])
        return self

    def __exit__(self, *_) -> None:
        self._open.close()

    @property
    def is_first(self) -> bool:
        return self.task is None or self.task.first

    def all(self, value: Any) -> list[Any]:
        """What each process says (JSON), in their order."""
        if self.task is None:
            return [value]
        try:
            if not self.task.first:
                _write(self._first, value)
                return _read(self._first)
            values = [value, *(_read(stream) for stream in self._others)]
            for stream in self._others:
                _write(stream, values)
        except (OSError, EOFError):
            raise ProcessLost(
                "another process of the run has ended before training began: look above for what it said"
            ) from None
        return values

    def each(self, work: Callable[[], T]) -> T:
        """What `work` gives here, once all processes have done theirs.

        Raises:
            UserError: in the first process, when one has failed. The others leave with the same exit code, silent.
        """
        if self.task is None:
            return work()
        result, said = None, None
        try:
            result = work()
        except UserError as error:
            said = (str(error), error.exit_code)
        nodes, failures = zip(*self.all((self.task.node, said)), strict=True)
        failed = [(node, *failure) for node, failure in zip(nodes, failures, strict=True) if failure]
        if failed:
            node, words, code = failed[0]
            everywhere = len(failed) == len(nodes) and len({one for _, one, _ in failed}) == 1
            self.refuse(words if everywhere else f"on {node}: {words}", code)
        return result

    def refuse(self, words: str, code: int = UserError.exit_code) -> None:
        """End all processes: called in all of them, said by the first."""
        if not self.is_first:
            sys.exit(code)
        error = UserError(words)
        error.exit_code = code
        raise error

    def _receive(self) -> None:
        try:
            server = self._open.enter_context(socket.create_server(("", self.task.port), backlog=self.task.count))
        except OSError as error:
            raise ProcessLost(f"port {self.task.port} of {self.task.node} cannot be used: {error.strerror}") from None
        found: dict[int, tuple[Any, str]] = {}
        mine = "127.0.0.1"
        while len(found) < self.task.count - 1:
            server.settimeout(max(self._end - time.monotonic(), 0.001))
            try:
                connection, (address, _) = server.accept()
            except TimeoutError:
                missing = sorted(set(range(1, self.task.count)) - found.keys())
                raise ProcessLost(
                    f"{len(missing)} of {self.task.count} processes have not come to {self.task.node} in "
                    f"{self._patience:g} s, the first of them is task {missing[0]} of job {self.task.job}"
                ) from None
            stream = self._stream(connection)
            connection.settimeout(HELLO_SECONDS)  # others may knock too, and say nothing
            with contextlib.suppress(OSError, EOFError, ValueError, TypeError, KeyError):
                hello = _read(stream)
                if hello["job"] == self.task.job:
                    found[hello["rank"]] = stream, address
                    connection.settimeout(self._patience)
                    # as others reach this machine: its own name may mean the loopback here
                    mine = mine if hello["to"].startswith("127.") else hello["to"]
        self._others = [found[rank][0] for rank in sorted(found)]
        addresses = [mine, *(found[rank][1] for rank in sorted(found))]
        self.addresses = tuple(mine if one.startswith("127.") else one for one in addresses)

    def _come(self) -> None:
        hosts = dict.fromkeys((self.task.nodes[0], self.task.launcher))
        while True:
            for host in hosts:
                with contextlib.suppress(OSError):
                    connection = socket.create_connection((host, self.task.port), timeout=10)
                    self._first = self._stream(connection)
                    to = connection.getpeername()[0]
                    _write(self._first, {"job": self.task.job, "rank": self.task.rank, "to": to})
                    return
            if time.monotonic() > self._end:
                raise ProcessLost(
                    f"{self.task.node} does not reach the first process of the run at {self.task.nodes[0]}:"
                    f"{self.task.port}: it has ended, or the network does not let it through"
                )
            time.sleep(AGAIN)

    def _stream(self, connection: socket.socket):
        connection.settimeout(self._patience)
        self._open.enter_context(connection)
        return self._open.enter_context(connection.makefile("rw", encoding="utf-8"))


def _write(stream, value: Any) -> None:
    stream.write(json.dumps(value) + "\n")
    stream.flush()


def _read(stream) -> Any:
    line = stream.readline()
    if not line.endswith("\n"):
        raise EOFError
    return json.loads(line)
