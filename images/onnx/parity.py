"""parity: the published models of a dataset against each other, on its test split, with a verdict."""

from __future__ import annotations

import time
from typing import Any

import detecting
import numpy as np
import providers
from providers import Ran
from published import Published, read
from rich.console import Console
from rich.table import Table
from session import open_session

from isomer import answers, contract, files, parity, progress
from isomer.dataset import canonical
from isomer.dataset.canonical import Dataset, Split
from isomer.errors import CheckFailed, UserError, run_main
from isomer.flags import Parity, parse
from isomer.graph import check
from isomer.parity import Measured
from isomer.volume import Volume

MOST_TIMED = 100  # pictures; more tell nothing new about a latency
PROVIDER_PICTURES = 5
PROVIDER_LIMIT = 1e-3  # |Δ| of raw outputs: other kernels sum in another order
WARM_UP = 3  # runs that are not timed: the first ones allocate


def main() -> None:
    options = parse(Parity, prog="parity")
    with answers.alone(options.json):
        report = compare(options)
        answers.give(options.json, report)
    if not report["verdict"]["passed"]:
        raise CheckFailed("no parity: " + "; ".join(report["verdict"]["reasons"]))


def compare(options: Parity) -> dict[str, Any]:
    """Measure, write what reports/ gets, say it; gives parity.json."""
    max_gap = parity.parse_max_gap(options.max_gap)
    names = providers.parse(options.providers)
    volume = Volume.from_environment()
    dataset = canonical.load(volume.dataset(options.data))
    published, notes = choose(volume, dataset, options.model)
    require_contract(published)
    split = dataset.split("test")
    progress.say(f"{', '.join(model.name for model in published)} on {len(split.pictures)} test pictures")
    ran = {model.name: by_providers(model, split, names) for model in published}
    models = measure(dataset, split, published)
    report = parity.compare(dataset, split, models, max_gap, score_threshold(published), notes)
    report["providers"] = {name: [item.to_json() for item in items] for name, items in ran.items()}
    report["verdict"] = _with_providers(report["verdict"], ran)
    folder = volume.reports / dataset.name
    parity.write(folder, report, models)
    show(report)
    for name, items in ran.items():
        for item in items:
            progress.say(f"{name}, {item}")
    progress.say(f"{folder / parity.PARITY_JSON}")
    return report


def choose(volume: Volume, dataset: Dataset, names: tuple[str, ...]) -> tuple[list[Published], tuple[str, ...]]:
    """The models to compare, and what must be said about them.

    Those named, else all that were trained on the dataset as it is now; stale ones, trained on an earlier version
    of it, only when they are named.

    Raises:
        UserError: there is none, or one that is named is not published; what there is is listed.
    """
    paths = [volume.model(name) for name in dict.fromkeys(names)] or sorted(volume.models.glob("[!.]*.onnx"))
    found = [read(path) for path in paths]
    if not names:
        found = [model for model in found if model.about.get("dataset") == dataset.name]
    stale = [model for model in found if model.about.get("dataset_sha256") != dataset.sha256]
    if names:
        return found, tuple(f"{model.name} was not trained on {dataset.name} as it is now" for model in stale)
    fresh = [model for model in found if model not in stale]
    if not fresh:
        published = ", ".join(path.stem for path in paths) or "none yet"
        old = f"; trained on an earlier version of it: {', '.join(model.name for model in stale)}" if stale else ""
        raise UserError(
            f"no published model of dataset {dataset.name!r} as it is now{old}. "
            f"Published: {published} (export a run first)"
        )
    return fresh, tuple(f"{model.name} is left out: trained on an earlier version of {dataset.name}" for model in stale)


def require_contract(published: list[Published]) -> None:
    """Raises CheckFailed when a model does not meet the contract: then there is nothing to feed or to read."""
    faults = [f"{model.name}: {finding}" for model in published for finding in check.check(model.model)]
    if faults:
        raise CheckFailed("no parity, a model breaks the contract: " + "; ".join(faults))


def by_providers(model: Published, split: Split, names: list[str]) -> list[Ran]:
    """What each provider does with the model on a few pictures.

    Raises:
        UserError: none of them is present.
    """
    pictures = [detecting.batch_of(model, split.load(picture)) for picture in split.pictures[:PROVIDER_PICTURES]]
    ran = list(providers.compare(model.model, names, pictures))
    providers.require_present(ran)
    return ran


