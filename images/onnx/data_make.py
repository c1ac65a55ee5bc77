"""data-make: a dataset that needs no download, drawn from a seed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from isomer import files, progress
from isomer.dataset import canonical, shapes
from isomer.dataset.canonical import Picture
from isomer.errors import UserError, run_main
from isomer.flags import DataMake, option, parse
from isomer.volume import Volume, check_name


def main() -> None:
    options = parse(DataMake, prog="data-make")
    make(Volume.from_environment(), options)


def make(volume: Volume, options: DataMake) -> None:
    """Draw the dataset, unless the very same is there already.

    Raises:
        UserError: the name is taken by another dataset.
    """
    name = check_name("dataset", options.name or options.kind)
    folder = volume.datasets / name
    chosen = {"train": options.train, "val": options.val, "test": options.test, "seed": options.seed}
    if (folder / "dataset.json").is_file():
        _compare(canonical.load(folder), options.kind, chosen)
        progress.say(f"dataset {name!r} is there already, drawn with the same options: nothing to do")
        return
    with files.replacing_folder(folder) as temporary:
        (temporary / canonical.IMAGES).mkdir()
        total = sum(chosen[split] for split in canonical.SPLITS)
        drawn = progress.track(_pictures(temporary, chosen), f"draw {name}", unit="images", total=total)
        splits: dict[str, list[Picture]] = {split: [] for split in canonical.SPLITS}
        for split, picture in drawn:
            splits[split].append(picture)
        dataset = canonical.write(
            temporary,
            shapes.CLASSES,
            {split: tuple(pictures) for split, pictures in splits.items()},
            {
                "name": name,
                "source": f"drawn by data-make {options.kind}",
                "format": options.kind,
                "licence": "CC0-1.0",
                "options": chosen,
            },
        )
    progress.say(f"dataset {name!r}: {canonical.summary(dataset)} in {folder}")


def _compare(found: canonical.Dataset, kind: str, chosen: dict[str, int]) -> None:
    """Raise unless the dataset found is what the options would draw."""
    if found.about.get("format") != kind:
        raise UserError(f"the name {found.name!r} is taken by a dataset from {found.about.get('source')}: give --name")
    there = found.about["options"]
    different = [
        f"{option(key)} is {there.get(key)} there and {value} here"
        for key, value in chosen.items()
        if there.get(key) != value
    ]
    if different:
        raise UserError(
            f"dataset {found.name!r} exists with other options: {', '.join(different)}. "
            f"Give --name another name, or remove {found.folder} first"
        )


def _pictures(folder: Path, chosen: dict[str, int]) -> Iterator[tuple[str, Picture]]:
    """Draw picture after picture into the folder; yields the split with each."""
    for split in canonical.SPLITS:
        for index in range(chosen[split]):
            drawing = shapes.draw(chosen["seed"], split, index)
            file_name = f"{split}-{index:05d}.jpg"
            (folder / canonical.IMAGES / file_name).write_bytes(drawing.to_jpeg())
            height, width, _ = drawing.pixels.shape
            yield split, Picture(index + 1, file_name, width, height, drawing.boxes)


if __name__ == "__main__":
    run_main(main)
