"""report: the HTML page of a dataset."""

from __future__ import annotations

from isomer import files, mistakes, progress
from isomer.errors import run_main
from isomer.flags import Report, parse
from isomer.report.collect import collect
from isomer.report.comparison_page import render
from isomer.report.gallery import GROUPS, PER_GROUP, order
from isomer.report.side_by_side import write_pictures
from isomer.volume import Volume


def main() -> None:
    options = parse(Report, prog="report")
    volume = Volume.from_environment()
    collected = collect(volume, options.data)
    split, detectors, threshold = collected.split, collected.detectors, collected.score_threshold
    judged = [mistakes.judge(split, detector.results) for detector in detectors]
    ordered = order(split, judged, threshold)
    telling = [picture for some in ordered.telling.values() for picture in some]
    folder = volume.reports / collected.dataset.name
    chosen = telling or ordered.pictures[: len(GROUPS) * PER_GROUP]
    write_pictures(folder / "pictures", split, chosen, detectors, threshold)
    page = render(collected, judged)
    files.write_text(folder / "index.html", page)
    progress.say(f"{folder / 'index.html'} ({len(page.encode()) / 1e6:.1f} MB)")


if __name__ == "__main__":
    run_main(main)
