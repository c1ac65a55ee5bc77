"""TFRecords in the Object Detection API's layout, as anyone may read them."""

from __future__ import annotations

import numpy as np
import pytest
import records
import tensorflow as tf
from PIL import Image

from isomer.dataset import canonical
from isomer.dataset.canonical import Box, Picture
from isomer.errors import UserError


@pytest.fixture
def dataset(tmp_path):
    (tmp_path / canonical.IMAGES).mkdir()
    pictures = []
    for number in range(3):
        Image.new("RGB", (40, 20), (number, 0, 0)).save(tmp_path / canonical.IMAGES / f"{number}.png")
        boxes = (Box(1, 4, 2, 8, 6), Box(2, 0, 0, 40, 20)) if number else ()
        pictures.append(Picture(0, f"{number}.png", 40, 20, boxes))
    return canonical.write(tmp_path, ("cat", "dog"), {"train": tuple(pictures)}, {})


def test_what_they_hold(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(records, "SHARD_PICTURES", 2)
    found = records.prepare(tmp_path / "records", dataset, dataset.split("train"))
    assert [path.name for path in found.paths] == ["train-00000-of-00002.tfrecord", "train-00001-of-00002.tfrecord"]
    assert found.pictures == 3
    features = {}
    for serialized in tf.data.TFRecordDataset([str(path) for path in found.paths]):
        feature = tf.train.Example.FromString(serialized.numpy()).features.feature
        features[feature["image/filename"].bytes_list.value[0].decode()] = feature
    assert set(features) == {"0.png", "1.png", "2.png"}
    assert not features["0.png"]["image/object/class/label"].int64_list.value
    one = features["1.png"]
    assert one["image/encoded"].bytes_list.value[0] == (tmp_path / "images" / "1.png").read_bytes()
    assert list(one["image/object/class/label"].int64_list.value) == [2, 1]  # by their top left corners
    assert list(one["image/object/class/text"].bytes_list.value) == [b"dog", b"cat"]
    corners = [one[f"image/object/bbox/{name}"].float_list.value for name in ("ymin", "xmin", "ymax", "xmax")]
    np.testing.assert_allclose(np.array(corners).T, [[0, 0, 1, 1], [0.1, 0.1, 0.4, 0.3]], rtol=1e-6)
    assert list(one["image/height"].int64_list.value) == [20]


def test_kept_for_the_same_dataset_only(dataset, tmp_path):
    folder = tmp_path / "records"
    records.prepare(folder, dataset, dataset.split("train"))
    (path,) = folder.glob("*.tfrecord")
    before = path.stat().st_ino
    records.prepare(folder, dataset, dataset.split("train"))
    assert path.stat().st_ino == before
    (folder / "records.json").write_text('{"dataset_sha256": "another"}')
    records.prepare(folder, dataset, dataset.split("train"))
    assert path.stat().st_ino != before


def test_a_picture_lying_on_its_side_is_stored_upright(tmp_path):
    (tmp_path / canonical.IMAGES).mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    pixels = np.random.default_rng(0).integers(0, 256, (20, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / canonical.IMAGES / "a.jpg", exif=exif)
    picture = Picture(1, "a.jpg", 20, 40)
    split = canonical.Split("train", tmp_path, ("one",), (picture,))
    encoded = records.example(split, picture).features.feature["image/encoded"].bytes_list.value[0]
    np.testing.assert_array_equal(tf.io.decode_image(encoded), split.load(picture))
    assert split.load(picture).shape == (40, 20, 3)


def test_an_unreadable_picture_is_named_and_nothing_is_written(dataset, tmp_path):
    (tmp_path / canonical.IMAGES / "1.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"1\.png"):
        records.prepare(tmp_path / "records", dataset, dataset.split("train"))
    assert not (tmp_path / "records").exists()
