"""data-check: the doctor of labelled pictures, before they are imported or after."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from isomer import files, progress
from isomer.dataset import canonical
from isomer.dataset.checks import check
from isomer.dataset.checks.findings import ERROR
from isomer.dataset.checks.subject import Subject, examine, examine_dataset
from isomer.errors import CheckFailed, UserError, run_main
from isomer.flags import DataCheck, parse
from isomer.volume import NAME, Volume

WIDTH = 120  # columns where the output is no terminal


def main() -> None:
    options = parse(DataCheck, prog="data-check")
    findings = check(read(Volume.from_environment(), options))
    progress.say(findings.text(shutil.get_terminal_size((WIDTH, 24)).columns if sys.stdout.isatty() else WIDTH))
    if options.json:
        files.write_json(options.json, findings.to_json())
        progress.say(f"all of it  {options.json}")
    if findings.counts()[ERROR]:
        raise CheckFailed(findings.verdict())
    progress.say(findings.verdict())


def read(volume: Volume, options: DataCheck) -> Subject:
    """The dataset of that name, else what lies at that path."""
    is_name = bool(NAME.fullmatch(options.what))
    if is_name and ((volume.datasets / options.what / "dataset.json").is_file() or not Path(options.what).exists()):
        dataset = canonical.load(volume.dataset(options.what))
        if options.format:
            raise UserError(f"--format {options.format}: {options.what!r} is a dataset; the flag is for a path")
        return examine_dataset(dataset, size=options.size, deep=options.deep)
    return examine(Path(options.what), format_name=options.format, size=options.size, deep=options.deep)


if __name__ == "__main__":
    run_main(main)
