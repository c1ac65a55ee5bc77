"""What people have becomes a dataset; bad input is named and counted, and nothing is half written."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from isomer.dataset import canonical, shapes
from isomer.dataset.importing import import_source
from isomer.errors import UserError


def do(source, target: Path, **options):
    options = {"format_name": None, "shares_text": None, "seed": 0, "link": False} | options
    return import_source(source.root, target, **options)


def everything(dataset: canonical.Dataset) -> dict[str, canonical.Picture]:
    return {picture.file_name: picture for split in canonical.SPLITS for picture in dataset.split(split).pictures}


def left_out(account) -> dict[tuple[str, str], list[str]]:
    return {key: [item.name for item in items] for key, items in account.reasons().items()}


def adds_up(account) -> bool:
    boxes = account.boxes_kept + sum(item.boxes for item in account.left_out)
    kept_or_not = account.pictures_kept + sum(item.what == "picture" for item in account.left_out)
    return (account.boxes_read, account.pictures_read) == (boxes, kept_or_not)


def test_voc_as_it_should_be(ten, tmp_path):
    dataset, account = do(ten, tmp_path / "made")
    assert dataset.classes == ("cat", "dog")
    assert {name: counts["images"] for name, counts in dataset.about["splits"].items()} == {
        "train": 8,
        "val": 1,
        "test": 1,
    }
    picture = everything(dataset)["3.jpg"]
    assert picture.boxes == (canonical.Box(1, 1, 2, 20, 20),)
    assert (dataset.folder / "images/3.jpg").read_bytes() == (ten.root / "JPEGImages/3.jpg").read_bytes()
    assert account.left_out == []
    assert adds_up(account)


def test_coco_as_it_should_be_with_its_own_splits_and_unused_classes(source, tmp_path):
    labels = ("pets", "dog", "cat")
    for split in ("train", "valid", "test"):
        source.coco(f"{split}/_annotations.coco.json", {"a.jpg": [("cat", 1, 2, 11, 22)], "b.jpg": []}, labels)
        source.picture(f"{split}/a.jpg")
        source.picture(f"{split}/b.jpg")
    dataset, account = do(source, tmp_path / "made")
    assert dataset.classes == ("cat",)
    assert account.unused == ("pets", "dog")
    assert account.negatives == 3
    for split, folder in zip(canonical.SPLITS, ("train", "valid", "test"), strict=True):
        for picture in dataset.split(split).pictures:
            name = "a.jpg" if picture.boxes else "b.jpg"
            assert dataset.split(split).path(picture).read_bytes() == (source.root / folder / name).read_bytes()
    assert adds_up(account)


def test_importing_twice_or_elsewhere_gives_the_same_bytes(ten, tmp_path):
    one, _ = do(ten, tmp_path / "one" / "made")
    two, _ = do(ten, tmp_path / "two" / "made")
    for name in ("train.json", "val.json", "test.json", "dataset.json"):
        assert (one.folder / name).read_bytes() == (two.folder / name).read_bytes()
    assert str(tmp_path) not in (one.folder / "dataset.json").read_text()


def test_each_kind_of_bad_input_is_named_and_the_rest_is_kept(ten, tmp_path):
    (ten.root / "JPEGImages/0.jpg").unlink()
    ten.picture("JPEGImages/negative.jpg")
    ten.voc("Annotations/1.xml", ("cat", -5, -5, 20, 20), ("cat", 70, 2, 90, 20), ("dog", 9, 9, 9, 20))
    whole = (ten.root / "JPEGImages/2.jpg").read_bytes()
    (ten.root / "JPEGImages/2.jpg").write_bytes(whole[: len(whole) // 2])
    ten.text("JPEGImages/3.jpg", "no picture")
    ten.text("Annotations/4.xml", "<annotation>")
    dataset, account = do(ten, tmp_path / "made")
    reasons = left_out(account)
    assert reasons.pop(("annotation", "without its picture")) == ["Annotations/0.xml"]
    assert reasons.pop(("box", "wholly outside the picture")) == ["Annotations/1.xml"]
    assert reasons.pop(("box", "of no area")) == ["Annotations/1.xml"]
    assert reasons.pop(("picture", "is no picture in a known format")) == ["JPEGImages/3.jpg"]
    assert [(what, "truncated" in why, names) for (what, why), names in reasons.items() if what == "picture"] == [
        ("picture", True, ["JPEGImages/2.jpg"])
    ]
    assert [names for (what, _), names in reasons.items() if what == "annotation"] == [["Annotations/4.xml"]]
    assert account.changed["boxes clipped to their picture"] == 1
    kept = everything(dataset)
    assert sorted(kept) == ["1.jpg", "4.jpg", "5.jpg", "6.jpg", "7.jpg", "8.jpg", "9.jpg", "negative.jpg"]
    assert kept["negative.jpg"].boxes == kept["4.jpg"].boxes == ()
    assert kept["1.jpg"].boxes == (canonical.Box(1, 0, 0, 20, 20),)
    assert adds_up(account)
    assert json.loads((dataset.folder / "dataset.json").read_text())["import"]["left_out"]
    for word in ("Annotations/0.xml", "JPEGImages/2.jpg", "wholly outside", "no area", "negative"):
        assert word in account.text()


@pytest.mark.parametrize(("frame_size", "corners"), [((64, 48), (10, 5, 40, 15)), ((48, 64), (33, 10, 43, 40))])
def test_boxes_of_a_turned_picture_in_either_frame(ten, tmp_path, frame_size, corners):
    """A quarter turn: x' = 48 - y - height, y' = x. Either annotation means the same box of the upright picture."""
    exif = Image.Exif()
    exif[274] = 6
    ten.picture("JPEGImages/turned.jpg", exif=exif)
    ten.voc("Annotations/turned.xml", ("cat", *corners), size=frame_size)
    dataset, _ = do(ten, tmp_path / "made")
    picture = everything(dataset)["turned.jpg"]
    assert (picture.width, picture.height) == (48, 64)
    assert picture.boxes == (canonical.Box(1, 33, 10, 10, 30),)
    assert canonical.load_rgb(dataset.folder / "images/turned.jpg").shape == (64, 48, 3)


def test_equal_names_other_scripts_and_wrong_suffixes(source, tmp_path):
    for number, name in enumerate(("one/a.jpg", "two/a.jpg", "two/A.jpg", "two/Füchse 狐.jpg", "two/b.jpg")):
        source.picture(name, size=(60 + number, 50))
        source.voc(f"{name[:-4]}.xml", ("cat", number, 0, 20, 20), size=(60 + number, 50))
    Image.open(source.root / "two/b.jpg").save(source.root / "two/b.png")
    (source.root / "two/b.png").replace(source.root / "two/b.jpg")
    dataset, account = do(source, tmp_path / "made")
    kept = everything(dataset)
    assert len({name.casefold() for name in kept}) == 5
    assert {"Füchse 狐.jpg", "b.png"} <= kept.keys()
    assert all(picture.boxes[0].x == picture.width - 60 for picture in kept.values())
    assert account.left_out == []


def test_splits_by_share_and_seed(ten, tmp_path):
    dataset, _ = do(ten, tmp_path / "made", shares_text="0.5,0.3,0.2")
    assert [len(dataset.split(split).pictures) for split in canonical.SPLITS] == [5, 3, 2]
    other, _ = do(ten, tmp_path / "made", shares_text="0.5,0.3,0.2", seed=1)
    assert other.sha256 != dataset.sha256


def test_an_empty_split_of_the_source_is_an_error_that_a_flag_mends(ten, tmp_path):
    ten.text("ImageSets/Main/train.txt", "\n".join(map(str, range(9))))
    ten.text("ImageSets/Main/val.txt", "")
    ten.text("ImageSets/Main/test.txt", "9")
    with pytest.raises(UserError, match=r"val split is empty.*--split"):
        do(ten, tmp_path / "made")
    assert not (tmp_path / "made").exists()
    assert Counter(do(ten, tmp_path / "made", shares_text="0.6,0.2,0.2")[0].about["splits"]).keys() == {
        "train",
        "val",
        "test",
    }


def test_a_split_whose_pictures_cannot_be_read_is_empty_too(source, tmp_path):
    for split in ("train", "val", "test"):
        source.picture(f"{split}/{split}.jpg")
        source.voc(f"{split}/{split}.xml", ("cat", 1, 1, 9, 9))
    source.text("val/val.jpg", "no picture")
    with pytest.raises(UserError, match=r"val split is empty(.|\n)*val/val\.jpg"):
        do(source, tmp_path / "made")


def test_pictures_alone_are_a_dataset_to_test_on(source, tmp_path):
    source.picture("a.jpg")
    dataset, account = do(source, tmp_path / "made")
    assert dataset.classes == ()
    assert [picture.file_name for picture in dataset.split("test").pictures] == ["a.jpg"]
    assert account.negatives == 1


def test_no_box_at_all_is_an_error_with_the_reasons(source, tmp_path):
    source.picture("a.jpg")
    source.voc("a.xml", ("cat", 5, 5, 5, 5))
    with pytest.raises(UserError, match=r"no box is left(.|\n)*of no area: a\.xml"):
        do(source, tmp_path / "made")


def test_a_failed_import_leaves_the_old_dataset_and_a_good_one_replaces_it(ten, tmp_path):
    old, _ = do(ten, tmp_path / "made")
    before = {path: path.read_bytes() for path in old.folder.rglob("*") if path.is_file()}
    with pytest.raises(UserError):
        do(ten, tmp_path / "made", shares_text="1,1,1")
    for number in range(10):
        ten.voc(f"Annotations/{number}.xml")
    with pytest.raises(UserError):
        do(ten, tmp_path / "made")
    assert before == {path: path.read_bytes() for path in old.folder.rglob("*") if path.is_file()}
    for number in range(10):
        ten.voc(f"Annotations/{number}.xml", ("bird", 1, 1, 9, 9))
    assert do(ten, tmp_path / "made")[0].classes == ("bird",)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_links_where_the_bytes_stay_the_same(ten, tmp_path):
    ten.picture("JPEGImages/x.png")
    Image.open(ten.root / "JPEGImages/x.png").convert("RGBA").save(ten.root / "JPEGImages/x.png")
    dataset, account = do(ten, tmp_path / "made", link=True)
    assert (dataset.folder / "images/1.jpg").samefile(ten.root / "JPEGImages/1.jpg")
    assert account.linked == 10
    assert Image.open(dataset.folder / "images/x.png").mode == "RGB"


def test_one_picture_annotated_twice_has_the_boxes_of_both(source, tmp_path):
    for number in range(3):
        source.picture(f"{number}.jpg")
    both = [("cat", 1, 1, 9, 9)]
    source.coco("cats.json", {"0.jpg": both, "1.jpg": both, "2.jpg": both}, ("cat",))
    source.coco("dogs.json", {"0.jpg": [("dog", 1, 1, 9, 9)]}, ("dog",))
    dataset, _ = do(source, tmp_path / "made")
    assert len(everything(dataset)["0.jpg"].boxes) == 2


def test_masks_beside_the_pictures_are_no_negatives(ten, tmp_path):
    ten.picture("SegmentationClass/3.png")
    dataset, account = do(ten, tmp_path / "made")
    assert account.elsewhere == 1
    assert len(everything(dataset)) == 10


def test_another_format_beside_it_is_named_and_what_only_that_one_labels_is_no_negative(ten, tmp_path):
    ten.picture("JPEGImages/x.jpg")
    ten.text("labels.csv", "filename,class,xmin,ymin,xmax,ymax\nx.jpg,cat,1,1,9,9\n0.jpg,cat,1,1,9,9\n")
    dataset, account = do(ten, tmp_path / "made")
    assert dataset.about["format"] == "voc"
    assert "csv was there too, with 2 boxes of 2 pictures" in account.text()
    assert left_out(account) == {("picture", "that only csv has boxes for"): ["JPEGImages/x.jpg"]}
    assert adds_up(account)
    assert do(ten, tmp_path / "other", format_name="csv")[1].boxes_kept == 2


def test_an_archive_is_what_is_in_it(ten, tmp_path):
    ten.text("README.txt", "licence: CC BY 4.0")
    folder, _ = do(ten, tmp_path / "folder")
    packed = Path(shutil.make_archive(str(tmp_path / "ten"), "gztar", ten.root))
    dataset, account = import_source(packed, tmp_path / "made")
    assert (dataset.sha256, dataset.about["source"]) == (folder.sha256, "ten.tar.gz")
    assert (account.linked, dataset.about["licence"]) == (0, "CC BY 4.0")
    assert sorted(path.name for path in dataset.folder.iterdir()) == sorted(
        path.name for path in folder.folder.iterdir()
    )


def test_an_annotation_file_is_that_one_alone(source, tmp_path):
    for number in range(4):
        source.picture(f"images/{number}.jpg")
    source.coco("annotations/cats.json", {f"{number}.jpg": [("cat", 1, 1, 9, 9)] for number in range(4)}, ("cat",))
    source.coco("annotations/dogs.json", {"0.jpg": [("dog", 1, 1, 9, 9)]}, ("dog",))
    source.voc("annotations/0.xml", ("bird", 1, 1, 9, 9))
    dataset, account = import_source(source.root / "annotations/cats.json", tmp_path / "made")
    assert (dataset.classes, account.boxes_kept) == (("cat",), 4)


def test_near_copies_stay_in_one_split(source, tmp_path):
    for number in range(12):
        source.voc(f"{number:02}.xml", ("cat", 1, 1, 9, 9))
        source.voc(f"{number:02}-again.xml", ("cat", 1, 1, 9, 9))
        (source.root / f"{number:02}.jpg").write_bytes(shapes.draw(0, "train", number).to_jpeg())
        with Image.open(source.root / f"{number:02}.jpg") as image:
            image.resize((100, 100)).save(source.root / f"{number:02}-again.jpg")
    dataset, _ = do(source, tmp_path / "made", shares_text="0.5,0.25,0.25")
    for split in canonical.SPLITS:
        names = Counter(picture.file_name[:2] for picture in dataset.split(split).pictures)
        assert set(names.values()) == {2}
    assert "24 pictures that look like others stay" in dataset.about["import"]["division"]


def test_copies_in_several_splits_of_the_source_are_said(source, tmp_path):
    for split in ("train", "val", "test"):
        source.picture(f"{split}/{split}.jpg")
        source.voc(f"{split}/{split}.xml", ("cat", 1, 1, 9, 9))
    shutil.copy(source.root / "train/train.jpg", source.root / "val/copy.jpg")
    _, account = do(source, tmp_path / "made")
    assert account.division == "the source's own splits; 2 pictures look like one in another split"


def test_options_choose_classes_sizes_and_how_many(ten, tmp_path):
    ten.voc("Annotations/0.xml", ("dog", 1, 1, 4, 4), ("bird", 1, 1, 30, 30))
    dataset, account = do(ten, tmp_path / "made", classes_text="dog=animal,cat=animal", min_area=25)
    assert dataset.classes == ("animal",)
    assert len(everything(dataset)) == 9
    assert account.asked == {
        "of class bird, which --classes does not name": [0, 1],
        "smaller than --min-area 25": [0, 1],
        "of which no box is left by --classes and --min-area": [1, 0],
    }
    assert len(everything(do(ten, tmp_path / "few", limit=4)[0])) == 4
    with pytest.raises(UserError, match="did you mean 'bird'"):
        do(ten, tmp_path / "none", classes_text="brid")


def test_boxes_in_fractions_become_pixels_of_the_picture_as_it_is_shown(source, tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    for number in range(3):
        source.picture(f"images/{number}.jpg", exif=exif)
        source.text(f"labels/{number}.txt", "0 0.5 0.5 0.25 0.5\n1 0.9 0.5 0.4 0.5\n")
    source.text("data.yaml", "names: [cat, dog]")
    dataset, account = do(source, tmp_path / "made")
    picture = everything(dataset)["1.jpg"]
    assert (picture.width, picture.height) == (48, 64)
    assert [(box.category, box.x, box.y, box.width, box.height) for box in picture.boxes] == [
        (1, 18, 16, 12, 32),
        (2, pytest.approx(33.6), 16, pytest.approx(14.4), 32),
    ]
    assert account.changed["boxes clipped to their picture"] == 3


@pytest.mark.parametrize(
    ("case", "pictures", "boxes", "classes"),
    [
        ("voc-raccoon", 80, 88, 1),
        ("roboflow-coco-chess", 10, 168, 12),
        ("roboflow-yolo-empire", 73, 73, 1),
        ("roboflow-csv-bus", 40, 190, 5),
        ("tfrecord-raccoon", 40, 44, 1),
        ("labelme-voc2011/bbox_detection", 3, 9, 3),
        ("labelme-voc2011/instance_segmentation", 3, 12, 6),
    ],
)
def test_real_cases(cases, tmp_path, case, pictures, boxes, classes):
    dataset, account = import_source(
        cases / case, tmp_path / "made", format_name=None, shares_text=None, seed=0, link=False
    )
    assert (account.pictures_kept, account.boxes_kept, len(dataset.classes)) == (pictures, boxes, classes)
    assert account.left_out == []
