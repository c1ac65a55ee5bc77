"""Penn-Fudan's text becomes boxes; its pixels are counted from (1, 1) and the last one belongs to the box."""

import pytest

from isomer.dataset.formats import pennfudan
from isomer.dataset.source import SourceBox

# FudanPed00001.txt as it is published
TEXT = """# Compatible with PASCAL Annotation Version 1.00
Image filename : "PennFudanPed/PNGImages/FudanPed00001.png"
Image size (X x Y x C) : 559 x 536 x 3
Database : "The Penn-Fudan-Pedestrian Database"
Objects with ground truth : 2 { "PASpersonWalking" "PASpersonWalking" }
# Note there may be some objects not included in the ground truth list for they are severe-occluded
# or have very small size.
# Top left pixel co-ordinates : (1, 1)
# Details for pedestrian 1 ("PASpersonWalking")
Original label for object 1 "PASpersonWalking" : "PennFudanPed"
Bounding box for object 1 "PASpersonWalking" (Xmin, Ymin) - (Xmax, Ymax) : (160, 182) - (302, 431)
Pixel mask for object 1 "PASpersonWalking" : "PennFudanPed/PedMasks/FudanPed00001_mask.png"

# Details for pedestrian 2 ("PASpersonWalking")
Original label for object 2 "PASpersonWalking" : "PennFudanPed"
Bounding box for object 2 "PASpersonWalking" (Xmin, Ymin) - (Xmax, Ymax) : (420, 171) - (535, 486)
Pixel mask for object 2 "PASpersonWalking" : "PennFudanPed/PedMasks/FudanPed00001_mask.png"
"""


def test_the_published_text():
    found = pennfudan.parse(TEXT)
    assert found.boxes == (
        SourceBox("PASpersonWalking", 159, 181, 143, 250),
        SourceBox("PASpersonWalking", 419, 170, 116, 316),
    )
    assert (found.size, found.broken) == ((559, 536), ())


def test_a_file_says_where_it_counts_from():
    assert pennfudan.parse(TEXT.replace(": (1, 1)", ": (0, 0)")).boxes[0] == SourceBox(
        "PASpersonWalking", 160, 182, 143, 250
    )


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("(160, 182) - (302, 431)", "(160, 182)", "without four numbers"),
        ('object 1 "PASpersonWalking" (X', "object 1 (X", "without a class name"),
    ],
)
def test_objects_that_cannot_be_used_are_named(old, new, reason):
    found = pennfudan.parse(TEXT.replace(old, new))
    assert (len(found.boxes), found.broken) == (1, (reason,))


def test_masks_of_a_like_name_are_not_the_picture(tree_of):
    files = {f"PennFudanPed/{name}": "" for name in ("PNGImages/FudanPed00001.png", "PedMasks/FudanPed00001_mask.png")}
    tree = tree_of({**files, "PennFudanPed/Annotation/FudanPed00001.txt": TEXT, "PennFudanPed/readme.txt": "PASCAL"})
    (picture,) = pennfudan.read(tree).pictures
    assert tree.find_picture(picture) == ["PennFudanPed/PNGImages/FudanPed00001.png"]
    assert pennfudan.evidence(tree).startswith("PennFudanPed/Annotation/FudanPed00001.txt is compatible")
