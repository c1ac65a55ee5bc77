"""`./inv sweep`: a training for every combination of values, a table of what came of them, and the best one named."""

from __future__ import annotations

import dataclasses
from dataclasses import fields
from types import ModuleType
from typing import Any

from isomer import answers, sweep
from isomer.errors import CheckFailed, UserError, known
from isomer.flags import FREE, Train, option
from isomer.progress import say
from isomer.run import RunFolder
from isomer.sweep import Outcome, Planned, Sweep
from isomer.volume import Volume, check_name, default_run
from launcher import catalogues, engines, grid, project, runs, steps, tables, training
from launcher.exporting import TOOLS
from launcher.options import Sweep as Options
from launcher.state import read
from launcher.step import Step, script
from launcher.verbs import Parsed

TRAINING = {item.name for item in fields(Train)} - {"run", "resume"}


def run(given: Parsed) -> None:
    options = given.flags
    typed = {key: value for key, value in given.typed.items() if key in TRAINING}
    volume = project.make_volume()
    asked = _asked(options, typed)
    volume.dataset(options.data)
    engine = engines.choose(options)
    engines.check_device(engine, options.device)
    is_slurm = engine.NAME == "slurm"
    if options.at_once and not is_slurm:
        raise UserError("--at-once is for --engine slurm: elsewhere runs go one after the other")
    planned = {one.run: grid.parsed(typed, one) for one in asked.runs}
    found = dataclasses.replace(asked, arrays=_arrays(volume, asked.name))
    if not options.fresh:
        _check_same(volume, asked, planned)
    todo = [one for one in found.runs if options.fresh or not _is_done(volume, one.run)]
    say(_about(found, len(todo)))
    made = [training.step(planned[one.run], found.framework, options.gpus_per_node) for one in todo]
    if options.dry_run:
        _show(engine, found, made, options.at_once)
        return
    found.save(volume)
    failed: dict[str, str] = {}
    if todo:
        failed = _as_array(volume, found, made, options) if is_slurm else _in_turn(engine, volume, made)
    close(engine, volume, found, failed, options)


def _asked(options: Options, typed: dict[str, Any]) -> Sweep:
    """The sweep of a command line, checked as far as no framework is needed."""
    if options.framework not in project.frameworks():
        raise known("--framework", options.framework, project.frameworks())
    values = grid.parse(options.grid, typed)
    base = check_name("--name", options.name or default_run(options.data, options.framework))
    planned = grid.plan(values, base)
    for one in planned:
        _check(options, one)
    name = options.name or "-".join([base, *(option(key).removeprefix("--") for key in values)])
    kept = {key: value for key, value in typed.items() if key not in FREE}
    return Sweep(name, options.data, options.framework, options.metric, kept, tuple(planned))


def _check(options: Options, one: Planned) -> None:
    """Refuse before anything starts what a run's training would refuse when its turn comes."""
    asked = {key: one.settings.get(key, getattr(options, key)) for key in ("model", "weights", "size", "freeze")}
    if options.config:  # a file of flags is read by the training
        return
    model = catalogues.model(options.framework, asked["model"], asked["weights"])
    catalogues.check_trainable(options.framework, model.name, asked["weights"])
    if asked["size"]:
        model.check_size(asked["size"])
    if asked["freeze"]:
        model.check_freeze(asked["freeze"])


def _arrays(volume: Volume, name: str) -> dict[str, list[str]]:
    """The job arrays of a sweep until now."""
    return sweep.load(volume, name).arrays if (volume.sweeps / f"{name}.json").is_file() else {}


def _check_same(volume: Volume, asked: Sweep, planned: dict[str, Parsed]) -> None:
    """Refuse to go on with runs that were something else.

    Raises:
        UserError: a run is there with other flags, or of another dataset than there is now.
    """
    sha256 = read(volume.datasets / asked.data / "dataset.json").get("sha256")
    for name, parsed in planned.items():
        run_ = RunFolder(volume.runs / name)
        config = read(run_.path / "config.json")
        if not config or run_.is_empty():
            continue
        differences = [
            f"{option(key)} is {config[key]} there and {value} here"
            for key, value in dataclasses.asdict(parsed.flags).items()
            if key in config and key not in FREE and value is not None
            if config[key] != value and not (parsed.flags.config and key not in parsed.typed)
        ]
        if config.get("dataset_sha256") != sha256:
            differences.append(f"dataset {asked.data} has changed")
        if differences:
            raise UserError(
                f"run {name} is there already, with other flags: {'; '.join(differences)}. Give --name for a sweep "
                "of its own, the same flags to go on with it, or --fresh to train all of its runs anew"
            )


def _is_done(volume: Volume, name: str) -> bool:
    return read(volume.runs / name / "run.json").get("state") == "done"


