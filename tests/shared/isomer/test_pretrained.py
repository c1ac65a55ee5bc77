"""What --weights names, and what is said where it names nothing."""

from __future__ import annotations

import hashlib

import pytest

from isomer import files, pretrained
from isomer.catalogue import Model, Pretrained, choose
from isomer.errors import UserError
from isomer.volume import Volume

PUBLISHED = Pretrained(url="https://example.org/models/detector.tar.gz", licence="MIT")
SMALL = Model("small", "Small", 320, 1, 1.0, "", "", {})
LARGE = Model("large", "Large", 640, 1, 1.0, "", "", {"coco": PUBLISHED})


@pytest.fixture
def volume(tmp_path) -> Volume:
    return Volume(tmp_path)


def find(word: str, volume: Volume, model: Model = LARGE) -> pretrained.Weights | None:
    return pretrained.find(word, model, volume, "tf")


def run(volume: Volume, name: str, **record) -> bytes:
    weights = b"weights of " + name.encode()
    folder = volume.runs / name
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints" / "best.h5").write_bytes(weights)
    files.write_json(folder / "config.json", {"framework": "tf", "model": "large"} | record.pop("config", {}))
    known = {"weights": "checkpoints/best.h5", "weights_sha256": hashlib.sha256(weights).hexdigest(), "state": "done"}
    files.write_json(folder / "run.json", known | record)
    return weights


def test_nothing(volume):
    assert find("none", volume) is None


def test_what_was_fetched(volume):
    path = volume.weights / "detector.tar.gz"
    path.parent.mkdir()
    path.write_bytes(b"published")
    found = find("coco", volume)
    assert (found.path, found.published) == (path, PUBLISHED)
    assert found.to_json()["sha256"] == hashlib.sha256(b"published").hexdigest()


def test_what_was_not_fetched_is_named_with_its_address_and_place(volume):
    with pytest.raises(UserError) as error:
        find("coco", volume)
    for part in (str(volume.weights / "detector.tar.gz"), PUBLISHED.url, "./inv weights --model large"):
        assert part in str(error.value)


def test_what_is_not_published(volume):
    with pytest.raises(UserError, match="--weights coco: none are published for small"):
        find("coco", volume, SMALL)


def test_a_file_and_a_checkpoint_of_several(volume, tmp_path):
    folder = tmp_path / "downloads" / "published"
    folder.mkdir(parents=True)
    for name in ("ckpt-7.index", "ckpt-7.data-00000-of-00001"):
        (folder / name).write_bytes(name.encode())
    one = find(str(folder / "ckpt-7.index"), volume)
    assert one.to_json()["sha256"] == hashlib.sha256(b"ckpt-7.index").hexdigest()
    hashes = set()
    for path in (folder, folder.parent, folder / "ckpt-7"):
        found = find(str(path), volume)
        assert found.path == path
        hashes.add(found.to_json()["sha256"])
    assert len(hashes) == 1
    (folder / "ckpt-7.data-00000-of-00001").write_bytes(b"another")
    assert find(str(folder), volume).to_json()["sha256"] not in hashes


def test_a_folder_without_a_checkpoint_is_nothing(volume, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="unknown --weights"):
        find(str(tmp_path / "empty"), volume)


def test_a_run(volume):
    weights = run(volume, "mine")
    found = find("mine", volume)
    assert found.path.read_bytes() == weights
    assert found.run.name == "mine"


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"state": "started"}, "not trained to its end"),
        ({"config": {"model": "small"}}, "the model of that run is small, not large"),
        ({"config": {"framework": "torch"}}, "the framework of that run is torch, not tf"),
        ({"weights_sha256": "0" * 64}, "is missing or is not what run"),
    ],
)
def test_a_run_that_does_not_do(volume, record, reason):
    run(volume, "mine", **record)
    with pytest.raises(UserError, match=reason):
        find("mine", volume)


def test_a_word_that_is_nothing_lists_what_there_is(volume):
    run(volume, "mine")
    with pytest.raises(UserError, match=r"did you mean 'mine'\? Known: coco, none, mine, or a file"):
        find("mien", volume)


def test_without_a_model_the_first_that_has_the_weights():
    models = {"small": SMALL, "large": LARGE}
    assert choose(models, None).name == "small"
    assert choose(models, None, "coco").name == "large"
    assert choose(models, None, "imagenet").name == "small"
    assert choose(models, "small", "coco").name == "small"
