"""`./inv jobs`, `jobs-log`, `jobs-cancel`: a cluster's queue, as far as it is ours and this user's."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any

from isomer import answers, sweep
from isomer.errors import CheckFailed, UserError, known
from isomer.progress import say
from isomer.run import RunFolder
from isomer.sweep import Sweep
from launcher import project, tables
from launcher.engines import slurm
from launcher.slurm import array, queue
from launcher.verbs import Parsed

ALL = "all"


def show(given: Parsed) -> None:
    """The jobs that are queued and running."""
    _check()
    trained = _trained()
    found = [_about(job, trained) for job in queue.jobs()]
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
    """A job's log so far; with --follow to its end. Of a sweep, where its runs are.

    Raises:
        UserError: there is no such job.
        SystemExit: the job's exit code, with --follow.
    """
    _check()
    tasks = _tasks_of(given.flags.job)
    if tasks:
        _log_all(tasks, given.flags.follow)
        return
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
    there, trained = queue.jobs(), _trained()
    words = [job.id for job in there] if given.flags.job == ALL else given.flags.job.split(",")
    chosen = {job.id: job for word in words for job in _matching(word, there, trained)}.values()
    for job in chosen:
        queue.cancel(job.id)
        run = run_of(job, trained)
        say(f"job {job.id} cancelled ({step_of(job.name)}{f' {run}' if run else ''})")
    if not chosen:
        print("no jobs of ours are queued or running")


def _log_all(tasks: dict[str, str], follow: bool) -> None:
    """The last words of a sweep's runs, or with --follow how they go on; `tasks` are the runs' numbers."""
    volume = project.volume()
    if follow:
        failed = array.follow(volume, tasks)
        if failed:
            raise CheckFailed(f"{len(failed)} of {len(tasks)} runs failed ({', '.join(failed)})")
        return
    for run, task in tasks.items():
        path = array.log_of(volume, run, task)
        lines = path.read_text(errors="replace").splitlines() if path.is_file() else []
        print(f"{task} {run}: {lines[-1] if lines else 'nothing yet'}")
    print(f"./inv jobs-log {next(iter(tasks.values()))} shows one of them whole")


def _about(job: queue.Job, trained: dict[str, str]) -> dict[str, Any]:
    """A job for people and programs; `why` it is pending."""
    keys = ("id", "name", "state", "nodes", "count", "elapsed")
    why = job.why() if job.state == "PENDING" else None
    return {key: getattr(job, key) for key in keys} | {
        "step": step_of(job.name),
        "run": run_of(job, trained),
        "why": why,
    }


def step_of(name: str) -> str:
    """Script and image of a job's name."""
    return "-".join(name.removeprefix(queue.PREFIX).split("-")[:2])


def run_of(job: queue.Job, trained: dict[str, str]) -> str | None:
    """The run that a job trains; `trained` are those of arrays' tasks."""
    return trained.get(job.id) or _last_of(job.name)


def _last_of(name: str) -> str | None:
    """The run, or of an array the sweep, in a job's name."""
    words = name.removeprefix(queue.PREFIX).split("-", 2)
    return words[2] if len(words) == 3 else None


def _sweeps() -> list[Sweep]:
    """The sweeps of the data volume, but for damaged ones."""
    volume, found = project.volume(), []
    for path in sorted(volume.sweeps.glob("*.json")):
        with contextlib.suppress(UserError):
            found.append(sweep.load(volume, path.stem))
    return found


def _trained() -> dict[str, str]:
    """The run of each array's task, by the task's number."""
    arrays = [item for one in _sweeps() for item in one.arrays.items()]
    return {f"{number}_{place}": run for number, runs in arrays for place, run in enumerate(runs)}


def _tasks_of(word: str) -> dict[str, str]:
    """The task of each run of an array, or of a sweep's newest one; none where the word names neither."""
    for one in _sweeps():
        if one.arrays and word in (one.name, *one.arrays):
            number = list(one.arrays)[-1] if word == one.name else word
            return {run: f"{number}_{place}" for place, run in enumerate(one.arrays[number])}
    return {}


def _matching(word: str, there: list[queue.Job], trained: dict[str, str]) -> list[queue.Job]:
    """The jobs that a word names: a number, of an array all of its tasks; a run or a sweep."""
    names = {job.id: (job.id, job.id.partition("_")[0], run_of(job, trained), _last_of(job.name)) for job in there}
    found = [job for job in there if word in names[job.id]]
    if not found:
        raise known("job", word, {name for words in names.values() for name in words if name})
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
    job = queue.job(_matching(word, there, _trained())[0].id)
    if job is None or not job.log:
        raise UserError(f"job {word} has no log")
    return job.id, Path(job.log)


def _check() -> None:
    reason = queue.missing()
    if reason:
        raise UserError(reason)
