"""`./inv pipeline`: the main job. A stage is skipped when its result is there and still holds."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import partial
from types import ModuleType

from isomer.errors import CheckFailed, UserError
from isomer.flags import Train
from launcher import catalogues, engines, exporting, process, project, steps, training, verbs
from launcher.exporting import TOOLS
from launcher.options import Pipeline
from launcher.state import State, gap
from launcher.step import Step, script
from launcher.verbs import Parsed

PARITY = "parity"
DRAWN = "shapes"  # the dataset that is made when it is not there
TRAINING = {item.name for item in fields(Train)} - {"run"}


@dataclass(frozen=True)
class Stage:
    """One line of the progress: `is_done` looks whether its result still holds, `steps` make it.

    `is_complete` says afterwards whether they came to their end: a training that was asked to stop exits with 0.
    """

    name: str
    is_done: Callable[[], bool]
    steps: list[Step]
    is_complete: Callable[[], bool] = lambda: True
    needs: tuple[str, ...] = ()  # names of the stages whose results it takes


def run(given: Parsed) -> None:
    options = given.flags
    state = State(
        project.volume(),
        options.data,
        tuple(project.chosen("framework", options.frameworks, project.frameworks())),
    )
    _check_gap(options.max_gap)
    if options.data != DRAWN:
        state.volume.dataset(options.data)
    engine = engines.choose(options)
    engines.check_device(engine, options.device)
    for name in state.frameworks:
        if not (options.config or state.is_trained(name, _training(options))):
            catalogues.check_trainable(name, options.model, options.weights)
    stages = plan(state, given, options.gpus_per_node)
    start = time.monotonic()
    if options.dry_run:
        _show(engine, stages)
        return
    if engine.NAME == "slurm":
        _as_jobs(stages, state)
        close(state, gap_is_limit="max_gap" in given.typed)
        return
    worked = [_go_through(engine, stage, f"[{number}/{len(stages)}]", stages) for number, stage in enumerate(stages, 1)]
    took = _clock(time.monotonic() - start)
    print(f"\nall {len(stages)} stages are done, in {took}" if any(worked) else "\neverything is done already")
    close(state, gap_is_limit="max_gap" in given.typed)


def _show(engine: ModuleType, stages: list[Stage]) -> None:
    """What would be done."""
    for number, stage in enumerate(stages, 1):
        done = stage.is_done()
        print(f"\n# [{number}/{len(stages)}] {stage.name}{': done already' if done else ''}", flush=True)
        if not done:
            steps.run(engine, *stage.steps)


def plan(state: State, given: Parsed, gpus_per_node: int | None = None) -> list[Stage]:
    """The stages of the main job, in order."""
    typed = {key: value for key, value in given.typed.items() if key in TRAINING}
    trained = verbs.parse(Train, "pipeline", typed)
    config = _training(given.flags)
    data = ["--data", state.data]
    device = {"device": typed["device"]} if "device" in typed else {}

    made = f"data-make {DRAWN}"
    stages = [Stage(made, state.has_dataset, [script(TOOLS, "data_make", [DRAWN])])]
    for name in state.frameworks:
        is_done = partial(state.is_trained, name, config)
        step = training.step(trained, name, gpus_per_node)
        stages.append(Stage(f"train-{name}", is_done, [step], partial(state.has_ended, name), needs=(made,)))
    for name in state.frameworks:
        is_done = partial(state.is_published, name)
        steps_ = exporting.steps(name, {"data": state.data, **device})
        stages.append(Stage(f"export-{name}", is_done, steps_, needs=(f"train-{name}",)))
    exported = tuple(f"export-{name}" for name in state.frameworks)
    models = [word for name in state.runs() for word in ("--model", name)]
    compare = script(TOOLS, "parity", [*data, *models, "--max-gap", given.flags.max_gap])
    stages.append(Stage(PARITY, partial(state.is_compared, given.flags.max_gap), [compare], needs=exported))
    stages.append(Stage("report", state.is_reported, [script(TOOLS, "report", data)], needs=(*exported, PARITY)))
    return stages if state.data == DRAWN else stages[1:]


def _training(options: Pipeline) -> Train:
    """The flags that every training is given."""
    return Train(**{key: getattr(options, key) for key in TRAINING})


def _go_through(engine: ModuleType, stage: Stage, number: str, stages: list[Stage]) -> bool:
    """Do a stage if it must be done; whether it was."""
    if stage.is_done():
        print(f"{number} {stage.name}: done already", flush=True)
        return False
    print(f"\n{number} {stage.name}", flush=True)
    start = time.monotonic()
    with _meanwhile(engine, stages):
        try:
            steps.run(engine, *stage.steps)
        except steps.StepFailed:
            # a comparison that says no has an answer too, and the page shows it
            if stage.name != PARITY or not stage.is_done():
                raise
    if not stage.is_complete():
        raise UserError(f"{stage.name} was stopped before its end: the same command goes on from there")
    print(f"{number} {stage.name} took {_clock(time.monotonic() - start)}", flush=True)
    return True


def _as_jobs(stages: list[Stage], state: State) -> None:
    """Put all stages into a cluster's queue at once, and follow them: what does not need each other runs side by side.

    Raises:
        UserError: a stage failed; those that need it were not started.
    """
    from launcher.slurm.chain import Chain, Link

    # a comparison that says no has an answer too, and the page shows it
    links = [
        Link(
            stage.name,
            stage.steps,
            stage.is_done,
            needs=tuple(name for name in stage.needs if name != PARITY),
            follows=tuple(name for name in stage.needs if name == PARITY),
        )
        for stage in stages
    ]
    chain = Chain()
    chain.submit(links)
    if not chain.jobs:
        print("\neverything is done already")
        return
    codes = chain.follow()
    failed = {name: code for name, code in codes.items() if code and not (name == PARITY and state.parity())}
    if failed:
        name, code = next(iter(failed.items()))
        raise steps.JobFailed(f"{name} ended with exit code {code}; ./inv jobs-log {chain.jobs[name][-1][0]}", code)
    print(f"\nall {len(chain.jobs)} stages are done")


@contextlib.contextmanager
def _meanwhile(engine: ModuleType, stages: list[Stage]) -> Iterator[None]:
    """Make the environments of later stages while this one works: downloads leave the processor alone."""
    images = dict.fromkeys(step.image for stage in stages for step in stage.steps)
    todo = [image for image in images if not engine.is_ready(image)] if engine.IN_BACKGROUND else []

    def prepare() -> None:
        for image in todo:
            # the stage that needs it tries again, and says what went wrong
            with contextlib.suppress(UserError):
                engine.prepare(image)

    worker = threading.Thread(target=prepare, daemon=True)
    if todo:
        worker.start()
    try:
        yield
    except BaseException:
        todo.clear()
        process.stop_all()
        raise


def close(state: State, gap_is_limit: bool) -> None:
    """The table, the page's path, and the verdict.

    Two detectors that learned differently well are a result, not a failure of the job, unless `gap_is_limit`: after a
    short run one framework finds everything and the other nothing, and both exports are exact all the same.

    Raises:
        CheckFailed: the models do not agree.
    """
    from rich.console import Console
    from rich.table import Table

    found = state.parity()
    passed = found["verdict"]["passed"]
    table = Table(title=f"{state.data}: {found['images']} {found['split']} pictures")
    for heading in ("model", "mAP", "AP50", "latency", "file", "gate", "parity"):
        table.add_column(
            heading, justify="left" if heading in ("model", "gate", "parity") else "right", overflow="fold"
        )
    for model in found["models"]:
        metrics = [_figure(model["metrics"][key]) for key in ("mAP", "AP50")]
        latency = f"{model['latency_ms']['p50']:.1f} ms"
        size = f"{model['bytes'] / 1e6:.1f} MB"
        verdicts = ("passed" if ok else "FAILED" for ok in (state.gate(model["name"]).get("passed"), passed))
        table.add_row(model["name"], *metrics, latency, size, *verdicts)
    Console().print(table)
    print(f"page: {state.page}")
    if passed:
        return
    reasons = "; ".join(found["verdict"]["reasons"])
    unequal = found["verdict"]["gap"] is not None and found["verdict"]["gap"] > (found["verdict"]["max_gap"] or 0)
    if gap_is_limit or not unequal or len(found["verdict"]["reasons"]) > 1:
        raise CheckFailed(f"no parity: {reasons}")
    print(f"note: {reasons}. Each export agrees with its own framework; what was learned differs, and more training")
    print("narrows it. --max-gap makes such a difference an error, as the parity verb does.")


def _check_gap(word: str) -> None:
    """Refuse at once what parity would refuse after the training."""
    try:
        value = gap(word)
    except ValueError:
        value = -1.0
    if value is not None and not 0 <= value <= 1:
        raise UserError(f"--max-gap {word}: give a difference in AP50 from 0 to 1, or none for the table alone")


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
