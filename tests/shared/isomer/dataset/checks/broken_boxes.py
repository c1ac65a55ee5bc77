"""Sources with one thing wrong in their boxes."""

from __future__ import annotations

from sources import case, change_row, coco, edit, label, picture, table, voc, xml, yolo


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


@case(yolo, "box-normalised", place="labels/train/2.txt:1")
def normalised_twice(root):
    label(root, "train", 2, "0 0.0078 0.0104 0.0078 0.0083")


@case(yolo, "record-unusable", place="labels/train/3.txt:2")
def line_of_four_numbers(root):
    label(root, "train", 3, "0 0.5 0.5 0.5 0.4", "1 0.5 0.5 0.5")


@case(yolo, "class-unnamed", place="labels/val/4.txt:2")
def class_beyond_the_names(root):
    label(root, "val", 4, "0 0.5 0.5 0.5 0.4", "7 0.5 0.5 0.5 0.4")


@case(yolo, "box-over-edge", place="labels/test/5.txt:3")
def fraction_over_the_edge(root):
    label(root, "test", 5, "0 0.5 0.5 0.5 0.4", "", "1 0.9 0.5 0.5 0.4")


@case(table, "box-no-area", place="_annotations.csv:7")
def row_of_no_width(root):
    change_row(root, 7, ",10,8,40,", ",40,8,40,")


@case(table, "image-missing", place="_annotations.csv:9, 7.jpg")
def row_without_its_picture(root):
    (root / "7.jpg").unlink()


@case(table, "size-differs", place="_annotations.csv:11, 9.jpg")
def row_of_another_size(root):
    change_row(root, 11, ",64,48,", ",80,60,")
