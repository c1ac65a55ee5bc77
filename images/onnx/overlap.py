"""Reading ahead, and finishing behind: several frames are decoded, run and encoded at the same time, in order."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

T = TypeVar("T")

DEPTH = 4  # items between two threads: evens out their pace, and is little memory
PATIENCE_SECONDS = 2.0  # with a reader that waits for a camera or a host while it is told to end
END = object()


class Ahead(Generic[T]):
    """Iterates over items that another thread takes from their source meanwhile.

    Args:
        newest: where the items come faster than they are used, older ones make room for newer ones.

    Attributes:
        left_out: how many items did.
    """

    def __init__(self, items: Iterable[T], newest: bool = False) -> None:
        self.left_out = 0
        self._newest = newest
        self._queue: queue.Queue = queue.Queue(1 if newest else DEPTH)
        self._stopped = threading.Event()
        # a daemon: a camera that gives nothing must not keep the program from ending
        self._thread = threading.Thread(target=self._read, args=(items,), daemon=True)

    def __iter__(self) -> Iterator[T]:
        self._thread.start()
        while True:
            item, error = self._queue.get()
            if error is not None:
                raise error
            if item is END:
                return
            yield item

    def _read(self, items: Iterable[T]) -> None:
        last: tuple[Any, BaseException | None] = (END, None)
        try:
            for item in items:
                if self._newest:
                    self._make_room()
                self._put((item, None))
                if self._stopped.is_set():
                    return
        except BaseException as error:
            last = (END, error)
        self._put(last)

    def _make_room(self) -> None:
        with contextlib.suppress(queue.Empty):
            while self._queue.full():
                self._queue.get_nowait()
                self.left_out += 1

    def _put(self, entry: tuple[Any, BaseException | None]) -> None:
        while not self._stopped.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(entry, timeout=0.1)
                return

    def stop(self) -> bool:
        """Stop reading; false where the reader still waits for its source."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join(PATIENCE_SECONDS)
        return not self._thread.is_alive()


class Behind:
    """Calls that another thread makes, one after the other; who hands over too many waits."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._waiting: deque[Future] = deque()

    def call(self, function: Callable, *arguments: Any) -> Future:
        made = self._pool.submit(function, *arguments)
        self._waiting.append(made)
        while len(self._waiting) > DEPTH:
            self._waiting.popleft().result()
        return made

    def finish(self) -> None:
        """Wait for all calls; the first error of one is raised."""
        try:
            while self._waiting:
                self._waiting.popleft().result()
        finally:
            self._pool.shutdown()
