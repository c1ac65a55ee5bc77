"""Open Images, COCO, Penn-Fudan and archives, from a copy of their hosts on this machine to a dataset."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import tarfile
import zipfile

import pytest
from local_host import QUICK, reply, status
from PIL import Image

from isomer.dataset import canonical
from isomer.dataset.download import archive, coco, hosts, openimages
from isomer.dataset.download.fetched import Request, laid_out
from isomer.dataset.importing import import_source
from isomer.errors import UserError
from isomer.fetching.errors import FetchError
from isomer.fetching.fetcher import Fetcher

PERSON, TIGER, CAR = "/m/01g317", "/m/07dm6", "/m/0k4j"
BOX_COLUMNS = (
    "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside"
)
LIST_COLUMNS = (
    "ImageID,Subset,OriginalURL,OriginalLandingURL,License,AuthorProfileURL,Author,Title,OriginalSize,OriginalMD5,"
    "Thumbnail300KURL,Rotation"
)
PICTURES = {"train": 40, "validation": 12, "test": 12}
BY = "https://creativecommons.org/licenses/by/2.0/"


def jpeg(seed: int) -> bytes:
    stream = io.BytesIO()
    image = Image.new("RGB", (64, 48), (seed * 37 % 256, seed * 91 % 256, 50))
    image.putpixel((seed % 64, seed % 48), (255, 255, 255))
    image.save(stream, "JPEG")
    return stream.getvalue()


def path_of(url: str) -> str:
    """Where the copy has an address."""
    return "/" + url.partition("://")[2]


def labels_of(number: int) -> list[str]:
    """Every picture has a car, two of three a person, every fourth a tiger."""
    return [CAR] + [PERSON] * bool(number % 3) + [TIGER] * (number % 4 == 0)


@pytest.fixture
def mirrored(host, tmp_path) -> Fetcher:
    return Fetcher(tmp_path / "data/downloads", host.address, QUICK, 4)


@pytest.fixture
def open_images(host):
    """Small files in the form of Open Images' own; returns names of pictures."""
    host.files[path_of(hosts.OPEN_IMAGES_CLASSES)] = (
        f"LabelName,DisplayName\n{CAR},Car\n{PERSON},Person\n{TIGER},Tiger\n/m/1,Zebra\n/m/2,Man\n".encode()
    )
    host.files[path_of(hosts.OPEN_IMAGES_HIERARCHY)] = json.dumps(
        {"LabelName": "/m/0", "Subcategory": [
            {"LabelName": "/m/a", "Subcategory": [{"LabelName": PERSON, "Part": [{"LabelName": "/m/1"}],
                                                   "Subcategory": [{"LabelName": "/m/2"}]}]},
            {"LabelName": CAR},
        ]}
    ).encode()  # fmt: skip
    names = {}
    seed = 0
    for part, count in PICTURES.items():
        boxes, stream = [BOX_COLUMNS], io.StringIO()
        rows = csv.writer(stream)
        rows.writerow(LIST_COLUMNS.split(","))
        names[part] = [hashlib.md5(f"{part}{number}".encode()).hexdigest()[:16] for number in range(count)]
        for number, name in enumerate(sorted(names[part])):
            seed += 1
            host.files[path_of(hosts.OPEN_IMAGES_PICTURE.format(part=part, image=name))] = jpeg(seed)
            boxes += [f"{name},xclick,{label},1,0.25,0.75,0.125,0.5,0,0,0,0,0" for label in labels_of(number)]
        for name in names[part]:
            rows.writerow([name, part, f"https://flic/{name}_o.jpg", f"https://flic/{name}", BY, "https://flic/p/ann",
                           'Ann, "A"', f"Über {name}", 1, "x", "", 0.0])  # fmt: skip
        names[part].sort()
        host.files[path_of(hosts.OPEN_IMAGES_BOXES[part])] = "\n".join([*boxes, ""]).encode()
        host.files[path_of(hosts.OPEN_IMAGES_LISTS[part])] = stream.getvalue().encode()
    return names


def brought_in(source, fetcher: Fetcher, tmp_path, *arguments, **asked) -> tuple[canonical.Dataset, str]:
    """What data-download does; the dataset and its account in words."""
    request = Request(jobs=4, **asked)
    with laid_out(fetcher.cache, "new") as folder:
        fetched = source(fetcher, request, folder, *arguments)
        dataset, account = import_source(
            fetched.path,
            tmp_path / "data/datasets/new",
            format_name=fetched.format_name,
            shares_text=fetched.shares,
            link=True,
            classes_text=fetched.classes,
            limit=fetched.limit,
            reading=fetched.reading,
            attribution=fetched.attribution,
            about=fetched.about(request),
        )
    return dataset, account.text()


