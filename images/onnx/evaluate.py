"""evaluate: models of the contract on any dataset: mAP, kinds of mistakes, confusions, the worst pictures."""

from __future__ import annotations

from typing import Any

import detecting
import published
from published import Published
from rich.console import Console
from rich.table import Table

from isomer import class_names, evaluations, files, progress
from isomer.class_names import Names
from isomer.dataset import canonical
from isomer.dataset.canonical import Dataset
from isomer.errors import UserError, run_main
from isomer.flags import Evaluate, parse
from isomer.mistakes import MISTAKES, RIGHT
from isomer.report import evaluation_page
from isomer.volume import Volume

MOST_CLASSES = 8  # of a matrix in the terminal
MOST_ROWS = 10
MOST_NAMES = 12


def main() -> None:
    options = parse(Evaluate, prog="evaluate")
    given = class_names.parse(options.map)
    volume = Volume.from_environment()
    dataset = canonical.load(volume.dataset(options.data))
    split = evaluations.limited(dataset.split(options.split), options.limit)
    models = published.find(volume, options.model)
    class_names.check(given, (name for model in models for name in model.classes), dataset.classes)
    names = {model.name: matched(model, dataset, given) for model in models}
    folder = volume.reports / dataset.name
    progress.say(f"{', '.join(names)} on {len(split.pictures)} {split.name} pictures of {dataset.name}")
    for model in models:
        for line in said(model, names[model.name]):
            progress.say(line)
    evaluated = []
    for model in models:
        found = detecting.detect_split(folder, dataset, split, model, options.device)
        results = detecting.with_ids(found, names[model.name].ids(model.classes, dataset.classes))
        threshold = model.score_threshold if options.threshold is None else options.threshold
        evaluated.append(evaluations.measure(_about(model), names[model.name], split, results, threshold))
    report = evaluations.report(dataset, split, evaluated)
    files.write_json(folder / evaluations.EVALUATION_JSON, report)
    if options.json:
        files.write_json(options.json, report)
    page = evaluation_page.render(dataset, split, evaluated)
    files.write_text(folder / evaluations.EVALUATION_HTML, page)
    show(report)
    progress.say(f"{folder / evaluations.EVALUATION_JSON}")
    progress.say(f"{folder / evaluations.EVALUATION_HTML} ({len(page.encode()) / 1e6:.1f} MB)")


def matched(model: Published, dataset: Dataset, given: dict[str, str]) -> Names:
    """How the model's classes and the dataset's go together.

    Raises:
        UserError: they have none in common.
    """
    names = class_names.match(model.classes, dataset.classes, given)
    if not names.pairs:
        raise UserError(
            f"{model.name} knows none of the classes of {dataset.name}. It knows {_some(model.classes)}; "
            f"the dataset has {_some(dataset.classes)}. Which are the same? --map theirs=ours"
        )
    return names


def said(model: Published, names: Names) -> list[str]:
    """How its classes were found among the dataset's, in lines."""
    lines = []
    for way, pairs in names.by_way().items():
        words = [one if one == two else f"{one} is {two}" for one, two in pairs]
        if words:
            lines.append(f"  {len(words)} by {_WAYS[way]}: {_some(words)}")
    if names.ambiguous:
        fits = (f"{name} ({' or '.join(fitting)}?)" for name, fitting in names.ambiguous)
        lines.append(f"  left out, fits several (--map theirs=ours decides): {_some(tuple(fits))}")
    if names.only_data:
        lines.append(f"  not known to the model, so never found: {_some(names.only_data)}")
    if names.only_model:
        lines.append(f"  not in the dataset, so left out: {_some(names.only_model)}")
    return [f"{model.name}: {len(names.pairs)} of its {len(model.classes)} classes are the dataset's", *lines]


_WAYS = {
    class_names.GIVEN: "--map",
    class_names.EXACT: "the same name",
    class_names.SPELLING: "spelling",
    class_names.SYNONYM: "synonym",
}


def _about(model: Published) -> dict[str, Any]:
    return {
        "name": model.name,
        "framework": model.about["framework"],
        "architecture": model.about.get("architecture", ""),
        "input_size": model.about["size"],
        "sha256": files.sha256_of_file(model.path),
        "bytes": model.path.stat().st_size,
    }


def show(report: dict[str, Any]) -> None:
    """The tables in the terminal."""
    # a log has no width: give a table what it needs instead of folding its figures
    console = Console(width=None if Console().is_terminal else 160)
    table = Table(title=f"{report['data']}: {report['images']} {report['split']} pictures", title_justify="left")
    table.add_column("model")
    for name in ("mAP", "AP50", "AP75", "mAP of known", "score >", "precision", "recall", "F1", "best F1"):
        table.add_column(name, justify="right")
    for model in report["models"]:
        metrics, best = model["metrics"], model["best"]
        table.add_row(
            model["name"],
            *(_digits(metrics[key]) for key in ("mAP", "AP50", "AP75")),
            _digits(model["known"]["mAP"]),
            f"{metrics['score_threshold']:g}",
            *(_digits(metrics[key]) for key in ("precision", "recall", "F1")),
            "–" if best is None else f"{best['F1']:.3f} at {best['score']:.2f}",
        )
    console.print(table)
    console.print(_mistakes(report))
    for model in report["models"]:
        console.print(_confusion(report["classes"], model))
    for model in report["models"]:
        worst = (f"{item['file_name']} (F1 {_digits(item['F1'])})" for item in model["worst"][:5])
        progress.say(f"{model['name']}, worst pictures: {', '.join(worst)}")


def _mistakes(report: dict[str, Any]) -> Table:
    table = Table(title="mistakes above the score, and what AP50 would gain without them", title_justify="left")
    table.add_column("model")
    for name in (RIGHT, *MISTAKES):
        table.add_column(name, justify="right")
    for model in report["models"]:
        counts, gains = model["mistakes"]["counts"], model["mistakes"]["gains"]
        cells = (f"{counts[kind]} (+{gains[kind]:.3f})" for kind in MISTAKES)
        table.add_row(model["name"], str(counts[RIGHT]), *cells)
    return table


def _confusion(classes: list[str], model: dict[str, Any]) -> Table:
    """The matrix where it fits; of many classes what is most often taken for something else."""
    counts = {(truth, found): count for truth, found, count in model["metrics"]["confusion"]}
    if len(classes) <= MOST_CLASSES:
        table = Table(title=f"{model['name']}: boxes of a row's class found as", title_justify="left")
        table.add_column("")
        names = [*classes, None]
        for name in names:
            table.add_column("missed" if name is None else name, justify="right")
        for truth in names:
            cells = [str(counts.get((truth, found), 0)) for found in names]
            table.add_row("nothing there" if truth is None else truth, *(cells if truth else [*cells[:-1], ""]))
        return table
    table = Table(title=f"{model['name']}: most often confused", title_justify="left")
    for name in ("box of", "found as"):
        table.add_column(name)
    table.add_column("times", justify="right")
    wrong = sorted(
        (item for item in counts.items() if None not in item[0] and item[0][0] != item[0][1]),
        key=lambda item: -item[1],
    )
    for (truth, found), count in wrong[:MOST_ROWS]:
        table.add_row(truth, found, str(count))
    return table


def _digits(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _some(names: tuple[str, ...] | list[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


if __name__ == "__main__":
    run_main(main)
