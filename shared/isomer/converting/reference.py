"""The pictures on which the original and what was made of it are compared, as a dataset.

The test split of --data; else the pictures of --pictures; else drawn ones. The last two lie in runs/RUN/reference/.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from isomer import files
from isomer.dataset import canonical, pictures, shapes
from isomer.dataset.canonical import Dataset, Picture, Split
from isomer.errors import UserError
from isomer.flags import Convert
from isomer.progress import say
from isomer.run import RunFolder
from isomer.volume import Volume

FOLDER = "reference"
DRAWN = 8
MOST = 64  # pictures of --pictures: both models look at each of them
SPLITS = ("test", "val", "train")  # the first of these that a dataset has


def dataset_of(volume: Volume, run: RunFolder) -> Dataset:
    """What a run was trained on; of a converted model, what it is compared on.

    Raises:
        UserError: it is not there.
    """
    name = run.config()["data"]
    return canonical.load(volume.dataset(name) if name else run.path / FOLDER)


def split_of(dataset: Dataset) -> Split:
    """The split that a converted model is compared on."""
    counts = dataset.about["splits"]
    return dataset.split(next((name for name in SPLITS if counts.get(name, {}).get("images")), SPLITS[0]))


def some_pictures(volume: Volume, options: Convert, count: int) -> list[np.ndarray]:
    """The first of the pictures that `options` asks for, uint8 [h, w, 3], to look at what a model makes of them."""
    if options.data:
        split = split_of(canonical.load(volume.dataset(options.data)))
        return [split.load(picture) for picture in split.pictures[:count]]
    if options.pictures:
        found = [pixels for pixels in map(_readable, _files(options.pictures)[: 4 * count]) if pixels is not None]
        return found[:count] or [shapes.draw(0, "test", 0).pixels]
    return [shapes.draw(0, "test", index).pixels for index in range(count)]


def _readable(path: Path) -> np.ndarray | None:
    try:
        return canonical.load_rgb(path)
    except UserError:
        return None


def _files(folder: Path) -> list[Path]:
    return [folder] if folder.is_file() else sorted(path for path in folder.rglob("*") if path.is_file())


def make(run: RunFolder, folder: Path | None, classes: tuple[str, ...]) -> Dataset:
    """Write runs/RUN/reference/ from a folder of pictures, or from drawn ones.

    Raises:
        UserError: the folder holds no picture that can be read.
    """
    with files.replacing_folder(run.path / FOLDER) as target:
        (target / canonical.IMAGES).mkdir()
        taken = _drawn(target) if folder is None else _taken(target, folder)
        source = "drawn shapes" if folder is None else folder.name
        canonical.write(target, classes, {"test": tuple(taken)}, {"name": FOLDER, "source": source})
    if folder is None:
        say(f"compared on {len(taken)} drawn pictures: --data or --pictures give it what it was made for")
    return canonical.load(run.path / FOLDER)


def _drawn(target: Path) -> list[Picture]:
    """Drawn pictures, of all sizes in turn."""
    left = list(shapes.SIZES) * DRAWN
    made: list[Picture] = []
    index = 0
    while len(made) < DRAWN:
        drawing = shapes.draw(0, "test", index)
        index += 1
        height, width = drawing.pixels.shape[:2]
        if (height, width) != left[len(made)]:
            continue
        name = f"{len(made):03}.jpg"
        (target / canonical.IMAGES / name).write_bytes(drawing.to_jpeg())
        made.append(Picture(len(made) + 1, name, width, height))
    return made


def _taken(target: Path, folder: Path) -> list[Picture]:
    """The first pictures of a folder by name, upright; what is no picture is passed over."""
    paths = _files(folder)
    made: list[Picture] = []
    refused = 0
    for path in paths:
        if len(made) == MOST:
            say(f"--pictures: the first {MOST} of {folder}")
            break
        try:
            header = pictures.inspect(path)
            name = f"{len(made):03}{pictures.SUFFIXES[header.saved_format]}"
            pictures.store(path, header, target / canonical.IMAGES / name, link=False)
        except pictures.PictureError:
            refused += 1
            continue
        width, height = header.upright_size
        made.append(Picture(len(made) + 1, name, width, height))
    if not made:
        raise UserError(f"--pictures {folder}: none of its {refused} files is a picture that can be read")
    return made