def _about(found: Sweep, missing: int) -> str:
    count = len(found.runs)
    words = f"sweep {found.name}: {count} run{'s' * (count > 1)}"
    done = count - missing
    return f"{words}, {'all' if not missing else done} done already" if done else words


def _show(engine: ModuleType, found: Sweep, made: list[Step], at_once: int | None) -> None:
    """What would be done."""
    if engine.NAME == "slurm" and made:
        print(engine.shown_array(found.name, made, at_once), flush=True)
        return
    for step in made:
        steps.run(engine, step)


def _in_turn(engine: ModuleType, volume: Volume, made: list[Step]) -> dict[str, str]:
    """Train the runs one after the other; why those failed that did, by run."""
    failed = {}
    for number, step in enumerate(made, 1):
        say(f"\n[{number}/{len(made)}] {step.run}")
        try:
            steps.run(engine, step)
        except steps.StepFailed as error:
            failed[step.run] = str(error)
            say(f"error: {error}")
        else:
            if not _is_done(volume, step.run):
                raise UserError(f"{step.run} was stopped before its end: the same command goes on from there")
    return failed


def _as_array(volume: Volume, found: Sweep, made: list[Step], options: Options) -> dict[str, str]:
    """Train the runs as tasks of a job array; why those failed that did, by run. Those in the queue are followed.

    Raises:
        UserError: --fresh, and runs are in the queue.
    """
    from launcher.engines import slurm
    from launcher.slurm import array

    tasks = array.queued(found, [step.run for step in made])
    missing = [step for step in made if step.run not in tasks]
    if tasks and options.fresh:
        raise UserError(f"--fresh: {len(tasks)} of the runs are in the queue; ./inv jobs-cancel {found.name} first")
    if tasks:
        say(f"{len(tasks)} of the runs are in the queue already")
    if missing:
        slurm.prepare(missing[0].image, missing[0].device)
        identity = slurm.submit_array(found.name, missing, options.at_once)
        arrays = {**found.arrays, identity: [step.run for step in missing]}
        dataclasses.replace(found, arrays=arrays).save(volume)
        tasks |= {step.run: f"{identity}_{place}" for place, step in enumerate(missing)}
    failed = array.follow(volume, tasks)
    return failed | {run: "it was stopped" for run in tasks if run not in failed and not _is_done(volume, run)}


def close(engine: ModuleType, volume: Volume, found: Sweep, failed: dict[str, str], options: Options) -> None:
    """The table, the page, the best run, and what failed.

    Raises:
        CheckFailed: a run failed.
    """
    came = sweep.by_metric(sweep.outcomes(volume, found), found.metric)
    best = sweep.best(came, found.metric)
    _table(found, came)
    export = f"./inv export-{found.framework} --data {found.data} --run {best.run}" if best else None
    if best:
        say(f"best by {found.metric}: {best.run}, {best.figure(found.metric):.3f} ({sweep.sentence(best.settings)})")
        say(f"export it: {export}")
    answers.give(options.json, _answer(found, came, best, export))
    if any(one.metrics for one in came):
        page(engine, found)
    if failed:
        said = "; ".join(f"{name}: {why}" for name, why in failed.items())
        raise CheckFailed(f"{len(failed)} of {len(found.runs)} runs failed ({said}); the same command tries them again")


def page(engine: ModuleType, found: Sweep) -> None:
    steps.run(engine, script(TOOLS, "report", ["--sweep", found.name]))


def _table(found: Sweep, came: list[Outcome]) -> None:
    swept = [option(key).removeprefix("--") for key in found.swept]
    measured = list(dict.fromkeys((found.metric, "mAP", "AP50")))
    rows = [
        (
            one.run,
            *map(sweep.spelled, one.settings.values()),
            f"{one.steps}/{one.planned_steps or '?'}",
            *(tables.figure(one.figure(key)) for key in measured),
            runs.clock(one.seconds),
            one.state,
        )
        for one in came
    ]
    right = (*swept, "steps", *measured, "time")
    title = f"{found.name}, by {found.metric} of the val split"
    headings = ("run", *swept, "steps", *measured, "time", "state")
    tables.show(headings, rows, right=right, title=title, optional=("steps", "time"))
    for one in came:
        if one.problem:
            say(f"{one.run} {one.state}: {one.problem}")


def _answer(found: Sweep, came: list[Outcome], best: Outcome | None, export: str | None) -> dict[str, Any]:
    """For --json: the runs, the best first."""
    keys = ("run", "settings", "state", "steps", "planned_steps", "seconds", "problem")
    return {
        **{key: getattr(found, key) for key in ("name", "data", "framework", "metric", "flags")},
        "best": best.run if best else None,
        "export": export,
        "runs": [
            {key: getattr(one, key) for key in keys} | {key: one.figure(key) for key in sweep.METRICS} for one in came
        ],
    }
