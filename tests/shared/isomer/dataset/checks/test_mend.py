"""What is mended is not found again, and what was right is left as it was."""

from __future__ import annotations

import shutil

import broken_boxes  # noqa: F401 (each adds its cases to CASES)
import broken_classes  # noqa: F401
import broken_records  # noqa: F401
import pytest
from sources import CASES, coco, edit, picture, voc, xml

from isomer.dataset import canonical
from isomer.dataset.canonical import Box
from isomer.dataset.checks import check
from isomer.dataset.checks.mend import mended
from isomer.dataset.checks.subject import examine, examine_dataset
from isomer.dataset.importing import import_source

# what is not in the data, but in how it is divided or how much of it there is
ABOUT_THE_WHOLE = {"split-small", "split-missing", "few-pictures", "class-rare", "mostly-negative"}
MENDED = {
    "box-inverted",
    "box-no-area",
    "box-outside",
    "box-over-edge",
    "box-not-finite",
    "box-normalised",
    "box-corners",
    "box-duplicate",
    "class-names-alike",
    "class-empty",
    "image-duplicate",
    "leakage",
    "image-truncated",
    "image-unreadable",
    "image-turned",
    "image-suffix",
    "image-mode",
    "image-missing",
    "size-differs",
    "label-map-gaps",
    "label-map-zero",
}


def mend(source, target):
    subject = examine(source, format_name=None, size=160, deep=False)
    reading, changes = mended(subject)
    dataset, account = import_source(source, target, format_name=subject.format, reading=reading)
    return dataset, account, changes


def boxes(dataset, split: str, file_name: str) -> list[Box]:
    (found,) = (picture for picture in dataset.split(split).pictures if picture.file_name == file_name)
    return list(found.boxes)


@pytest.mark.parametrize("broken", [case for case in CASES if case.codes <= MENDED], ids=lambda broken: broken.name)
def test_what_is_mended_is_not_found_again(broken, tmp_path):
    broken.base(tmp_path / "source")
    broken.make(tmp_path / "source")
    dataset, _, _ = mend(tmp_path / "source", tmp_path / "made")
    again = {item.code for item in check(examine_dataset(dataset, size=160, deep=True)).found}
    assert again <= ABOUT_THE_WHOLE


@pytest.mark.parametrize("base", [voc, coco])
def test_a_healthy_source_is_only_imported(base, tmp_path):
    base(tmp_path / "source")
    dataset, account, changes = mend(tmp_path / "source", tmp_path / "mended")
    plain, _ = import_source(tmp_path / "source", tmp_path / "plain")
    assert (changes, account.left_out) == ({}, [])
    assert dataset.sha256 == plain.sha256


def test_boxes_are_what_was_meant(tmp_path):
    coco(tmp_path / "source")
    edit(tmp_path / "source", lambda value: value["annotations"][0].update(bbox=[30, 28, -20, -20]))
    edit(
        tmp_path / "source", lambda value: [value["annotations"][n].update(bbox=[0.25, 0.5, 0.5, 0.25]) for n in (2, 3)]
    )
    dataset, _, changes = mend(tmp_path / "source", tmp_path / "made")
    assert boxes(dataset, "train", "train_1.png")[0] == Box(1, 10, 8, 20, 20)
    # the second is of the other class, at the same place
    assert boxes(dataset, "train", "train_2.png") == [Box(1, 16, 24, 32, 12), Box(2, 16, 24, 32, 12)]
    assert changes == {
        "boxes whose corners were exchanged set right": 1,
        "boxes in fractions multiplied by their picture's size": 2,
    }


def test_of_copies_the_one_to_measure_on_is_kept(tmp_path):
    root = tmp_path / "source"
    coco(root)
    for split in ("val", "test"):
        shutil.copy(root / "train/1.png", root / split / "1.png")
    dataset, account, changes = mend(root, tmp_path / "made")
    assert [len(dataset.split(split).pictures) for split in canonical.SPLITS] == [59, 23, 24]
    assert changes == {"copies of pictures left out": 2}
    boxes_lost = {item.name.split(": ")[1]: item.boxes for item in account.left_out if item.what == "annotation"}
    assert boxes_lost == {"train/1.png": 2, "val/1.png": 2}
    assert {item.name for item in account.left_out if item.what == "picture"} == boxes_lost.keys()


def test_the_most_frequent_spelling_wins_and_negatives_stay(tmp_path):
    root = tmp_path / "source"
    voc(root)
    xml(root, 1, [("DOG", 10, 8, 40, 30)])
    picture(root / "JPEGImages/nothing.jpg", 999)
    dataset, account, changes = mend(root, tmp_path / "made")
    assert dataset.classes == ("cat", "dog")
    assert account.negatives == 1
    assert changes == {"boxes of class 'DOG' named 'dog'": 1}


def test_a_dataset_keeps_its_licence(tmp_path):
    coco(tmp_path / "source")
    dataset, _ = import_source(tmp_path / "source", tmp_path / "made")
    dataset = canonical.write(
        dataset.folder,
        dataset.classes,
        {split: dataset.split(split).pictures for split in canonical.SPLITS},
        {"licence": "CC BY 4.0"},
    )
    reading, _ = mended(examine_dataset(dataset, size=160, deep=False))
    mended_dataset, _ = import_source(dataset.folder, tmp_path / "again", format_name="coco", reading=reading)
    assert mended_dataset.about["licence"] == "CC BY 4.0"
    assert mended_dataset.sha256 == dataset.sha256
