"""report: the HTML page of a dataset."""

from __future__ import annotations

from isomer import files, progress
from isomer.errors import run_main
from isomer.flags import Report, parse
from isomer.report.collect import collect
from isomer.report.page import render
from isomer.report.pictures import choose
from isomer.report.side_by_side import write_pictures
from isomer.volume import Volume


def main() -> None:
    options = parse(Report, prog="report")
    volume = Volume.from_environment()
    collected = collect(volume, options.data)
    chosen = choose(collected)
    folder = volume.reports / collected.dataset.name
    write_pictures(folder / "pictures", collected, chosen)
    page = render(collected, chosen)
    files.write_text(folder / "index.html", page)
    progress.say(f"{folder / 'index.html'} ({len(page.encode()) / 1e6:.1f} MB)")


if __name__ == "__main__":
    run_main(main)
