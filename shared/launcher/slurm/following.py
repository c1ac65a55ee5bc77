"""Following jobs: their logs and progress as if they ran here, why they wait, and their exit codes."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TextIO

from isomer.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_TERMINATED, UserError
from isomer.progress import Line, say
from launcher.slurm import queue
from launcher.slurm.batch import ENDED

LOOK_SECONDS = 0.1  # between two looks at the log
ASK_SECONDS = 2.0  # between two questions to Slurm, once the job runs
ASK_SOON_SECONDS = 0.4  # before
PATIENCE_SECONDS = 10.0  # in which the last word of a job that has ended gets here through a shared file system
# how a job ends that does not end by itself, and what to do about it
SENTENCES = {
    "TIMEOUT": "the time limit was reached: give a longer --time-limit",
    "OUT_OF_MEMORY": "more memory was used than was asked for: give more --memory, or a smaller --batch",
    "NODE_FAIL": "a node failed",
    "PREEMPTED": "another job took the nodes",
    "CANCELLED": "it was cancelled",
    "DEADLINE": "its deadline passed",
    "BOOT_FAIL": "a node did not start",
}


class Tail:
    """What is new in a file that another machine writes, line by line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream: TextIO | None = None
        self._rest = ""

    def lines(self) -> list[str]:
        if self._stream is None:
            try:
                self._stream = self._path.open(errors="replace")
            except FileNotFoundError:
                return []
        *lines, self._rest = (self._rest + self._stream.read()).split("\n")
        return lines

    def rest(self) -> str:
        """A last line without an end."""
        return self._rest


class Followed:
    """One job: `look` shows what is new of it."""

    def __init__(
        self,
        identity: str,
        log: Path,
        show: Callable[[str], None],
        ask: Callable[[str], queue.Job | None] = queue.job,
    ) -> None:
        """show: is given each new line; ask: is given the job's number, and gives what Slurm knows of it."""
        self.identity, self._log, self._show, self._job = identity, log, show, ask
        self._tail = Tail(log)
        self._end = re.compile(rf"job {re.escape(identity)} {ENDED} (\d+)")
        self._said, self._asked, self._ended = "", 0.0, 0.0
        self.runs = False

    def look(self) -> int | None:
        """Show what is new; the exit code when it has ended. A restart is no end.

        Raises:
            UserError: Slurm does not answer any more, or the job ended without a word about how.
        """
        code = None
        for text in self._tail.lines():
            self._show(text)
            found = self._end.match(text)
            code = int(found[1]) if found else code
        now = time.monotonic()
        if code is None and now - self._asked > (ASK_SECONDS if self.runs else ASK_SOON_SECONDS):
            self._asked = now
            return self._ask(now)
        return code

    def _ask(self, now: float) -> int | None:
        job = self._job(self.identity)
        if job and job.never_starts:
            queue.cancel(self.identity)
            raise UserError(f"job {self.identity} would never start, and is cancelled: {job.why()}")
        if job and not job.has_ended:
            self._ended = 0.0
            self.runs = job.state == "RUNNING"
            # a job that starts at once need not say why it waits
            waits = job.state == "PENDING" and job.reason != "None"
            words = f"runs on {job.nodes}" if self.runs else f"waits: {job.why()}" if waits else self._said
            if words != self._said:
                self._said = words
                self._moved(words)
            return None
        self._ended = self._ended or now
        patience = 1.0 if not self._log.exists() or (job and job.state == "CANCELLED") else PATIENCE_SECONDS
        return self._without_word(job) if now - self._ended > patience else None

    def _without_word(self, job: queue.Job | None) -> int:
        """The exit code of a job whose script could not say it."""
        identity = self.identity
        if self._tail.rest():
            self._show(self._tail.rest())
        if job is None:
            raise UserError(
                f"Slurm does not know job {identity} any more, and its log {self._log} does not say how it ended"
            )
        if not self._log.exists() and job.state != "CANCELLED":
            raise UserError(
                f"job {identity} ended ({job.state}) and wrote no log: can its nodes ({job.nodes}) write in "
                f"{self._log.parent}?"
            )
        words = SENTENCES.get(job.state, "its batch script was killed" if job.exit_code > 128 else "see its log")
        self._show(f"job {identity} ended: {job.state}, {words}")
        if job.state == "CANCELLED":
            return EXIT_TERMINATED
        return job.exit_code or (0 if job.state == "COMPLETED" else EXIT_FAILED)

    def _moved(self, words: str) -> None:
        """It waits for something else, or runs now."""
        self._show(f"job {self.identity} {words}")


def follow(jobs: Iterable[tuple[str, Path]], labels: Iterable[str] = ()) -> dict[str, int]:
    """Show the logs of jobs until all have ended; their exit codes by id.

    Raises:
        UserError: see Followed.look.
        Left: the person who watches wants to go.
    """
    line = Line()
    jobs = list(jobs)
    names = list(labels) or [""] * len(jobs)
    open_ = [
        Followed(identity, log, lambda text, label=label: line.show(f"{label}{text}"))
        for (identity, log), label in zip(jobs, names, strict=True)
    ]
    codes: dict[str, int] = {}
    try:
        while open_:
            for one in list(open_):
                code = one.look()
                if code is not None:
                    codes[one.identity] = code
                    open_.remove(one)
            if open_:
                time.sleep(LOOK_SECONDS)
    except KeyboardInterrupt:
        raise SystemExit(leave([one.identity for one in open_])) from None
    except SystemExit:  # SIGTERM: nobody is there to be asked
        say_left([one.identity for one in open_])
        raise
    return codes


def leave(identities: list[str]) -> int:
    """Ask whether to cancel jobs or to leave them in the queue; the exit code of the verb. Without a terminal they
    are left."""
    answer = ""
    if sys.stdin.isatty() and sys.stdout.isatty():
        try:
            answer = input(f"\n{_names(identities)}: cancel, or leave in the queue? [c/L] ").strip().lower()
        except (EOFError, KeyboardInterrupt):
            print()
    if not answer.startswith("c"):
        say_left(identities)
        return EXIT_INTERRUPTED
    for identity in identities:
        queue.cancel(identity)
    say(f"{_names(identities)} cancelled: training saves first, and the same command goes on from there")
    return EXIT_INTERRUPTED


def say_left(identities: list[str]) -> None:
    say(
        f"{_names(identities)} left in the queue: ./inv jobs shows what becomes of it, "
        f"./inv jobs-log {identities[0]} --follow its log, ./inv jobs-cancel {','.join(identities)} ends it"
    )


def _names(identities: list[str]) -> str:
    return f"job{'s' * (len(identities) > 1)} {', '.join(identities)}"
