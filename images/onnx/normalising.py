"""What pictures go through before a graph made elsewhere: by its own first operators, and by its kind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper

from isomer.contract import Resize

_PASSED = {"Identity", "Cast", "Transpose", "Reshape", "Unsqueeze", "Squeeze", "Gather", "Split", "Slice", "Concat"}


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


def inside(model: onnx.ModelProto, name: str) -> Usual | None:
    """What is left to do before a graph that normalises by itself; None if its first operators do not.

    A subtraction of 127.5, or a division by 255, is of pixels from 0 to 255; one of 0.485 is of pixels from 0 to 1.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            constants[node.output[0]] = node.attribute[0].t
    reached = {name}
    for node in model.graph.node:
        if not reached & set(node.input):
            continue
        if node.op_type in _PASSED or node.op_type in ("Resize", "Upsample", "Pad"):
            reached.update(node.output)
            continue
        if node.op_type not in ("Sub", "Add", "Mul", "Div"):
            return None
        values = [constants[value] for value in node.input if value in constants]
        if len(values) != 1:
            return None
        most = float(np.abs(numpy_helper.to_array(values[0])).max(initial=0))
        of_bytes = {"Sub": most > 2, "Add": most > 2, "Div": most > 10, "Mul": most < 0.1}[node.op_type]
        return AS_IT_IS if of_bytes else TO_ONE
    return None
