"""Sources with one thing wrong in their annotation files or pictures."""

from __future__ import annotations

import shutil

from PIL import Image
from sources import case, coco, edit, picture, voc, xml


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
