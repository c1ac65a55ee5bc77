"""A toy detector twice: as a core in ONNX, and as "the framework", plain numpy that shares nothing with it.

A 4x4 convolution with stride 4, batch normalisation, ReLU and a 1x1 convolution give 64 anchors of 3 classes.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper
from PIL import Image

from isomer import files, native
from isomer.contract import CORE_INPUT, Core, Thresholds
from isomer.dataset import canonical
from isomer.dataset.canonical import Box, Picture
from isomer.graph.check import PROVENANCE
from isomer.native import Detections
from isomer.run import RunFolder

SIZE, STRIDE, FILTERS = 32, 4, 8
CELLS = SIZE // STRIDE
ANCHORS = CELLS**2
CLASSES = ("circle", "square", "triangle")
MEAN, STD = (123.7, 116.3, 103.5), (58.4, 57.1, 57.4)
REACH = np.array([-0.2, -0.2, 0.25, 0.15], np.float32)  # how far a box's sides go from its anchor's centre


@dataclass(frozen=True)
class Weights:
    first: np.ndarray
    scale: np.ndarray
    bias: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    last: np.ndarray
    centres: np.ndarray

    @classmethod
    def make(cls) -> Weights:
        random = np.random.default_rng(5)

        def normal(*shape: int, spread: float = 1.0) -> np.ndarray:
            return random.normal(0, spread, shape).astype(np.float32)

        middle = (np.arange(CELLS, dtype=np.float32) + 0.5) / CELLS
        y, x = (grid.ravel() for grid in np.meshgrid(middle, middle, indexing="ij"))
        return cls(
            first=normal(FILTERS, 3, STRIDE, STRIDE, spread=0.3),
            scale=normal(FILTERS) + 2,
            bias=normal(FILTERS),
            mean=normal(FILTERS),
            variance=np.square(normal(FILTERS)) + 1,
            last=normal(4 + len(CLASSES), FILTERS, spread=0.35),  # scores that are told apart: none is 1
            centres=np.stack([y, x, y, x], axis=1),
        )


WEIGHTS = Weights.make()


def core_model(
    layout: str = "NCHW",
    box_order: tuple[int, ...] = (0, 1, 2, 3),
    sigmoid: bool = True,
    training: bool = False,
    batch: str | int = "batch",
    class_shift: int = 0,
) -> onnx.ModelProto:
    """The core, sound unless a fault is asked for."""
    nodes, tensors = [], []

    def op(kind: str, *inputs: str | np.ndarray, output: str | None = None, **attributes) -> str:
        names = []
        for value in inputs:
            if isinstance(value, np.ndarray):
                tensors.append(numpy_helper.from_array(value, f"w{len(tensors)}"))
                value = tensors[-1].name
            names.append(value)
        nodes.append(helper.make_node(kind, names, [output or f"t{len(nodes)}"], **attributes))
        return nodes[-1].output[0]

    w = WEIGHTS
    x = op("Transpose", CORE_INPUT, perm=[0, 3, 1, 2]) if layout == "NHWC" else CORE_INPUT
    x = op("Conv", x, w.first, strides=[STRIDE, STRIDE])
    if training:  # statistics of the batch instead of the learned ones
        axes = np.array([0, 2, 3], np.int64)
        centred = op("Sub", x, op("ReduceMean", x, axes))
        deviation = op("Sqrt", op("ReduceMean", op("Mul", centred, centred), axes))
        x = op("Div", centred, deviation)
        x = op("Add", op("Mul", x, w.scale.reshape(-1, 1, 1)), w.bias.reshape(-1, 1, 1))
    else:
        x = op("BatchNormalization", x, w.scale, w.bias, w.mean, w.variance)
    x = op("Conv", op("Relu", x), w.last[:, :, None, None])
    x = op("Transpose", x, perm=[0, 2, 3, 1])
    x = op("Reshape", x, np.array([0, ANCHORS, 4 + len(CLASSES)], np.int64))
    offsets = op("Gather", x, np.arange(4), axis=2)
    sides = op("Add", op("Mul", op("Sigmoid", offsets), REACH), w.centres)
    op("Gather", sides, np.array(box_order), axis=2, output="boxes")
    logits = op("Gather", x, np.roll(np.arange(len(CLASSES)), class_shift) + 4, axis=2)
    op("Sigmoid" if sigmoid else "Identity", logits, output="scores")

    picture = [3, SIZE, SIZE] if layout == "NCHW" else [SIZE, SIZE, 3]
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info(CORE_INPUT, onnx.TensorProto.FLOAT, [batch, *picture])],
        [
            helper.make_tensor_value_info("boxes", onnx.TensorProto.FLOAT, [batch, ANCHORS, 4]),
            helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, [batch, ANCHORS, len(CLASSES)]),
        ],
        tensors,
    )
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 18)])


def core_json(model: bytes, layout: str = "NCHW", **changes) -> Core:
    core = Core(
        framework="toy",
        architecture="toy",
        layout=layout,
        height=SIZE,
        width=SIZE,
        mean=MEAN,
        std=STD,
        classes=CLASSES,
        core_sha256=hashlib.sha256(model).hexdigest(),
        provenance=dict.fromkeys(PROVENANCE, "unknown"),
    )
    return replace(core, **changes)


def raw(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The framework's raw outputs, for uint8 [n, height, width, 3] RGB."""
    x = resize(pixels.astype(np.float64), SIZE)
    x = (x - MEAN) / STD
    n, w = len(x), WEIGHTS
    patches = x.reshape(n, CELLS, STRIDE, CELLS, STRIDE, 3).transpose(0, 1, 3, 5, 2, 4).reshape(n, ANCHORS, -1)
    x = patches @ w.first.reshape(FILTERS, -1).T
    x = (x - w.mean) / np.sqrt(w.variance + 1e-5) * w.scale + w.bias
    x = np.maximum(x, 0) @ w.last.T
    probability = 1 / (1 + np.exp(-x))
    boxes = w.centres + REACH * probability[..., :4]
    return boxes.astype(np.float32), probability[..., 4:].astype(np.float32)


