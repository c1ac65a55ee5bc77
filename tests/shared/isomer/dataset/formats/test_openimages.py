"""Open Images' rows become boxes in fractions, for the pictures that are there."""

import pytest

from isomer.dataset.formats import openimages
from isomer.dataset.source import SourceBox

HEADER = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside"
ROW = "0a1b,xclick,/m/01yrx,1,0.25,0.75,0.5,1,0,0,{},0,0"
BOX = SourceBox("Cat", 0.25, 0.5, 0.5, 0.5)


def parse(*rows: str, header: str = HEADER, names: dict[str, str] | None = None):
    text = "\n".join((header, *rows))
    return openimages.parse(text, {"/m/01yrx": "Cat"} if names is None else names, "a.csv", lambda name: name != "gone")


def test_columns_and_groups():
    assert parse(ROW.format(0), ROW.format(1)).boxes == {"0a1b": [BOX, SourceBox("Cat", 0.25, 0.5, 0.5, 0.5, True)]}


def test_the_dialect_with_class_names():
    row = f"{ROW.format(0)},/m/01yrx,Big cat"
    assert parse(row, header=f"{HEADER},id,ClassName").boxes["0a1b"][0].label == "Big cat"
    short = parse("0a1b,0.25,0.5,0.75,1,Cat", header="ImageID,XMin,YMin,XMax,YMax,ClassName")
    assert short.boxes == {"0a1b": [BOX]}


def test_codes_without_a_name_stay_and_that_is_known():
    found = parse(ROW.format(0), names={})
    assert found.boxes["0a1b"][0].label == "/m/01yrx"
    assert found.unnamed


def test_rows_of_absent_pictures_are_counted():
    found = parse(ROW.format(0), ROW.format(0).replace("0a1b", "gone"), ROW.format(0).replace("0a1b", "gone"))
    assert found.absent == {"gone": 2}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("0a1b,xclick,/m/01yrx,1,0.25,0.75,0.5", "without four numbers"),
        ("0a1b,xclick,,1,0.25,0.75,0.5,1,0,0,0,0,0", "without a class"),
        (",xclick,/m/01yrx,1,0.25,0.75,0.5,1,0,0,0,0,0", "without a picture"),
    ],
)
def test_rows_that_cannot_be_used_are_named(row, reason):
    found = parse(ROW.format(0), row)
    assert [(reason in item.reason, item.name) for item in found.left_out] == [(True, "a.csv, line 3")]


@pytest.mark.parametrize("header", ["", "LabelName,DisplayName\n"])
def test_a_download_of_several_splits(tree_of, header):
    files = {f"{split}-annotations-bbox.csv": f"{HEADER}\n{ROW.format(0)}\n" for split in ("train", "validation")}
    files["class-descriptions-boxable.csv"] = f"{header}/m/0bt9lr,Dog\n/m/01yrx,Cat\n"
    files |= {"train/0a1b.jpg": "", "validation/0a1b.jpg": ""}
    tree = tree_of(files)
    reading = openimages.read(tree)
    assert [(tree.find_picture(item), item.split) for item in reading.pictures] == [
        (["train/0a1b.jpg"], "train"),
        (["validation/0a1b.jpg"], "val"),
    ]
    assert reading.labels == ("Cat",)


def test_of_jetson_s_files_the_reduced_ones_are_read(tree_of):
    files = {"train/0a1b.jpg": "", "sub-train-annotations-bbox.csv": f"{HEADER},ClassName\n{ROW.format(0)},Cat\n"}
    files["train-annotations-bbox.csv"] = f"{HEADER}\n{ROW.format(0)}\n"
    assert [item.annotation for item in openimages.read(tree_of(files)).pictures] == ["sub-train-annotations-bbox.csv"]


def test_real_rows(cases, tree_of):
    """15,932 boxes whose pictures are not there: counted, and none is lost."""
    folder = cases / "openimages-csv"
    files = {path.name: path.read_bytes() for path in folder.glob("*.csv")}
    rows = sum(data.count(b"\n") - 1 for name, data in files.items() if "bbox" in name)
    reading = openimages.read(tree_of({**files, "train/00007902a7b96e8c.jpg": ""}))
    assert sum(item.boxes for item in reading.left_out) + sum(len(item.boxes) for item in reading.pictures) == rows
    assert {box.label for item in reading.pictures for box in item.boxes} <= set(reading.labels)
    assert not any(label.startswith("/m/") for label in reading.labels)
