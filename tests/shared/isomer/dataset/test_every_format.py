"""The same three pictures with the same box in every format become the same dataset."""

import json
import struct
from pathlib import Path

import pytest

from isomer.dataset import canonical, formats, records
from isomer.dataset.importing import import_source

STEMS = ("a", "b", "c")
X, Y, WIDTH, HEIGHT = 8, 12, 16, 24  # in a picture of 64×48: fractions 1/8, 1/4, 1/4, 1/2
RIGHT, BELOW = X + WIDTH, Y + HEIGHT
OPEN_IMAGES = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf\n"


def coco(source):
    source.coco("all.json", {f"{stem}.jpg": [("cat", X, Y, RIGHT, BELOW)] for stem in STEMS}, ("cat",))


def voc(source):
    for stem in STEMS:
        source.voc(f"{stem}.xml", ("cat", X, Y, RIGHT, BELOW))


def yolo(source):
    source.text("classes.txt", "cat\n")
    for stem in STEMS:
        source.text(f"{stem}.txt", "0 0.25 0.5 0.25 0.5\n")


def csv(source):
    rows = "".join(f"{stem}.jpg,{X},{Y},{RIGHT},{BELOW},cat\n" for stem in STEMS)
    source.text("_annotations.csv", rows)


def openimages(source):
    rows = "".join(f"{stem},xclick,/m/01yrx,1,0.125,0.375,0.25,0.75,0,0,0\n" for stem in STEMS)
    source.text("boxes.csv", OPEN_IMAGES + rows)
    source.text("class-descriptions-boxable.csv", "/m/01yrx,cat\n")


def labelme(source):
    shape = {"label": "cat", "shape_type": "rectangle", "points": [[X, Y], [RIGHT, BELOW]]}
    for stem in STEMS:
        source.text(f"{stem}.json", json.dumps({"shapes": [shape], "imagePath": f"{stem}.jpg", "imageData": None}))


def cvat(source):
    box = f'<box label="cat" xtl="{X}" ytl="{Y}" xbr="{RIGHT}" ybr="{BELOW}"/>'
    images = "".join(f'<image name="{stem}.jpg" width="64" height="48">{box}</image>' for stem in STEMS)
    source.text("annotations.xml", f"<annotations>{images}</annotations>")


def via(source):
    region = {
        "shape_attributes": {"name": "rect", "x": X, "y": Y, "width": WIDTH, "height": HEIGHT},
        "region_attributes": {"type": "cat"},
    }
    source.text("via.json", json.dumps({stem: {"filename": f"{stem}.jpg", "regions": [region]} for stem in STEMS}))


def labelstudio(source):
    value = {"x": 12.5, "y": 25, "width": 25, "height": 50, "rotation": 0, "rectanglelabels": ["cat"]}
    result = {"type": "rectanglelabels", "value": value, "original_width": 64, "original_height": 48}
    tasks = [{"data": {"image": f"/{stem}.jpg"}, "annotations": [{"result": [result]}]} for stem in STEMS]
    source.text("export.json", json.dumps(tasks))


def kitti(source):
    for stem in STEMS:
        source.text(f"{stem}.txt", f"cat 0 0 0 {X} {Y} {RIGHT} {BELOW} 1 1 1 0 0 0 0\n")


def pennfudan(source):
    for stem in STEMS:
        box = f'"cat" (Xmin, Ymin) - (Xmax, Ymax) : ({X + 1}, {Y + 1}) - ({RIGHT}, {BELOW})'
        head = f'# Compatible with PASCAL Annotation Version 1.00\nImage filename : "PNGImages/{stem}.jpg"\n'
        source.text(f"{stem}.txt", f"{head}Bounding box for object 1 {box}\n")


def tfrecord(source):
    """The pictures are inside, and the files beside them are gone."""
    with (source.root / "cats.record").open("wb") as stream:
        for stem in STEMS:
            picture = source.root / f"{stem}.jpg"
            stream.write(_record(picture.read_bytes(), stem))
            picture.unlink()


def _record(picture: bytes, stem: str) -> bytes:
    box = dict(zip(("xmin", "ymin", "xmax", "ymax"), (0.125, 0.25, 0.375, 0.75), strict=True))
    entries = [
        ("image/encoded", _field(1, _field(1, picture))),
        ("image/filename", _field(1, _field(1, f"{stem}.jpg".encode()))),
        ("image/object/class/text", _field(1, _field(1, b"cat"))),
        *((f"image/object/bbox/{key}", _field(2, _field(1, struct.pack("<f", one)))) for key, one in box.items()),
    ]
    features = b"".join(_field(1, _field(1, key.encode()) + _field(2, value)) for key, value in entries)
    data = _field(1, features)
    length = struct.pack("<Q", len(data))
    checks = [struct.pack("<I", records.masked_crc32c(part)) for part in (length, data)]
    return length + checks[0] + data + checks[1]


def _field(number: int, content: bytes) -> bytes:
    size, length = len(content), b""
    while size >= 0x80:
        length, size = length + bytes([size & 0x7F | 0x80]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


WRITERS = {
    writer.__name__: writer
    for writer in (coco, voc, yolo, csv, openimages, labelme, cvat, via, labelstudio, kitti, pennfudan, tfrecord)
}


@pytest.mark.parametrize("name", WRITERS)
def test_the_box_arrives(source, tmp_path: Path, name):
    for stem in STEMS:
        source.picture(f"{stem}.jpg")
    WRITERS[name](source)
    dataset, account = import_source(source.root, tmp_path / "made")
    assert (dataset.about["format"], dataset.classes, account.left_out) == (name, ("cat",), [])
    found = [picture for split in canonical.SPLITS for picture in dataset.split(split).pictures]
    assert {picture.file_name: picture.boxes for picture in found} == {
        f"{stem}.jpg": (canonical.Box(1, X, Y, WIDTH, HEIGHT),) for stem in STEMS
    }


def test_wider_face_knows_one_class(source, tmp_path):
    for stem in STEMS:
        source.picture(f"{stem}.jpg")
    source.text("list.txt", "".join(f"{stem}.jpg\n1\n{X} {Y} {WIDTH} {HEIGHT} 0 0 0 0 0 0\n" for stem in STEMS))
    dataset, account = import_source(source.root, tmp_path / "made")
    assert (dataset.classes, account.boxes_kept, account.left_out) == (("face",), 3, [])


def test_none_is_forgotten():
    assert WRITERS.keys() | {"widerface", "folder"} == formats.formats().keys()