def resize(pixels: np.ndarray, size: int) -> np.ndarray:
    """Bilinear, half-pixel centres, no antialiasing, [n, height, width, 3] in float64."""
    for axis in (1, 2):
        length = pixels.shape[axis]
        source = np.clip((np.arange(size) + 0.5) * length / size - 0.5, 0, length - 1)
        before = np.floor(source).astype(int)
        after = np.minimum(before + 1, length - 1)
        shape = [1] * pixels.ndim
        shape[axis] = size
        weight = (source - before).reshape(shape)
        pixels = pixels.take(before, axis) * (1 - weight) + pixels.take(after, axis) * weight
    return pixels


def nms(boxes: np.ndarray, scores: np.ndarray, thresholds: Thresholds) -> Detections:
    """Greedy NMS per class, written as its definition."""
    kept: list[tuple[float, int, int]] = []
    for column in range(scores.shape[1]):
        chosen: list[int] = []
        for index in np.argsort(-scores[:, column], kind="stable"):
            if scores[index, column] > thresholds.score and all(
                _iou(boxes[index], boxes[other]) <= thresholds.iou for other in chosen
            ):
                chosen.append(index)
        kept += [(float(scores[index, column]), column, index) for index in chosen]
    kept = sorted(kept, key=lambda item: -item[0])[: thresholds.max_detections]
    return Detections(
        np.array([boxes[index] for *_, index in kept], np.float32).reshape(-1, 4),
        np.array([column + 1 for _, column, _ in kept], np.int64),
        np.array([score for score, *_ in kept], np.float32),
    )


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    height = min(a[2], b[2]) - max(a[0], b[0])
    width = min(a[3], b[3]) - max(a[1], b[1])
    overlap = max(height, 0) * max(width, 0)
    return overlap / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - overlap)


def make_dataset(folder: Path, pictures: int = 6) -> canonical.Dataset:
    """A dataset of coarse noise in several sizes; its boxes are what the detector finds best, moved a little."""
    random = np.random.default_rng(1)
    (folder / canonical.IMAGES).mkdir(parents=True)
    made = []
    for number in range(pictures):
        height, width = 40 + 17 * number, 90 - 9 * number
        coarse = random.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
        pixels = coarse.repeat(8, 0).repeat(8, 1)[:height, :width]
        Image.fromarray(pixels).save(folder / canonical.IMAGES / f"{number}.png")
        found = native.detect(*(values[0] for values in raw(pixels[None])), nms, Thresholds(score=0.5))
        boxes = []
        for (ymin, xmin, ymax, xmax), category in list(zip(found.boxes.tolist(), found.classes.tolist(), strict=True))[
            :9
        ]:
            jitter = random.uniform(-0.01, 0.01)
            x, y = max(xmin + jitter, 0) * width, ymin * height
            boxes.append(Box(category, x, y, xmax * width - x, ymax * height - y))
        made.append(Picture(number + 1, f"{number}.png", width, height, tuple(boxes)))
    splits = {"train": tuple(made[:1]), "val": tuple(made[1:2]), "test": tuple(made[2:])}
    return canonical.write(folder, CLASSES, splits, {})


def make_run(root: Path, dataset: canonical.Dataset, model: onnx.ModelProto, **core_changes) -> RunFolder:
    """The folder of a run as a framework image leaves it after export."""
    run = RunFolder(root / "runs" / "toy-run")
    run.path.mkdir(parents=True)
    files.write_json(run.path / "config.json", {"data": dataset.name})
    data = model.SerializeToString()
    run.core_onnx.write_bytes(data)
    core = core_json(data, **core_changes)
    known = {"run": run.name, "dataset_sha256": dataset.sha256, "weights_sha256": "0" * 64}
    core = replace(core, provenance={**core.provenance, **known})
    run.core_json.write_text(json.dumps(core.to_json()))
    native.write(run, dataset.split("test"), raw, nms, weights_sha256="0" * 64)
    return run
