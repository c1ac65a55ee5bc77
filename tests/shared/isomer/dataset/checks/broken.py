"""Sources that are healthy but for one thing, each with the codes that must be found, and where."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (64, 48)
LABELS = ("cat", "dog")
PER_SPLIT = {"train": 60, "val": 24, "test": 24}


@dataclass(frozen=True)
class Broken:
    """name: what is wrong; make: breaks a healthy folder; codes: all that is to be found; place: in one of them."""

    name: str
    base: Callable[[Path], None]
    make: Callable[[Path], None]
    codes: frozenset[str]
    place: str


CASES: list[Broken] = []


def case(base: Callable[[Path], None], *codes: str, place: str = ""):
    def keep(make: Callable[[Path], None]) -> Callable[[Path], None]:
        CASES.append(Broken(make.__name__, base, make, frozenset(codes), place))
        return make

    return keep


def picture(path: Path, seed: int, size: tuple[int, int] = SIZE, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(noise).save(path, **options)


def voc(root: Path) -> None:
    """Sixty pictures with a box each, one a line of its own."""
    for number in range(60):
        picture(root / f"JPEGImages/{number}.jpg", number)
        xml(root, number, [(LABELS[number % 2], 10, 8, 40, 30)])


def xml(root: Path, number: int, boxes: list[tuple], size: tuple[int, int] | None = SIZE, extra: str = "") -> None:
    shape = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>" if size else ""
    objects = "".join(
        f"<object>\n<name>{label}</name>\n<bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax><ymax>{d}</ymax></bndbox>\n"
        f"</object>\n"
        for label, a, b, c, d in boxes
    )
    path = root / f"Annotations/{number}.xml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"<annotation>\n{shape}\n{objects}{extra}</annotation>\n", encoding="utf-8")


def coco(root: Path) -> None:
    """Three splits, each picture with a box of either class."""
    seed = 0
    for split, count in PER_SPLIT.items():
        images, annotations = [], []
        for number in range(1, count + 1):
            seed += 1
            picture(root / split / f"{number}.png", seed)
            images.append({"id": number, "file_name": f"{number}.png", "width": SIZE[0], "height": SIZE[1]})
            for label in (1, 2):
                row = [10 * label, 8, 20, 20 + label]
                entry = {"id": len(annotations) + 1, "image_id": number, "category_id": label, "bbox": row}
                annotations.append(entry)
        categories = [{"id": number, "name": name} for number, name in enumerate(LABELS, start=1)]
        write(root, {"images": images, "annotations": annotations, "categories": categories}, split)


def read(root: Path, split: str = "train") -> dict:
    return json.loads((root / split / "_annotations.coco.json").read_text())


def write(root: Path, value: dict, split: str = "train") -> None:
    (root / split / "_annotations.coco.json").write_text(json.dumps(value))


def edit(root: Path, change: Callable[[dict], object], *splits: str) -> None:
    for split in splits or ("train",):
        value = read(root, split)
        change(value)
        write(root, value, split)


# annotation files and their records


@case(voc, "annotation-unreadable", "mostly-negative", place="Annotations/0.xml:7")
def xml_that_ends_early(root):
    for number in range(31):
        path = root / f"Annotations/{number}.xml"
        path.write_text(path.read_text().replace("</annotation>\n", ""))


@case(voc, "record-unusable", place="Annotations/3.xml")
def box_with_words(root):
    xml(root, 3, [("cat", "left", 8, 40, 30), ("cat", 10, 8, 40, 30)])


@case(coco, "id-repeated", place="train/_annotations.coco.json, image 1")
def two_images_of_one_id(root):
    edit(root, lambda value: value["images"].append(value["images"][0] | {"file_name": "2.png"}))


@case(voc, "image-missing", place="Annotations/4.xml")
def picture_not_there(root):
    (root / "JPEGImages/4.jpg").unlink()


@case(voc, "image-ambiguous", place="Annotations/4.xml")
def picture_of_that_name_in_two_folders(root):
    (root / "more").mkdir()
    for folder in ("a", "b"):
        picture(root / f"more/{folder}/4.jpg", 1000 + ord(folder))
    (root / "JPEGImages/4.jpg").unlink()


@case(coco, "image-not-listed", place="train/_annotations.coco.json, annotation 7")
def annotation_of_no_image(root):
    edit(root, lambda value: value["annotations"][6].update(image_id=4711))


@case(voc, "annotated-twice", place="JPEGImages/5.jpg")
def two_annotations_of_one_picture(root):
    (root / "other").mkdir()
    shutil.copy(root / "Annotations/5.xml", root / "other/5.xml")


@case(voc, "annotation-not-listed", "split-missing", place="Annotations/50.xml")
def lists_that_lack_some(root):
    lists = root / "ImageSets/Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("\n".join(map(str, range(25))))
    (lists / "val.txt").write_text("\n".join(map(str, range(25, 50))))


@case(coco, "split-contradiction", place="train/2.png")
def picture_in_two_splits(root):
    edit(root, lambda value: value["images"][0].update(file_name="train/2.png"), "val")
    (root / "val/1.png").unlink()


@case(voc, "no-boxes", "mostly-negative")
def nothing_labelled(root):
    for number in range(60):
        xml(root, number, [])


# pictures


@case(voc, "image-unreadable", place="JPEGImages/6.jpg")
def empty_picture(root):
    (root / "JPEGImages/6.jpg").write_bytes(b"")


@case(voc, "image-unreadable", place="JPEGImages/6.jpg")
def page_instead_of_a_picture(root):
    (root / "JPEGImages/6.jpg").write_text("<html>404</html>")


@case(voc, "image-truncated", place="JPEGImages/7.jpg")
def half_a_jpeg(root):
    path = root / "JPEGImages/7.jpg"
    path.write_bytes(path.read_bytes()[:-300])


@case(coco, "image-truncated", place="val/3.png")
def half_a_png(root):
    path = root / "val/3.png"
    path.write_bytes(path.read_bytes()[:4000])


@case(voc, "image-giant", "box-tiny-at-size", place="JPEGImages/8.png")
def giant_picture(root):
    (root / "JPEGImages/8.jpg").unlink()
    Image.new("L", (10_000, 5_001)).save(root / "JPEGImages/8.png")
    xml(root, 8, [("cat", 10, 8, 40, 30)], size=(10_000, 5_001))


@case(voc, "image-small", "box-over-edge", place="JPEGImages/8.jpg")
def thumbnail(root):
    picture(root / "JPEGImages/8.jpg", 999, (24, 18))
    xml(root, 8, [("cat", 2, 2, 24, 25)], size=(24, 18))


@case(voc, "image-turned", place="JPEGImages/9.jpg")
def picture_on_its_side(root):
    exif = Image.Exif()
    exif[274] = 6
    picture(root / "JPEGImages/9.jpg", 9, exif=exif)


@case(voc, "image-suffix", place="JPEGImages/9.jpg")
def png_called_jpg(root):
    picture(root / "JPEGImages/9.jpg", 9, format="PNG")


@case(voc, "image-mode", place="JPEGImages/9.jpg")
def cmyk(root):
    path = root / "JPEGImages/9.jpg"
    Image.open(path).convert("CMYK").save(path)


@case(voc, "image-duplicate", place="JPEGImages/11.jpg")
def copy_of_a_picture(root):
    shutil.copy(root / "JPEGImages/10.jpg", root / "JPEGImages/11.jpg")


@case(coco, "leakage", place="train/1.png")
def train_picture_in_test(root):
    shutil.copy(root / "train/1.png", root / "test/1.png")


@case(voc, "size-differs", place="Annotations/12.xml")
def size_of_another_picture(root):
    xml(root, 12, [("cat", 10, 8, 40, 30)], size=(80, 60))


@case(voc, "size-missing", place="Annotations/12.xml")
def no_size(root):
    xml(root, 12, [("cat", 10, 8, 40, 30)], size=None)


# boxes


@case(coco, "box-not-finite", place="train/_annotations.coco.json, annotation 1")
def box_of_nan(root):
    edit(root, lambda value: value["annotations"][0].update(bbox=[float("nan"), 8, 20, 20]))


@case(voc, "box-inverted", place="Annotations/13.xml:5")
def corners_exchanged(root):
    xml(root, 13, [("cat", 40, 8, 10, 30)])


@case(voc, "box-no-area", place="Annotations/13.xml:9")
def box_of_no_width(root):
    xml(root, 13, [("cat", 10, 8, 40, 30), ("dog", 10, 8, 10, 30)])


@case(coco, "box-outside", place="train/_annotations.coco.json, annotation 3")
def box_beside_the_picture(root):
    edit(root, lambda value: value["annotations"][2].update(bbox=[70, 8, 20, 20]))


@case(voc, "box-over-edge", place="Annotations/14.xml:5")
def box_over_the_edge(root):
    xml(root, 14, [("cat", 30, 8, 70, 30)])


@case(voc, "box-normalised", place="Annotations/14.xml:5")
def fractions_in_voc(root):
    xml(root, 14, [("cat", 0.2, 0.1, 0.7, 0.9)])


@case(coco, "box-corners", place="annotation 1")
def corners_in_coco(root):
    def change(value):
        for item in value["annotations"]:
            x, y, width, height = item["bbox"]
            item["bbox"] = [x + 20, y, x + width + 20, y + height]

    edit(root, change)


@case(voc, "box-tiny", place="Annotations/15.xml:5")
def box_of_one_pixel(root):
    xml(root, 15, [("cat", 10, 8, 11, 9)])


@case(voc, "box-tiny-at-size", place="Annotations/15.xml:5")
def box_small_at_the_input_size(root):
    xml(root, 15, [("cat", 10, 8, 13, 30)])


@case(voc, "box-whole-picture", place="Annotations/15.xml:5")
def box_around_everything(root):
    xml(root, 15, [("cat", 0, 0, 64, 48)])


@case(voc, "box-thin", place="Annotations/15.xml:5")
def box_like_a_line(root):
    xml(root, 15, [("cat", 2, 8, 60, 10.5)])


@case(voc, "box-duplicate", place="Annotations/16.xml:9")
def box_twice(root):
    xml(root, 16, [("cat", 10, 8, 40, 30)] * 2)


@case(voc, "box-two-classes", place="Annotations/16.xml:9")
def box_of_two_classes(root):
    xml(root, 16, [("cat", 10, 8, 40, 30), ("dog", 10, 8, 40, 30)])


@case(voc, "boxes-many", "image-mode", place="Annotations/16.xml")
def crowded_picture(root):
    (root / "JPEGImages/16.jpg").unlink()
    picture(root / "JPEGImages/16.bmp", 16)
    xml(root, 16, [("cat", 1 + step % 30, 1 + step // 30, 31 + step % 30, 31 + step // 30) for step in range(101)])


# classes


@case(coco, "class-unnamed", place="train/_annotations.coco.json, annotation 5")
def category_without_a_name(root):
    edit(root, lambda value: value["annotations"][4].update(category_id=9))


@case(voc, "class-names-alike", place="Annotations/1.xml")
def spelled_two_ways(root):
    for number in range(1, 25, 2):
        xml(root, number, [("Dog ", 10, 8, 40, 30)])


@case(voc, "class-name-number", place="Annotations/0.xml")
def number_for_a_name(root):
    for number in range(0, 60, 2):
        xml(root, number, [("0", 10, 8, 40, 30)])


@case(coco, "class-empty")
def class_nobody_has(root):
    edit(root, lambda value: value["categories"].append({"id": 3, "name": "fox"}), *PER_SPLIT)


@case(voc, "class-rare", place="Annotations/2.xml")
def class_of_one_box(root):
    xml(root, 2, [("fox", 10, 8, 40, 30)])


@case(voc, "class-imbalance", place="Annotations/0.xml")
def one_class_almost_alone(root):
    boxes = [("cat", 1 + step % 20, 1 + step // 20, 41 + step % 20, 41 + step // 20) for step in range(90)]
    for number in range(60):
        xml(root, number, boxes + ([("dog", 10, 18, 50, 40)] if number < 20 else []))


@case(coco, "class-not-in-train")
def class_only_in_test(root):
    def rename(value):
        value["categories"][1]["name"] = "fox"

    edit(root, rename, "test", "val")
    edit(root, lambda value: value.update(annotations=[a for a in value["annotations"] if a["category_id"] == 1]))
    edit(root, lambda value: value["categories"].pop())


@case(coco, "class-not-measured", "class-empty")
def class_only_in_train(root):
    for split in ("val", "test"):
        edit(
            root,
            lambda value: value.update(annotations=[a for a in value["annotations"] if a["category_id"] == 1]),
            split,
        )
    edit(root, lambda value: value["categories"].append({"id": 3, "name": "fox"}))


@case(coco, "class-listed-twice", place="train/_annotations.coco.json")
def two_categories_of_one_name(root):
    edit(root, lambda value: value["categories"].append({"id": 3, "name": "cat"}))


@case(coco, "label-map-zero", place="train/_annotations.coco.json")
def categories_from_zero(root):
    def change(value):
        for item in value["categories"]:
            item["id"] -= 1
        for item in value["annotations"]:
            item["category_id"] -= 1

    edit(root, change)


@case(coco, "label-map-gaps", place="train/_annotations.coco.json")
def ids_with_a_gap(root):
    def change(value):
        value["categories"][1]["id"] = 7
        for item in value["annotations"]:
            item["category_id"] = 7 if item["category_id"] == 2 else 1

    edit(root, change)


@case(voc, "label-map-zero", place="label_map.pbtxt:1")
def label_map_with_the_background(root):
    (root / "label_map.pbtxt").write_text('item {\n id: 0\n name: "cat"\n}\nitem {\n id: 1\n name: "dog"\n}\n')


@case(voc, "label-map-repeated", place="label_map.pbtxt:2")
def label_map_with_one_id_twice(root):
    (root / "label_map.pbtxt").write_text("item { id: 1 name: 'cat' }\nitem { id: 1 name: 'dog' }\n")


@case(voc, "label-map-unreadable", place="label_map.pbtxt")
def label_map_of_nothing(root):
    (root / "label_map.pbtxt").write_text("cat\ndog\n")


@case(voc, "class-count-differs", place="data.yaml:2")
def yaml_that_counts_wrong(root):
    (root / "data.yaml").write_text("train: images\nnc: 3\nnames: ['cat', 'dog']\n")


# splits


@case(coco, "split-empty")
def split_of_nothing(root):
    shutil.rmtree(root / "val")
    (root / "val").mkdir()
    write(root, {"images": [], "annotations": [], "categories": read(root)["categories"]}, "val")


@case(coco, "split-missing")
def no_val(root):
    shutil.rmtree(root / "val")


@case(coco, "split-small")
def test_of_five(root):
    keep = {str(number) for number in range(1, 6)}
    for path in (root / "test").glob("*.png"):
        if path.stem not in keep:
            path.unlink()

    def change(value):
        value["images"] = [item for item in value["images"] if item["id"] <= 5]
        value["annotations"] = [item for item in value["annotations"] if item["image_id"] <= 5]

    edit(root, change, "test")


@case(coco, "split-unlike")
def classes_spread_unevenly(root):
    def change(value):
        for item in value["annotations"]:
            item["category_id"] = 1 if item["image_id"] > 2 else item["category_id"]
            item["bbox"][1] += item["id"] % 2 / 2

    edit(root, change, "test")
    edit(root, lambda value: value["annotations"].extend([
        item | {"id": 1000 + item["id"], "bbox": [5, 5, 30, 30 + item["id"] % 9]} for item in value["annotations"]
    ]), "test")  # fmt: skip


@case(voc, "mostly-negative")
def mostly_without_boxes(root):
    for number in range(70):
        picture(root / f"JPEGImages/more-{number}.jpg", 2000 + number)


@case(voc, "few-pictures")
def eight_pictures_less(root):
    for number in range(20, 60):
        (root / f"JPEGImages/{number}.jpg").unlink()
        (root / f"Annotations/{number}.xml").unlink()
