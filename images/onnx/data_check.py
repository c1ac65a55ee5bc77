"""data-check: the doctor of labelled pictures, before they are imported or after."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from isomer import answers, progress
from isomer.dataset import archives, canonical
from isomer.dataset.checks import check
from isomer.dataset.checks.findings import ERROR, Findings
from isomer.dataset.checks.mend import mended
from isomer.dataset.checks.subject import Subject, examine, examine_dataset
from isomer.dataset.importing import import_source
from isomer.errors import CheckFailed, UserError, run_main
from isomer.flags import DataCheck, parse
from isomer.volume import NAME, Volume, check_name

WIDTH = 120  # columns where the output is no terminal


def main() -> None:
    options = parse(DataCheck, prog="data-check")
    with answers.alone(options.json):
        findings = look(options)
        if findings.counts()[ERROR]:
            raise CheckFailed(findings.verdict())
        progress.say(findings.verdict())


def look(options: DataCheck) -> Findings:
    """Check, say what was found, write the mended copy; gives what was found in what there is at the end."""
    volume = Volume.from_environment()
    if options.fix and check_name("--fix", options.fix) == options.what:
        raise UserError(f"--fix {options.fix}: give the mended copy a name of its own")
    with examined(volume, options) as subject:
        findings = check(subject)
        say(findings)
        answers.give(options.json, findings.to_json())
        if options.json not in (None, answers.STDOUT):
            progress.say(f"all of it  {options.json}")
        if options.fix:
            dataset = write_mended(subject, volume.datasets / options.fix)
            findings = check(examine_dataset(dataset, size=options.size, deep=options.deep))
            say(findings)
    return findings


def say(findings: Findings) -> None:
    progress.say(findings.text(shutil.get_terminal_size((WIDTH, 24)).columns if sys.stdout.isatty() else WIDTH))


@contextmanager
def examined(volume: Volume, options: DataCheck) -> Iterator[Subject]:
    """The dataset of that name, else what lies at that path; an archive is unpacked into the volume meanwhile."""
    how = {"size": options.size, "deep": options.deep}
    is_name = bool(NAME.fullmatch(options.what))
    if is_name and ((volume.datasets / options.what / "dataset.json").is_file() or not Path(options.what).exists()):
        dataset = canonical.load(volume.dataset(options.what))
        if options.format:
            raise UserError(f"--format {options.format}: {options.what!r} is a dataset; the flag is for a path")
        yield examine_dataset(dataset, **how)
    elif archives.is_archive(Path(options.what)):
        volume.datasets.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".check.", dir=volume.datasets) as scratch:
            # under the archive's own name, which is what messages show and a mended copy calls its source
            folder = Path(scratch) / Path(options.what).name
            left_out = archives.unpack(Path(options.what), folder)
            subject = examine(folder, format_name=options.format, **how)
            subject.reading.left_out += left_out
            yield subject
    else:
        yield examine(Path(options.what), format_name=options.format, **how)


def write_mended(subject: Subject, folder: Path) -> canonical.Dataset:
    """Import the subject as it is after mending, and say what was changed."""
    reading, changes = mended(subject)
    for words, count in sorted(changes.items()):
        progress.say(f"mended    {count} {words}")
    dataset, account = import_source(subject.source, folder, format_name=subject.format, reading=reading)
    progress.say(account.text())
    progress.say(f"dataset {dataset.name!r}: {canonical.summary(dataset)} in {folder}")
    return dataset


if __name__ == "__main__":
    run_main(main)
