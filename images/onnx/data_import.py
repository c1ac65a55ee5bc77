"""data-import: labelled pictures as people have them become a dataset in the data volume."""

from __future__ import annotations

from isomer import progress
from isomer.dataset import canonical
from isomer.dataset.importing import import_source
from isomer.errors import run_main
from isomer.flags import DataImport, parse
from isomer.volume import Volume, check_name


def main() -> None:
    options = parse(DataImport, prog="data-import")
    folder = Volume.from_environment().datasets / check_name("dataset", options.name)
    before = canonical.load(folder) if (folder / "dataset.json").is_file() else None
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
    progress.say(account.text())
    if options.link and account.linked < account.pictures_kept:
        progress.say(
            f"copied    {account.pictures_kept - account.linked} pictures that could not be linked as they are"
        )
    if before is not None:
        same = "holds the same as before" if before.sha256 == dataset.sha256 else "took the place of another"
        progress.say(
            f"replaced  dataset {dataset.name!r} was there, from {before.about.get('source')}; this one {same}"
        )
    progress.say(f"dataset {dataset.name!r}: {canonical.summary(dataset)} in {folder}")


if __name__ == "__main__":
    run_main(main)
