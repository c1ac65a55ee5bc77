"""How families of detectors have their pictures prepared: what a file without a word about it is taken to want."""

from __future__ import annotations

from dataclasses import dataclass

from isomer.contract import Resize
from isomer.graph.decoders import Layout

STRETCH = Resize()


@dataclass(frozen=True)
class Usual:
    """A way to prepare pictures that a family of models shares. mean and std in grey levels, RGB order."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    channels: str = "rgb"
    resize: Resize = STRETCH

    def words(self) -> str:
        mean, std = (
            f"{one[0]:g}" if len(set(one)) == 1 else ", ".join(f"{value:g}" for value in one)
            for one in (self.mean, self.std)
        )
        resize = self.resize.mode + (f" {self.resize.place}" if self.resize.mode == "letterbox" else "")
        return f"(pixel - {mean}) / {std}, {self.channels.upper()}, {resize}"


def _grey(value: float) -> tuple[float, float, float]:
    return value, value, value


AS_IT_IS = Usual(_grey(0), _grey(1))
TO_ONE = Usual(_grey(0), _grey(255))
LETTERBOX = Resize(mode="letterbox")
IMAGENET = Usual((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
# https://github.com/qfgaohao/pytorch-ssd, vision/ssd/config
PYTORCH_SSD = Usual(_grey(127), _grey(128))
# https://docs.ultralytics.com, https://github.com/WongKinYiu/yolov7
YOLO = Usual(_grey(0), _grey(255), "rgb", LETTERBOX)
# https://github.com/Megvii-BaseDetection/YOLOX, yolox/data/data_augment.py preproc
YOLOX = Usual(_grey(0), _grey(1), "bgr", Resize(mode="letterbox", place="top_left"))
# https://github.com/RangiLyu/nanodet, config: cv2's order, so BGR
NANODET = Usual((123.675, 116.28, 103.53), (58.395, 57.12, 57.375), "bgr")


def of_layout(layout: Layout) -> Usual:
    """How pictures are prepared for a kind of model, by its raw outputs."""
    if layout.boxes == "grid":
        return YOLOX
    if layout.boxes == "distances":
        return NANODET
    if len(layout.outputs) == 1:
        return YOLO if layout.unit == "pixel" else TO_ONE
    return {"last": IMAGENET, "first": PYTORCH_SSD}.get(layout.background, TO_ONE)
