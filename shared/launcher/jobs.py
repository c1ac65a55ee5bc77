"""`./inv jobs`, `jobs-log`, `jobs-cancel`: a cluster's queue, as far as it is ours and this user's."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from isomer import answers
from isomer.errors import UserError, known
from isomer.progress import say
from isomer.run import RunFolder
from launcher import project, tables
from launcher.engines import slurm
from launcher.slurm import queue
from launcher.verbs import Parsed

ALL = "all"


def show(given: Parsed) -> None:
    """The jobs that are queued and running."""
    _check()
    found = [_about(job) for job in queue.jobs()]
    if given.flags.json:
        answers.give(given.flags.json, found)
    elif not found:
        print("no jobs of ours are queued or running; ./inv runs shows what became of trainings")
    else:
        headings = ("job", "step", "run", "state", "nodes", "elapsed", "waits because")
        tables.show(
            headings,
            [
                (
                    job["id"],
                    job["step"],
                    job["run"] or "",
                    job["state"].lower(),
                    job["nodes"] or str(job["count"]),
                    job["elapsed"],
                    job["why"] or "",
                )
                for job in found
            ],
            right=("elapsed",),
        )


def log(given: Parsed) -> None:
    """A job's log so far; with --follow to its end.

    Raises:
        UserError: there is no such job.
        SystemExit: the job's exit code, with --follow.
    """
    _check()
    identity, path = _log_of(given.flags.job)
    if given.flags.follow:
        code = slurm.follow(identity, path)
        if code:
            sys.exit(code)
        return
    if not path.is_file():
        found = queue.job(identity)
        raise UserError(f"job {identity} has written nothing yet" + (f": {found.why()}" if found else ""))
    print(path.read_text(errors="replace"), end="")


def cancel(given: Parsed) -> None:
    """Cancel jobs by number, run, or all of ours."""
    _check()
    there = queue.jobs()
    words = [job.id for job in there] if given.flags.job == ALL else given.flags.job.split(",")
    chosen = [job for word in words for job in _matching(word, there)]
    for job in chosen:
        queue.cancel(job.id)
        say(f"job {job.id} cancelled ({step_of(job.name)}{f' {run_of(job)}' if run_of(job) else ''})")
    if not chosen:
        print("no jobs of ours are queued or running")


def _about(job: queue.Job) -> dict[str, Any]:
    """A job for people and programs; `why` it is pending."""
    keys = ("id", "name", "state", "nodes", "count", "elapsed")
    why = job.why() if job.state == "PENDING" else None
    return {key: getattr(job, key) for key in keys} | {"step": step_of(job.name), "run": run_of(job), "why": why}


def step_of(name: str) -> str:
    """Script and image of a job's name."""
    return "-".join(name.removeprefix(queue.PREFIX).split("-")[:2])


def run_of(job: queue.Job) -> str | None:
    """The run that a job trains."""
    words = job.name.removeprefix(queue.PREFIX).split("-", 2)
    return words[2] if len(words) == 3 else None


def _matching(word: str, there: list[queue.Job]) -> list[queue.Job]:
    found = [job for job in there if word in (job.id, job.id.partition("_")[0], run_of(job))]
    if not found:
        names = [name for job in there for name in (job.id, run_of(job)) if name]
        raise known("job", word, dict.fromkeys(names))
    return found


def _log_of(word: str) -> tuple[str, Path]:
    """The job that is meant by a number or a run, and its log; of a run, its newest."""
    volume = project.volume()
    places = [*volume.runs.glob(f"*/slurm/{word}.log"), *volume.jobs.glob(f"{word}.log")]
    if places:
        return word, places[0]
    of_run = sorted(RunFolder(volume.runs / word).jobs.glob("*.log"), key=lambda path: path.stat().st_mtime)
    if of_run:
        return of_run[-1].stem, of_run[-1]
    there = queue.jobs()
    job = queue.job(_matching(word, there)[0].id)
    if job is None or not job.log:
        raise UserError(f"job {word} has no log")
    return job.id, Path(job.log)


def _check() -> None:
    reason = queue.missing()
    if reason:
        raise UserError(reason)
