"""report: the HTML page of a dataset."""

from __future__ import annotations

from isomer import files, progress
from isomer.errors import run_main
from isomer.flags import Report, parse
from isomer.report.collect import collect
from isomer.report.page import render
from isomer.volume import Volume


def main() -> None:
    options = parse(Report, prog="report")
    volume = Volume.from_environment()
    page = render(collect(volume, options.data))
    path = volume.reports / options.data / "index.html"
    files.write_text(path, page)
    progress.say(f"{path} ({len(page.encode()) / 1e6:.1f} MB)")


if __name__ == "__main__":
    run_main(main)
