"""data-export: a dataset in the format that another tool reads."""

from __future__ import annotations

from pathlib import Path

from isomer import progress
from isomer.dataset import canonical, exports
from isomer.errors import UserError, run_main
from isomer.flags import DataExport, parse
from isomer.volume import Volume


def main() -> None:
    options = parse(DataExport, prog="data-export")
    volume = Volume.from_environment()
    dataset = canonical.load(volume.dataset(options.data))
    folder = options.to or volume.exports / f"{dataset.name}-{options.format}"
    if options.to:
        refuse_to_replace(options.to)
    for line in exports.export(dataset, options.format, folder, link=options.link):
        progress.say(f"lost      {line}")
    progress.say(f"wrote     {exports.formats()[options.format].WRITES}")
    progress.say(f"{canonical.summary(dataset)} in {folder}")


def refuse_to_replace(folder: Path) -> None:
    """What stands at a place that the user named may be anything."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"--to {folder}: there is something already; give a folder that is not there yet")


if __name__ == "__main__":
    run_main(main)
