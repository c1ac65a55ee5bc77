"""`./inv reproduce RUN`: are code, lock, dataset and seed those of a run, and does it come out the same again?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from isomer import files
from isomer.dataset import content
from isomer.errors import CheckFailed, UserError
from isomer.flags import Train
from isomer.run import RunFolder
from isomer.session import DONE
from isomer.volume import Volume
from launcher import engines, project, steps, tables, training
from launcher.state import read
from launcher.step import script
from launcher.verbs import Parsed, parse

AGAIN = "-again"
FIGURES = ("mAP", "AP50", "AP75")
# What of the provenance may make numbers differ, and why
MACHINE = {
    "hardware": "another processor or number of cores adds up in another order",
    "device": "another kind of device computes with other kernels",
    "versions": "other versions of the framework compute otherwise",
    "python": "another Python may order or draw otherwise",
}


@dataclass(frozen=True)
class Difference:
    """What is not as it was: what, as it was, as it is now, and what that means."""

    what: str
    then: str
    now: str
    meaning: str

    def __str__(self) -> str:
        return f"{self.what}: {self.then} then, {self.now} now ({self.meaning})"


def run(given: Parsed) -> None:
    options = given.flags
    volume = project.make_volume()
    first = RunFolder(volume.run(options.run))
    if first.record().get("state") != DONE:
        raise UserError(f"run {first.name!r} is not trained to its end: the command that started it goes on with it")
    again = RunFolder(volume.runs / f"{first.name}{AGAIN}")
    engine = engines.choose(options)
    _check_dataset(volume, first)
    found = differences(engine, first)
    config = first.config()
    print(f"dataset {config['data']}: the same, read picture by picture; seed: {config['seed']}, as then")
    for what in ("code", "lock"):
        if not any(item.what == what for item in found):
            print(f"{what}: the same")
    for item in found:
        print(item)
    if options.check:
        if found:
            names = " and ".join(item.what for item in found)
            raise CheckFailed(f"another {names}: what {first.name} would be now may not be what it was")
        return
    steps.run(engine, script(config["framework"], "train", _argv(first, again), _device(first)))
    if again.record().get("state") != DONE:
        print(f"{again.name} is not done: the same command goes on with it")
        return
    close(first, again, found, options.max_gap)


def differences(engine: ModuleType, run: RunFolder) -> list[Difference]:
    """What of code and environment is not as run.json says, as far as it can be known before training."""
    config, provenance = run.config(), run.record()["provenance"]
    found = _of_code(config["framework"], provenance)
    lock = engine.lock_of(config["framework"], _device(run))
    now = files.sha256_of_file(lock)
    if provenance["lock_sha256"] != now:
        name = lock.relative_to(project.ROOT)
        found.append(
            Difference("lock", provenance["lock_sha256"][:12], f"{now[:12]} ({name})", "other packages were installed")
        )
    return found


def close(first: RunFolder, again: RunFolder, known: list[Difference], max_gap: float) -> None:
    """Compare two finished runs, write what was found beside the second, and give the verdict.

    Raises:
        CheckFailed: the metrics differ by more than `max_gap`.
    """
    one, other = first.record(), again.record()
    reasons = [*known, *_of_machine(one, other)]
    same_weights = one["weights_sha256"] == other["weights_sha256"]
    step = diverged(first.metrics(), again.metrics())
    gaps = {key: _gap(one["metrics"].get(key), other["metrics"].get(key)) for key in FIGURES}
    within = all(gap is not None and gap <= max_gap for gap in gaps.values())
    verdict = "identical" if same_weights else "within" if within else "different"
    files.write_json(
        again.path / "reproduce.json",
        {
            "run": first.name,
            "verdict": verdict,
            "max_gap": max_gap,
            "gaps": gaps,
            "weights_sha256": [one["weights_sha256"], other["weights_sha256"]],
            "first_other_step": step,
            "differences": [asdict(item) for item in reasons],
        },
    )
    rows = [
        (key, tables.figure(one["metrics"].get(key), 6), tables.figure(other["metrics"].get(key), 6), _shown(gaps[key]))
        for key in FIGURES
    ]
    rows.append(
        ("weights", one["weights_sha256"][:12], other["weights_sha256"][:12], "same" if same_weights else "other")
    )
    tables.show(("", first.name, again.name, "difference"), rows, right=(first.name, again.name, "difference"))
    if verdict == "identical":
        print(f"identical: {again.name} has the very weights of {first.name}")
        return
    start = "every logged loss is the same" if step is None else f"the losses part at step {step}"
    why = _why(first, reasons)
    if verdict == "within":
        print(f"not identical, but the same within {max_gap:g}: {start}. {why}")
        return
    raise CheckFailed(f"{again.name} differs from {first.name} by more than {max_gap:g}: {start}. {why}")


def diverged(first: list[dict[str, Any]], again: list[dict[str, Any]]) -> int | None:
    """The first step at which the logged losses of two runs are not the same; None if they all are."""
    losses = [{line["step"]: line["loss"] for line in lines if line["split"] == "train"} for lines in (first, again)]
    return next(
        (step for step in sorted(losses[0].keys() | losses[1].keys()) if losses[0].get(step) != losses[1].get(step)),
        None,
    )


def _check_dataset(volume: Volume, run: RunFolder) -> None:
    """Refuse to train on something else.

    Raises:
        UserError: the dataset is gone; CheckFailed: it is another.
    """
    config = run.config()
    folder = volume.dataset(config["data"])
    try:
        now = content.found_sha256(folder)
    except (OSError, ValueError, KeyError) as error:
        raise CheckFailed(f"dataset {config['data']}: {error}; data-check --deep says what is wrong with it") from None
    if now != config["dataset_sha256"]:
        raise CheckFailed(
            f"dataset {config['data']} is not the one that {run.name} was trained on: sha256 {now[:12]}, then "
            f"{config['dataset_sha256'][:12]}; import it again as it was"
        )


def _of_code(framework: str, provenance: dict[str, Any]) -> list[Difference]:
    """What differs in the files that train in an image; a revision that changed none of them is no difference."""
    if provenance.get("code_sha256") == project.code_sha256(framework):
        return []
    then, was_dirty = provenance["git_revision"], provenance["git_dirty"] == "true"
    revision, _ = project.git_state()
    changed = project.changed_since(then, ("shared/isomer", f"images/{framework}"))
    if was_dirty:
        return [
            Difference(
                "code", f"{then[:12]} with changes", revision[:12], "it is other code now, and no revision holds that"
            )
        ]
    if changed is None:
        return [
            Difference("code", then[:12], revision[:12], "that revision is not known here, so nothing can be compared")
        ]
    if not changed:
        return []
    more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
    meaning = f"changed since: {', '.join(changed[:3])}{more}; `git checkout {then[:12]}` has it as it was"
    return [Difference("code", then[:12], revision[:12], meaning)]


def _of_machine(one: dict[str, Any], other: dict[str, Any]) -> list[Difference]:
    """What differs between the machines and packages of two finished runs."""
    sides = [{**record["provenance"], **record} for record in (one, other)]
    return [
        Difference(key, str(sides[0].get(key)), str(sides[1].get(key)), meaning)
        for key, meaning in MACHINE.items()
        if sides[0].get(key) != sides[1].get(key)
    ]


def _why(run: RunFolder, reasons: list[Difference]) -> str:
    """Why two runs are not identical, as far as it can be known."""
    config = run.config()
    likely = [str(item) for item in reasons]
    if not config["deterministic"]:
        likely.append("it was trained without --deterministic, so operations may add up in another order each time")
    if (config["devices"] or 1) * config["nodes"] > 1:
        likely.append("several processes add up their gradients in the order in which they come")
    if not likely:
        likely.append("nothing that is known of differs: the number of threads, or the load of the machine")
    return "Likely reasons: " + "; ".join(likely)


def _argv(first: RunFolder, again: RunFolder) -> list[str | Path]:
    """The flags that train a run again under another name: anew, but for a repetition that was interrupted."""
    words = {"config": first.path / "config.json", "run": again.name, "device": _device(first)}
    argv = training.argv(parse(Train, "reproduce", words), first.config()["framework"])
    goes_on = read(again.path / "config.json") == first.config() and again.record().get("state") != DONE
    return argv if goes_on else [*argv, "--fresh"]


def _device(run: RunFolder) -> str:
    """--device, from what the run says it was trained on (`cpu`, `cuda:0`, `/CPU:0`)."""
    where = str(run.record().get("device", "")).lower()
    return "cpu" if "cpu" in where else "gpu" if "cuda" in where or "gpu" in where else "auto"


def _gap(one: float | None, other: float | None) -> float | None:
    """The difference of two figures; none where one of them is not defined, zero where neither is."""
    if one is None and other is None:
        return 0.0
    return None if one is None or other is None else abs(one - other)


def _shown(gap: float | None) -> str:
    return "–" if gap is None else f"{gap:.6f}"