def _with_providers(verdict: dict, ran: dict[str, list[Ran]]) -> dict:
    """The verdict, with a reason for each provider whose outputs are not the CPU's."""
    reasons = [
        f"{name} by {item.provider} differs from the CPU by {item.gap:.2g}, more than {PROVIDER_LIMIT:g}"
        for name, items in ran.items()
        for item in items
        if item.gap is not None and not item.gap <= PROVIDER_LIMIT
    ]
    return verdict | {"reasons": verdict["reasons"] + reasons, "passed": verdict["passed"] and not reasons}


def score_threshold(published: list[Published]) -> float:
    """Above which every one of the models reports its detections."""
    return max(float(model.about["score_threshold"]) for model in published)


def measure(dataset: Dataset, split: Split, published: list[Published]) -> list[Measured]:
    """Detections for the metrics, then latencies: all models on one picture, then all on the next."""
    results: dict[str, list[dict]] = {model.name: [] for model in published}
    ids = {model.name: _same_names(model.classes, dataset.classes) for model in published}
    low = {model.name: detecting.to_low_scores(model) for model in published}
    for picture in progress.track(split.pictures, "detect", unit="images"):
        pixels = split.load(picture)
        for model in published:
            found = detecting.detect(low[model.name], picture, pixels)
            results[model.name] += detecting.with_ids(found, ids[model.name])
    seconds = latencies(published, split)
    return [
        Measured(
            name=model.name,
            framework=model.about["framework"],
            architecture=model.about.get("architecture", ""),
            input_size=model.about["size"],
            classes=model.classes,
            sha256=files.sha256_of_file(model.path),
            bytes=model.path.stat().st_size,
            latency_ms={
                f"p{percent}": round(float(np.percentile(seconds[model.name], percent)) * 1000, 3)
                for percent in (50, 95)
            },
            results=results[model.name],
        )
        for model in published
    ]


def _same_names(model: tuple[str, ...], dataset: tuple[str, ...]) -> dict[int, int]:
    """The dataset's class id of each of the model's that it has."""
    return {number: dataset.index(name) + 1 for number, name in enumerate(model, start=1) if name in dataset}


def latencies(published: list[Published], split: Split) -> dict[str, list[float]]:
    """Seconds of one picture after the other, by model; the models take turns, so that all meet the same machine."""
    sessions = {model.name: open_session(model.model, threads=1) for model in published}
    seconds: dict[str, list[float]] = {name: [] for name in sessions}
    for picture in progress.track(split.pictures[:MOST_TIMED], "time", unit="images"):
        pixels = split.load(picture)
        for model in published:
            batch, session = {contract.INPUT: detecting.batch_of(model, pixels)}, sessions[model.name]
            for _ in range(0 if seconds[model.name] else WARM_UP):
                session.run(None, batch)
            start = time.perf_counter()
            session.run(None, batch)
            seconds[model.name].append(time.perf_counter() - start)
    return seconds


def show(report: dict) -> None:
    """The table in the terminal, then the verdict."""
    table = Table(title=f"{report['data']}: {report['images']} {report['split']} pictures", title_justify="left")
    table.add_column("model")
    for name in ("mAP", "AP50", *report["classes"][:6], "p50 ms", "p95 ms", "MB"):
        table.add_column(name, justify="right")
    for model in report["models"]:
        metrics = model["metrics"]
        values = [metrics["mAP"], metrics["AP50"]]
        values += [metrics["per_class"][name]["AP50"] for name in report["classes"][:6]]
        latency = [f"{model['latency_ms'][key]:.1f}" for key in ("p50", "p95")]
        cells = ["–" if value is None else f"{value:.3f}" for value in values]
        table.add_row(model["name"], *cells, *latency, f"{model['bytes'] / 1e6:.1f}")
    # a log has no width: give the table what it needs instead of folding its figures
    Console(width=None if Console().is_terminal else 160).print(table)
    for pair in report["agreement"]:
        first, second = pair["models"]
        progress.say(
            f"found by both: {pair['both']}, only by {first}: {pair['only_first']}, "
            f"only by {second}: {pair['only_second']}"
        )
    for note in report["verdict"]["notes"]:
        progress.say(f"note: {note}")
    gap, limit = report["verdict"]["gap"], report["verdict"]["max_gap"]
    if report["verdict"]["passed"] and gap is not None:
        progress.say(f"parity: AP50 differs by {gap:.3f}" + ("" if limit is None else f", at most {limit:g}"))


if __name__ == "__main__":
    run_main(main)
