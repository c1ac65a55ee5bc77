"""What is exported and imported again is what it was: no box lost, none moved by more than half a pixel."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from isomer import flags
from isomer.dataset import canonical, exports
from isomer.dataset.canonical import Box, Dataset, Picture
from isomer.dataset.exports import export, tfrecord, voc
from isomer.dataset.importing import import_source

CLASSES = ("cat", "polar bear", 'the "ÉLAN", 狐 & <co>')
SIZE = (61, 47)


@pytest.fixture
def dataset(tmp_path) -> Dataset:
    """Three splits with fractional, thin, tiny and touching boxes, a negative, equal stems, a grey PNG."""
    folder = tmp_path / "pets"
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(5)
    splits = {}
    for split, count in (("train", 8), ("val", 3), ("test", 3)):
        pictures = []
        for number in range(count):
            name = {0: "same.jpg", 1: "same.png", 2: "Füchse und 狐.jpg"}.get(number, f"{number}.jpg")
            name = name if split == "train" else f"{split}-{name}"
            pixels = rng.integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)
            Image.fromarray(pixels[..., 0] if name.endswith("png") else pixels).save(folder / "images" / name)
            boxes = [_box(rng, category) for category in (1, 2, 3)] if number != 3 else []
            if number == 4:
                boxes += [Box(1, 0, 0, *SIZE), Box(2, 10.1, 5, 0.3, 30), Box(3, 50.5, 40.5, 10.5, 6.5)]
            pictures.append(Picture(number + 1, name, *SIZE, tuple(boxes)))
        splits[split] = tuple(pictures)
    return canonical.write(folder, CLASSES, splits, {})


def _box(rng: np.random.Generator, category: int) -> Box:
    x, y = rng.uniform(0, 30), rng.uniform(0, 20)
    return Box(category, x, y, rng.uniform(1.5, SIZE[0] - x), rng.uniform(1.5, SIZE[1] - y))


def by_content(dataset: Dataset) -> dict[bytes, tuple[str, Picture]]:
    """Split and picture by the picture file's bytes, which an export keeps; its name may change."""
    found = {}
    for name in canonical.SPLITS:
        split = dataset.split(name)
        found |= {split.path(picture).read_bytes(): (name, picture) for picture in split.pictures}
    return found


def edges(dataset: Dataset, picture: Picture) -> np.ndarray:
    """A row a box: class, xmin, ymin, xmax, ymax; in an order that rounding does not change much."""
    names = dataset.classes
    rows = [(sorted(CLASSES).index(names[box.category - 1]), *voc.corners(box)) for box in picture.boxes]
    return np.array(sorted(rows, key=lambda row: (row[0], round(row[3]), round(row[4])))).reshape(-1, 5)


@pytest.mark.parametrize("name", exports.formats())
def test_round_trip(dataset, tmp_path, name):
    export(dataset, name, tmp_path / "there", link=False)
    options = {"format_name": None, "shares_text": None, "seed": 0, "link": False}
    back, account = import_source(tmp_path / "there", tmp_path / "back", **options)
    assert account.left_out == []
    assert sorted(back.classes) == sorted(dataset.classes)
    before, after = by_content(dataset), by_content(back)
    assert before.keys() == after.keys()
    for data, (split, picture) in before.items():
        assert after[data][0] == split
        assert after[data][1].width == picture.width
        one, other = edges(dataset, picture), edges(back, after[data][1])
        assert one.shape == other.shape
        assert np.array_equal(one[:, 0], other[:, 0])
        assert np.abs(one - other).max(initial=0) <= 0.5


def test_the_flag_lists_the_formats():
    assert tuple(exports.formats()) == flags.EXPORTED


def test_crowds_are_kept_or_told(dataset, tmp_path):
    split = dataset.split("train")
    crowded = tuple(
        Picture(one.id, one.file_name, one.width, one.height, tuple(Box(1, 1, 1, 9, 9, True) for _ in one.boxes[:1]))
        for one in split.pictures
    )
    others = {name: dataset.split(name).pictures for name in ("val", "test")}
    dataset = canonical.write(dataset.folder, CLASSES, {"train": crowded, **others}, {})
    assert export(dataset, "coco", tmp_path / "coco", link=False) == []
    value = json.loads((tmp_path / "coco/annotations/instances_train.json").read_text())
    assert [item["iscrowd"] for item in value["annotations"]] == [1] * 7
    (told,) = export(dataset, "voc", tmp_path / "voc", link=False)
    assert told.startswith("7 boxes around crowds")


def test_empty_splits_are_left_out_and_links_share_the_bytes(dataset, tmp_path):
    dataset = canonical.write(dataset.folder, CLASSES, {"train": dataset.split("train").pictures}, {})
    export(dataset, "yolo", tmp_path / "there", link=True)
    assert [path.name for path in (tmp_path / "there/images").iterdir()] == ["train"]
    assert (tmp_path / "there/images/train/5.jpg").samefile(dataset.folder / "images/5.jpg")


def test_voc_has_whole_pixels_that_every_reader_takes(dataset, tmp_path):
    export(dataset, "voc", tmp_path / "there", link=False)
    words = [
        item.text
        for path in (tmp_path / "there/Annotations").glob("*.xml")
        for box in ElementTree.parse(path).iter("bndbox")
        for item in box
    ]
    assert sum("." in word for word in words) == 2, "but for the box that is thinner than a pixel"


def test_records_are_tensorflows_own_bytes():
    """Written by tf.io.TFRecordWriter and SerializeToString of TensorFlow 2.20."""
    assert tfrecord.record(b"abc").hex() == "0300000000000000b099490e6162636e57f121"
    assert tfrecord.example({"b": [b"x", b""]}).hex() == "0a0e0a0c0a016212070a050a01780a00"
    assert tfrecord.example({"f": [0.5, 1.0]}).hex() == "0a130a110a0166120c120a0a080000003f0000803f"
    assert tfrecord.example({"i": [1, 300]}).hex() == "0a0e0a0c0a016912071a050a0301ac02"
    assert tfrecord.example({"e": []}).hex() == "0a070a050a01651200"


def test_shards_hold_every_picture_once(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(tfrecord, "SHARD_BYTES", 5_000)
    export(dataset, "tfrecord", tmp_path / "there", link=False)
    shards = sorted(path.name for path in (tmp_path / "there").glob("train-*"))
    assert len(shards) > 2
    assert shards[-1] == f"train-{len(shards) - 1:05d}-of-{len(shards):05d}.tfrecord"
    data = b"".join(path.read_bytes() for path in Path(tmp_path / "there").glob("train-*"))
    split = dataset.split("train")
    assert all(data.count(split.path(picture).read_bytes()) == 1 for picture in split.pictures)
    assert (tmp_path / "there/label_map.pbtxt").read_text().startswith('item {\n  id: 1\n  name: "cat"\n}\n')
