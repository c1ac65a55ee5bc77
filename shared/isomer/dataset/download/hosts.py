"""Where the public datasets are: every address that is ever asked for, unless the user types one."""

from __future__ import annotations

OPEN_IMAGES = "https://storage.googleapis.com/openimages"
OPEN_IMAGES_CLASSES = f"{OPEN_IMAGES}/v7/oidv7-class-descriptions-boxable.csv"
OPEN_IMAGES_HIERARCHY = f"{OPEN_IMAGES}/2018_04/bbox_labels_600_hierarchy.json"
# V7 serves the boxes of V6 and V5 and the lists of pictures of 2018 as its own, see
# https://storage.googleapis.com/openimages/web/download_v7.html
OPEN_IMAGES_BOXES = {
    "train": f"{OPEN_IMAGES}/v6/oidv6-train-annotations-bbox.csv",
    "validation": f"{OPEN_IMAGES}/v5/validation-annotations-bbox.csv",
    "test": f"{OPEN_IMAGES}/v5/test-annotations-bbox.csv",
}
OPEN_IMAGES_LISTS = {
    "train": f"{OPEN_IMAGES}/2018_04/train/train-images-boxable-with-rotation.csv",
    "validation": f"{OPEN_IMAGES}/2018_04/validation/validation-images-with-rotation.csv",
    "test": f"{OPEN_IMAGES}/2018_04/test/test-images-with-rotation.csv",
}
OPEN_IMAGES_PICTURE = "https://open-images-dataset.s3.amazonaws.com/{part}/{image}.jpg"

# without TLS: the host's certificate is that of its provider
COCO = "http://images.cocodataset.org"
COCO_ANNOTATIONS = f"{COCO}/annotations/annotations_trainval2017.zip"
COCO_ANNOTATIONS_MD5 = "f4bbac642086de4f52a3fdda2de5fa2c"
COCO_PICTURE = COCO + "/{part}2017/{file_name}"

PENN_FUDAN = "https://www.cis.upenn.edu/~jshi/ped_html/PennFudanPed.zip"