def counts(dataset) -> dict[str, tuple[int, int]]:
    return {name: (item["images"], item["boxes"]) for name, item in dataset.about["splits"].items()}


def test_open_images_by_class(host, mirrored, open_images, tmp_path):
    dataset, text = brought_in(openimages.fetch, mirrored, tmp_path, classes="Tiger,Person")
    assert dataset.classes == ("Tiger", "Person")
    expected = {
        split: [set(labels_of(number)) - {CAR} for number in range(PICTURES[part])]
        for split, part in (("train", "train"), ("val", "validation"), ("test", "test"))
    }
    assert counts(dataset) == {
        split: (sum(map(bool, labels)), sum(map(len, labels))) for split, labels in expected.items()
    }
    picture = dataset.split("val").pictures[0]
    assert (picture.boxes[0].x, picture.boxes[0].y, picture.boxes[0].width, picture.boxes[0].height) == (16, 6, 32, 18)
    assert "left out" not in text


def test_open_images_keeps_licence_and_author(mirrored, open_images, tmp_path):
    dataset, _ = brought_in(openimages.fetch, mirrored, tmp_path, classes="Person", split="validation,test")
    own = {picture.file_name for split in canonical.SPLITS for picture in dataset.split(split).pictures}
    assert set(dataset.about["attribution"]) == own
    name = open_images["validation"][1]
    assert dataset.about["attribution"][f"{name}.jpg"] == {
        "licence": BY,
        "author": 'Ann, "A"',
        "author_url": "https://flic/p/ann",
        "title": f"Über {name}",
        "page": f"https://flic/{name}",
        "url": f"https://flic/{name}_o.jpg",
    }
    assert dataset.about["source"] == "Open Images V7"
    # without train, there would be nothing to train on
    assert counts(dataset)["train"][0] == 13
    assert dataset.about["licence"].startswith("annotations CC BY 4.0")
    assert dataset.about["download"]["classes"] == "Person"
    assert hosts.OPEN_IMAGES_BOXES["test"] in dataset.about["download"]["urls"]


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        ("Person", "labels Man apart from Person, and these are not taken: Man=Person in"),
        ("Car", None),
        ("Person,Man=Person", None),
    ],
)
def test_kinds_with_labels_of_their_own_are_said(mirrored, open_images, tmp_path, classes, said):
    _, text = brought_in(openimages.fetch, mirrored, tmp_path, classes=classes, split="test")
    assert (said in text) if said else "apart from" not in text


def test_a_limit_is_shared_by_classes_and_splits(mirrored, open_images, tmp_path):
    dataset, _ = brought_in(openimages.fetch, mirrored, tmp_path, classes="Person,Tiger", limit=20)
    assert {split: pictures for split, (pictures, _) in counts(dataset).items()} == {"train": 16, "val": 2, "test": 2}
    assert min(item["boxes"] for item in dataset.about["classes"]) >= 8


def test_a_limit_reads_no_more_than_it_needs(host, mirrored, open_images, tmp_path):
    path = path_of(hosts.OPEN_IMAGES_BOXES["train"])
    filler = "".join(f"{number:x},xclick,/m/1,1,0,1,0,1,0,0,0,0,0\n" for number in range(16**15, 16**15 + 200_000))
    host.files[path] += filler.encode()
    brought_in(openimages.fetch, mirrored, tmp_path, classes="Person", limit=10, split="train")
    part = mirrored.place(hosts.OPEN_IMAGES_BOXES["train"])
    assert not part.is_file()
    assert part.with_name(f"{part.name}.part").stat().st_size < len(host.files[path]) / 4


def test_shares_divide_anew(mirrored, open_images, tmp_path):
    dataset, _ = brought_in(openimages.fetch, mirrored, tmp_path, classes="Car", split="0.5,0.25,0.25")
    assert [pictures for pictures, _ in counts(dataset).values()] == [32, 16, 16]


def test_classes_are_renamed_and_merged(mirrored, open_images, tmp_path):
    dataset, _ = brought_in(openimages.fetch, mirrored, tmp_path, classes="Tiger=animal,Person=animal,Zebra=animal")
    assert dataset.classes == ("animal",)


