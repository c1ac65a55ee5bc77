"""Following the tasks of a sweep's job array: what each running one is at, how many wait, and how each ended."""

from __future__ import annotations

import shutil
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.text import Text

from isomer.errors import EXIT_TERMINATED, UserError
from isomer.progress import PLAIN, say
from isomer.run import RunFolder
from isomer.sweep import Sweep
from isomer.volume import Volume
from launcher.slurm import following, queue

LOOK_SECONDS = 0.2  # between two looks at the logs
ASK_SECONDS = 1.0  # between two questions to Slurm about the whole array
ERROR = "error: "


class Array:
    """What Slurm knows of the tasks of job arrays, asked now and then for all of them together."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, dict[str, queue.Job]]] = {}

    def job(self, task: str) -> queue.Job | None:
        array = task.partition("_")[0]
        asked, found = self._known.get(array, (-ASK_SECONDS, {}))
        if time.monotonic() - asked >= ASK_SECONDS:
            self._known[array] = time.monotonic(), (found := queue.tasks(array))
        return found.get(task)


class Task(following.Followed):
    """One task, of which the last progress and the reason why it waits or failed are kept."""

    def __init__(self, identity: str, run: str, log: Path, array: Array) -> None:
        super().__init__(identity, log, self._keep, array.job)
        self.run, self.at, self.waits, self.error = run, "", "", ""

    def _keep(self, text: str) -> None:
        if found := PLAIN.match(text):
            # the run is named beside it
            self.at = text.replace(f"{found['what']}:", found["what"].removesuffix(f" {self.run}") + ":", 1)
        elif text.startswith(ERROR):
            self.error = text.removeprefix(ERROR)

    def _moved(self, words: str) -> None:
        self.waits = "" if self.runs else words.removeprefix("waits: ")


def queued(found: Sweep, runs: Collection[str]) -> dict[str, str]:
    """The tasks that train runs of a sweep and have not ended, by run."""
    slurm, tasks = Array(), {}
    for number, trained in found.arrays.items():
        for place, run in enumerate(trained):
            job = slurm.job(f"{number}_{place}") if run in runs else None
            if job and not job.has_ended:
                tasks[run] = job.id
    return tasks


def log_of(volume: Volume, run: str, task: str) -> Path:
    return RunFolder(volume.runs / run).jobs / f"{task}.log"


def follow(volume: Volume, tasks: dict[str, str]) -> dict[str, str]:
    """Show how far tasks are until all have ended; why those failed that did, by run.

    Args:
        tasks: the number of each run's task.
    """
    array = Array()
    open_ = [Task(task, run, log_of(volume, run, task), array) for run, task in tasks.items()]
    failed: dict[str, str] = {}
    try:
        with Board() as board:
            while open_:
                for one in list(open_):
                    reason = _look(one)
                    if reason is not None:
                        open_.remove(one)
                        board.ended(one, reason)
                        failed |= {one.run: reason} if reason else {}
                board.show(open_)
                if open_:
                    time.sleep(LOOK_SECONDS)
    except KeyboardInterrupt:
        raise SystemExit(following.leave(_arrays(open_))) from None
    except SystemExit:  # SIGTERM: nobody is there to be asked
        following.say_left(_arrays(open_))
        raise
    return failed


def _look(one: Task) -> str | None:
    """None while it goes on; why it failed, or nothing."""
    try:
        code = one.look()
    except UserError as error:
        return str(error)
    if not code:
        return None if code is None else ""
    why = "it was cancelled" if code == EXIT_TERMINATED else f"exit code {code}"
    return one.error or f"{why}; ./inv jobs-log {one.identity}"


def _arrays(tasks: Iterable[Task]) -> list[str]:
    return list(dict.fromkeys(one.identity.partition("_")[0] for one in tasks))


class Board:
    """What is seen of many tasks: on a terminal a line for each that runs and one for all; in a log a line whenever
    their numbers change."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._said = ""
        self._live = Live(console=Console(file=sys.stdout), transient=True) if sys.stdout.isatty() else None

    def __enter__(self) -> Board:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_) -> None:
        if self._live:
            self._live.stop()

    def ended(self, one: Task, reason: str) -> None:
        self._counts["failed" if reason else "done"] += 1
        self._print(f"{one.run}: {reason or 'done'}")

    def show(self, tasks: list[Task]) -> None:
        running = [one for one in tasks if one.runs]
        waiting = [one for one in tasks if not one.runs]
        self._counts["running"], self._counts["waiting"] = len(running), len(waiting)
        words = ", ".join(f"{self._counts[key]} {key}" for key in ("done", "failed", "running", "waiting"))
        words = words.replace(", 0 failed", "")
        why = Counter(one.waits for one in waiting if one.waits).most_common(1)
        words += f" ({why[0][0]})" if why else ""
        if self._live:
            size = shutil.get_terminal_size()
            lines = [f"{one.run}  {one.at}"[: size.columns - 1] for one in running[: size.lines - 3]]
            self._live.update(Text("\n".join([*lines, words])))
        elif words != self._said:
            self._said = words
            say(words)

    def _print(self, text: str) -> None:
        if self._live:
            self._live.console.print(text, markup=False, highlight=False)
        else:
            say(text)
