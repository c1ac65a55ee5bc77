"""Sources with one thing wrong in their classes or splits."""

from __future__ import annotations

import shutil

from sources import PER_SPLIT, case, coco, edit, picture, read, voc, write, xml


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