def test_again_is_the_same_and_asks_nobody(host, mirrored, open_images, tmp_path):
    brought_in(openimages.fetch, mirrored, tmp_path, classes="Person", limit=20)
    path = tmp_path / "data/datasets/new/dataset.json"
    first = path.read_bytes()
    host.asked.clear()
    brought_in(openimages.fetch, mirrored, tmp_path, classes="Person", limit=20)
    assert path.read_bytes() == first
    assert host.asked == []
    assert not (mirrored.cache / ".laid-out").exists()


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (status(*[404] * 9), "whose host answered 404 Not Found"),
        (status(*[403] * 9), "whose host answered 403 Forbidden"),
        (lambda handler, data, _: reply(handler, data[:300]), "cannot be read"),
        (lambda handler, data, _: reply(handler, b"<html>gone</html>"), "gave a web page instead"),
    ],
)
def test_a_picture_that_cannot_be_had_is_named(host, mirrored, open_images, tmp_path, fault, reason):
    name = open_images["train"][1]
    host.faults[path_of(hosts.OPEN_IMAGES_PICTURE.format(part="train", image=name))] = fault
    dataset, text = brought_in(openimages.fetch, mirrored, tmp_path, classes="Person")
    line = next(line for line in text.splitlines() if line.startswith("left out"))
    assert "1 picture with 1 box" in line and reason in line and line.endswith(f"train/{name}.jpg")
    assert f"{name}.jpg" not in dataset.about["attribution"]
    assert not mirrored.place(hosts.OPEN_IMAGES_PICTURE.format(part="train", image=name)).exists()


def test_a_host_of_pictures_that_is_gone_ends_it(mirrored, open_images, tmp_path, monkeypatch):
    monkeypatch.setattr(hosts, "OPEN_IMAGES_PICTURE", "http://127.0.0.1:9/{part}/{image}.jpg")
    mirrored.mirror, address = None, mirrored.mirror
    for name in ("OPEN_IMAGES_BOXES", "OPEN_IMAGES_LISTS"):
        urls = {part: address + path_of(url) for part, url in getattr(hosts, name).items()}
        monkeypatch.setattr(hosts, name, urls)
    monkeypatch.setattr(hosts, "OPEN_IMAGES_CLASSES", address + path_of(hosts.OPEN_IMAGES_CLASSES))
    with pytest.raises(UserError, match=r"20 pictures in a row could not be had, the last: .* cannot be reached"):
        brought_in(openimages.fetch, mirrored, tmp_path, classes="Person")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"classes": "person"}, "did you mean 'Person'"),
        ({"classes": None}, "needs --classes"),
        ({"classes": "Zebra"}, "no picture of train, validation, test has a box of Zebra"),
        ({"classes": "Person", "split": "train,holdout"}, "the source has train, validation, test"),
        ({"classes": "Person", "split": "0.9,0.9,0.1"}, "--split 0.9,0.9,0.1"),
        ({"classes": "Person", "limit": 2}, "--limit 2 cannot fill 3 splits"),
    ],
)
def test_what_cannot_be_is_a_sentence(mirrored, open_images, tmp_path, asked, words):
    with pytest.raises(UserError) as caught:
        brought_in(openimages.fetch, mirrored, tmp_path, **asked)
    assert words in str(caught.value)
    assert not (tmp_path / "data/datasets/new").exists()


@pytest.mark.parametrize("data", [b"<!doctype html><p>sign in", b"a,b\n1,2\n"])
def test_a_list_that_is_none(host, mirrored, open_images, tmp_path, data):
    host.files[path_of(hosts.OPEN_IMAGES_BOXES["train"])] = data
    with pytest.raises(
        FetchError, match=r"oidv6-train-annotations-bbox\.csv (gave a web page|is no CSV of Open Images)"
    ):
        brought_in(openimages.fetch, mirrored, tmp_path, classes="Person")


@pytest.fixture
def coco_files(host, monkeypatch):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as members:
        for part, count in (("train", 40), ("val", 10)):
            images = [
                {"id": number, "file_name": f"{number:012}.jpg", "width": 64, "height": 48, "license": number % 2 + 1,
                 "flickr_url": f"http://flickr/{part}{number}"}
                for number in range(1, count + 1)
            ]  # fmt: skip
            for item in images:
                url = hosts.COCO_PICTURE.format(part=part, file_name=item["file_name"])
                host.files[path_of(url)] = jpeg(item["id"] + (100 if part == "val" else 0))
            annotations = [
                {"id": 2 * number + which, "image_id": number, "category_id": (1, 18)[which], "bbox": [8, 8, 20, 20],
                 "area": 400, "iscrowd": 0, "segmentation": [[8, 8, 28, 8, 28, 28]]}
                for number in range(1, count + 1) for which in range(1 + (number % 4 == 0))
            ]  # fmt: skip
            value = {
                "licenses": [{"id": 1, "name": "A", "url": "http://a"}, {"id": 2, "name": "B", "url": "http://b"}],
                "images": images,
                "annotations": annotations,
                "categories": [{"id": 1, "name": "person"}, {"id": 18, "name": "dog"}, {"id": 20, "name": "sheep"}],
            }
            members.writestr(f"annotations/instances_{part}2017.json", json.dumps(value))
    host.files[path_of(hosts.COCO_ANNOTATIONS)] = stream.getvalue()
    monkeypatch.setattr(hosts, "COCO_ANNOTATIONS_MD5", hashlib.md5(stream.getvalue()).hexdigest())


