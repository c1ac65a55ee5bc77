"""report: the HTML page of a dataset's models, of a run, of a sweep of runs, or of a published model."""

from __future__ import annotations

from pathlib import Path

from isomer import files, mistakes, progress
from isomer.errors import UserError, run_main
from isomer.flags import Data, Report, option, parse
from isomer.report import comparison_page, model_page, run_page, sweep_page
from isomer.report.collect import collect
from isomer.report.gallery import GROUPS, PER_GROUP, order
from isomer.report.side_by_side import write_pictures
from isomer.volume import Volume


def main() -> None:
    options = parse(Report, prog="report")
    given = [option(key) for key in ("data", "run", "sweep", "model") if getattr(options, key) is not None]
    if len(given) > 1:
        raise UserError(f"{' and '.join(given)}: a report is of one thing; give one of them")
    volume = Volume.from_environment()
    if options.run:
        path, page = volume.reports / options.run / "run.html", _of_run(volume, options.run)
    elif options.sweep:
        path, page = volume.reports / options.sweep / "sweep.html", _of_sweep(volume, options.sweep)
    elif options.model:
        path, page = volume.reports / options.model / "model.html", _of_model(volume, options.model)
    else:
        path, page = _comparison(volume, options.data or Data.data)
    files.write_text(path, page)
    progress.say(f"{path} ({len(page.encode()) / 1e6:.1f} MB)")


def _of_run(volume: Volume, name: str) -> str:
    return run_page.render(run_page.read(volume, name))


def _of_sweep(volume: Volume, name: str) -> str:
    return sweep_page.render(sweep_page.read(volume, name))


def _of_model(volume: Volume, name: str) -> str:
    return model_page.render(model_page.read(volume, name))


def _comparison(volume: Volume, data: str) -> tuple[Path, str]:
    """The page of a dataset's models; the pictures that tell most become files beside it."""
    collected = collect(volume, data)
    split, detectors, threshold = collected.split, collected.detectors, collected.score_threshold
    judged = [mistakes.judge(split, detector.results) for detector in detectors]
    ordered = order(split, judged, threshold)
    telling = [picture for some in ordered.telling.values() for picture in some]
    folder = volume.reports / collected.dataset.name
    chosen = telling or ordered.pictures[: len(GROUPS) * PER_GROUP]
    write_pictures(folder / "pictures", split, chosen, detectors, threshold)
    return folder / "index.html", comparison_page.render(collected, judged)


if __name__ == "__main__":
    run_main(main)
