"""data-show: the page about a dataset's pictures and boxes."""

from __future__ import annotations

from isomer import files, progress
from isomer.dataset import canonical
from isomer.dataset.checks import check
from isomer.dataset.checks.subject import examine_dataset
from isomer.dataset.exports.layout import to_export
from isomer.errors import UserError, run_main
from isomer.flags import DataCheck, DataShow, parse
from isomer.report.dataset_page import render
from isomer.report.statistics import statistics
from isomer.volume import Volume


def main() -> None:
    options = parse(DataShow, prog="data-show")
    volume = Volume.from_environment()
    dataset = canonical.load(volume.dataset(options.name))
    splits = to_export(dataset)
    if not splits:
        raise UserError(f"dataset {dataset.name!r} has no picture to show")
    findings = check(examine_dataset(dataset, size=DataCheck.size, deep=False))
    page = render(dataset, splits, statistics(splits), findings)
    path = volume.reports / dataset.name / "dataset.html"
    files.write_text(path, page)
    progress.say(f"{path} ({len(page.encode()) / 1e6:.1f} MB)")


if __name__ == "__main__":
    run_main(main)