def test_coco_by_class(host, mirrored, coco_files, tmp_path):
    dataset, text = brought_in(coco.fetch, mirrored, tmp_path, classes="dog")
    assert dataset.classes == ("dog",)
    assert sum(pictures for pictures, _ in counts(dataset).values()) == 12
    assert counts(dataset)["val"] == (2, 2)
    name = f"{4:012}.jpg"
    assert {"licence": "http://a", "licence_name": "A", "url": "http://flickr/val4"} in dataset.about[
        "attribution"
    ].values()
    assert len(dataset.about["attribution"]) == 12 and "left out" not in text
    assert host.counts[path_of(hosts.COCO_PICTURE.format(part="train", file_name=name))] == 1


def test_coco_with_a_limit_and_a_lost_picture(host, mirrored, coco_files, tmp_path):
    lost = path_of(hosts.COCO_PICTURE.format(part="train", file_name=f"{4:012}.jpg"))
    host.faults[lost] = status(*[404] * 9)
    dataset, text = brought_in(coco.fetch, mirrored, tmp_path, classes="person=human,dog", limit=20)
    assert dataset.classes == ("human", "dog")
    assert sum(pictures for pictures, _ in counts(dataset).values()) == 19
    assert "1 picture with 2 boxes, whose host answered 404 Not Found: train2017/000000000004.jpg" in text


def test_coco_of_another_content_is_refused(mirrored, coco_files, tmp_path, monkeypatch):
    monkeypatch.setattr(hosts, "COCO_ANNOTATIONS_MD5", "0" * 32)
    with pytest.raises(FetchError, match="has MD5"):
        brought_in(coco.fetch, mirrored, tmp_path, classes="dog")


def penn_fudan() -> dict[str, bytes]:
    files = {}
    for number in range(12):
        stream = io.BytesIO()
        Image.open(io.BytesIO(jpeg(number))).save(stream, "PNG")
        files[f"PennFudanPed/PNGImages/P{number}.png"] = stream.getvalue()
        files[f"PennFudanPed/Annotation/P{number}.txt"] = (
            "# Compatible with PASCAL Annotation Version 1.00\n"
            f'Image filename : "PennFudanPed/PNGImages/P{number}.png"\nImage size (X x Y x C) : 64 x 48 x 3\n'
            'Bounding box for object 1 "PASpersonWalking" (Xmin, Ymin) - (Xmax, Ymax) : (10, 11) - (30, 41)\n'
        ).encode()
    return files


def zipped(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as members:
        for name, data in files.items():
            members.writestr(name, data)
    return stream.getvalue()


def tarred(files: dict[str, bytes], mode: str) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as members:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            members.addfile(member, io.BytesIO(data))
    return stream.getvalue()


def test_penn_fudan(host, mirrored, tmp_path):
    host.files[path_of(hosts.PENN_FUDAN)] = zipped(penn_fudan())
    dataset, _ = brought_in(archive.fetch_penn_fudan, mirrored, tmp_path)
    assert dataset.classes == ("PASpersonWalking",)
    assert sum(boxes for _, boxes in counts(dataset).values()) == 12
    assert dataset.about["source"] == "Penn-Fudan pedestrians"


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("/set.zip", zipped(penn_fudan())),
        ("/ds/XYZ?key=1", zipped(penn_fudan())),
        ("/set.tgz", tarred(penn_fudan(), "w:gz")),
        ("/set.tar", tarred(penn_fudan(), "w")),
        ("/set.zip/download", tarred(penn_fudan(), "w:xz")),
    ],
)
def test_any_archive(host, fetcher, tmp_path, path, data):
    host.files[path.partition("?")[0]] = data
    sha256 = hashlib.sha256(data).hexdigest()
    dataset, _ = brought_in(archive.fetch, fetcher, tmp_path, host.url(path), "a set", sha256=sha256)
    assert sum(boxes for _, boxes in counts(dataset).values()) == 12
    assert "key" not in json.dumps(dataset.about)


def test_no_archive(host, fetcher, tmp_path):
    host.files["/set.zip"] = b"just text"
    with pytest.raises(FetchError, match="is no archive"):
        brought_in(archive.fetch, fetcher, tmp_path, host.url("/set.zip"), "a set")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "set.zip", "ftp://h/a.zip", "http://"])
def test_no_address(fetcher, tmp_path, url):
    with pytest.raises(UserError, match="give an address that begins with http"):
        brought_in(archive.fetch, fetcher, tmp_path, url, "a set")
