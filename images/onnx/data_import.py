"""data-import: labelled pictures as people have them become a dataset in the data volume."""

from __future__ import annotations

import closing

from isomer.dataset.importing import import_source
from isomer.errors import run_main
from isomer.flags import DataImport, parse
from isomer.volume import Volume, check_name


def main() -> None:
    options = parse(DataImport, prog="data-import")
    folder = Volume.from_environment().datasets / check_name("dataset", options.name)
    before = closing.previous(folder)
    dataset, account = import_source(
        options.path,
        folder,
        format_name=options.format,
        shares_text=options.split,
        seed=options.seed,
        link=options.link,
        classes_text=options.classes,
        min_area=options.min_area,
        limit=options.limit,
    )
    copied = account.pictures_kept - account.linked if options.link else 0
    lines = [f"copied    {copied} pictures that could not be linked as they are"] if copied else []
    closing.tell(before, dataset, account, *lines)


if __name__ == "__main__":
    run_main(main)
