"""CSV rows become boxes, whatever the header calls its columns or without one."""

import pytest

from isomer.dataset.formats import table
from isomer.dataset.source import SourceBox

ROBOFLOW = "filename,width,height,class,xmin,ymin,xmax,ymax\n"
BOX = SourceBox("cat", 1, 2, 10, 20)


def parse(text: str, name: str = "a.csv"):
    return table.parse(text, table.layout_of(text), name)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (f"{ROBOFLOW}a.jpg,64,48,cat,1,2,11,22\n", (64, 48)),
        (f'{ROBOFLOW}a.jpg,64,48," cat ",1.0,2.0,11.0,22.0\n', (64, 48)),
        (";Image Name;X_Min;Y_Min;X_Max;Y_Max;Label\n0;a.jpg;1;2;11;22;cat\n", None),
        ("label_name,bbox_x,bbox_y,bbox_width,bbox_height,image_name,image_width,image_height\n"
         "cat,1,2,10,20,a.jpg,64,48\n", (64, 48)),
        ("a.jpg,1,2,11,22,cat\n", None),
        ("cat,1,2,10,20,a.jpg,64,48\n", (64, 48)),
    ],
)  # fmt: skip
def test_dialects(text, size):
    (picture,) = parse(text).pictures
    assert (picture.names, picture.size, picture.boxes) == (("a.jpg",), size, (BOX,))
    assert not picture.fractions


def test_rows_of_a_picture_are_its_boxes_and_rows_without_numbers_are_negatives():
    text = "a.jpg,1,2,11,22,cat\nb.jpg,,,,,\na.jpg,3,4,5,6,dog\n"
    assert [(item.names[0], len(item.boxes)) for item in parse(text).pictures] == [("a.jpg", 2), ("b.jpg", 0)]


def test_numbers_up_to_one_are_fractions():
    (picture,) = parse(f"{ROBOFLOW}a.jpg,64,48,cat,0.25,0.5,0.75,1\n").pictures
    assert picture.fractions
    assert picture.boxes == (SourceBox("cat", 0.25, 0.5, 0.5, 0.5),)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("a.jpg,64,48,cat,1,2,11", "without four numbers"),
        ("a.jpg,64,48,cat,1,two,11,22", "without four numbers"),
        ("a.jpg,64,48,,1,2,11,22", "without a class name"),
        (",64,48,cat,1,2,11,22", "without a picture"),
    ],
)
def test_rows_that_cannot_be_used_are_named(row, reason):
    reading = parse(f"{ROBOFLOW}a.jpg,64,48,cat,1,2,11,22\n{row}\n")
    assert [item.boxes for item in reading.pictures] == [(BOX,)]
    assert [(reason in item.reason, item.name) for item in reading.left_out] == [(True, "a.csv, line 3")]


def test_splits_by_folder_by_name_and_by_column(tree_of):
    row = "a.jpg,64,48,cat,1,2,11,22\n"
    files = {"train/_annotations.csv": ROBOFLOW + row, "test_labels.csv": ROBOFLOW + row}
    files["all.csv"] = "image,class,x1,y1,x2,y2,split\na.jpg,cat,1,2,11,22,validation\n"
    reading = table.read(tree_of(files))
    assert {item.annotation: item.split for item in reading.pictures} == {
        "train/_annotations.csv": "train",
        "test_labels.csv": "test",
        "all.csv": "val",
    }


def test_the_class_list_gives_the_order(tree_of):
    files = {"train/_annotations.csv": "train/a.jpg,1,2,11,22,cat\n", "train/_classes.csv": "dog,0\ncat,1\n"}
    assert table.read(tree_of(files)).labels == ("dog", "cat")


@pytest.mark.parametrize(
    "text", ["", "a,b\n1,2\n", "ImageID,Source,LabelName,XMin,XMax,YMin,YMax\n", "a.jpg,cat\n", "x,1,2,3,4,cat\n"]
)
def test_other_tables_are_none(tree_of, text):
    assert table.evidence(tree_of({"a.csv": text})) is None


def test_evidence_names_the_file_and_the_columns(tree_of):
    assert "b.csv has columns picture, label, xmin" in table.evidence(tree_of({"a.csv": "1,2\n", "b.csv": ROBOFLOW}))
