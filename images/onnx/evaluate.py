"""evaluate: models of the contract on any dataset: mAP, kinds of mistakes, confusions, the worst pictures."""

from __future__ import annotations

from typing import Any

import detecting
import published
import tables
from published import Published

from isomer import answers, class_names, evaluations, files, progress
from isomer.class_names import Names
from isomer.dataset import canonical
from isomer.dataset.canonical import Dataset
from isomer.errors import CheckFailed, UserError, run_main
from isomer.flags import Evaluate, parse
from isomer.mistakes import BOTH, MISTAKES, RIGHT
from isomer.report import evaluation_page
from isomer.volume import Volume

MOST_CLASSES = 8  # of a matrix in the terminal
MOST_ROWS = 10
MOST_BY_CLASS = 20
MOST_WORST = 5
MOST_NAMES = 12


def main() -> None:
    options = parse(Evaluate, prog="evaluate")
    with answers.alone(options.json):
        report = evaluate(options)
        answers.give(options.json, report)
    if report["left_out"]:
        raise CheckFailed(f"{len(report['left_out'])} pictures could not be read; the figures are of the others")


def evaluate(options: Evaluate) -> dict[str, Any]:
    """Measure, write what reports/ gets, say it; gives evaluation.json."""
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
    found, unread = {}, {}
    for model in models:
        found[model.name], problems = detecting.detect_split(folder, dataset, split, model, options.device)
        for picture, problem in problems.items():
            if picture not in unread:
                progress.say(f"left out: {problem}")
        unread |= problems
    split = evaluations.without(split, unread)
    evaluated = []
    for model in models:
        own = [result for picture in split.pictures for result in found[model.name][picture.id]]
        results = detecting.with_ids(own, names[model.name].ids(model.classes, dataset.classes))
        threshold = model.score_threshold if options.threshold is None else options.threshold
        evaluated.append(evaluations.measure(_about(model), names[model.name], split, results, threshold))
    report = evaluations.report(dataset, split, evaluated, list(unread.values()))
    files.write_json(folder / evaluations.EVALUATION_JSON, report)
    page = evaluation_page.render(dataset, split, evaluated, report["left_out"])
    files.write_text(folder / evaluations.EVALUATION_HTML, page)
    show(report)
    progress.say(f"{folder / evaluations.EVALUATION_JSON}")
    progress.say(f"{folder / evaluations.EVALUATION_HTML} ({len(page.encode()) / 1e6:.1f} MB)")
    return report


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
    models = report["models"]
    _results(report)
    _by_class(report)
    _mistakes(report)
    for model in models:
        _confusion(report["classes"], model)
    for model in models:
        worst = [f"{item['file_name']} (F1 {_digits(item['F1'])})" for item in model["worst"][:MOST_WORST]]
        if worst:
            progress.say(f"{model['name']}, worst pictures: {', '.join(worst)}")


def _results(report: dict[str, Any]) -> None:
    rows = []
    for model in report["models"]:
        metrics, best = model["metrics"], model["best"]
        rows.append(
            [
                model["name"],
                *(_digits(metrics[key]) for key in ("mAP", "AP50", "AP75")),
                _digits(model["known"]["mAP"]) if model["names"]["only_data"] else "",
                f"{metrics['score_threshold']:g}",
                *(_digits(metrics[key]) for key in ("precision", "recall", "F1")),
                "–" if best is None else f"{best['F1']:.3f} at {best['score']:.2f}",
            ]
        )
    head = ["model", "mAP", "AP50", "AP75", "mAP of known", "score >", "precision", "recall", "F1", "best F1"]
    tables.show(f"{report['data']}: {report['images']} {report['split']} pictures", head, rows, words=("model",))


def _by_class(report: dict[str, Any]) -> None:
    """AP50 of each class; of many, those with most boxes."""
    by_model = [model["metrics"]["per_class"] for model in report["models"]]
    boxes = {name: by_model[0][name]["boxes"] for name in report["classes"]}
    shown = sorted(boxes, key=lambda name: -boxes[name])[:MOST_BY_CLASS]
    rows = [[name, str(boxes[name]), *(_digits(one[name]["AP50"]) for one in by_model)] for name in shown]
    more = "" if len(shown) == len(boxes) else f", the {len(shown)} with most boxes of {len(boxes)}"
    head = ["class", "boxes", *(model["name"] for model in report["models"])]
    tables.show(f"AP50 by class{more}", head, rows, words=("class",))


def _mistakes(report: dict[str, Any]) -> None:
    rows = []
    for model in report["models"]:
        counts, gains = model["mistakes"]["counts"], model["mistakes"]["gains"]
        cells = (f"{counts[kind]} ({gains[kind]:+.3f})" for kind in MISTAKES)
        rows.append([model["name"], str(counts[RIGHT]), *cells])
    title = "mistakes above the score, and what AP50 would gain without those of any score"
    tables.show(
        title,
        ["model", RIGHT, *("both at once" if kind == BOTH else kind for kind in MISTAKES)],
        rows,
        words=("model",),
    )


def _confusion(classes: list[str], model: dict[str, Any]) -> None:
    """The matrix where it fits; of many classes what is most often taken for something else."""
    counts = {(truth, found): count for truth, found, count in model["metrics"]["confusion"]}
    if len(classes) <= MOST_CLASSES:
        rows = [
            [truth or "no box left", *(str(counts.get((truth, found), 0)) for found in (*classes, None))]
            for truth in (*classes, None)
        ]
        rows[-1][-1] = ""
        tables.show(
            f"{model['name']}: boxes of a row's class found as", ["box of", *classes, "missed"], rows, ("box of",)
        )
        return
    wrong = [(count, *pair) for pair, count in counts.items() if None not in pair and pair[0] != pair[1]]
    rows = [[truth, found, str(count)] for count, truth, found in sorted(wrong, reverse=True)[:MOST_ROWS]]
    tables.show(f"{model['name']}: most often confused", ["box of", "found as", "times"], rows, ("box of", "found as"))


def _digits(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _some(names: tuple[str, ...] | list[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


if __name__ == "__main__":
    run_main(main, goes_on=True)
