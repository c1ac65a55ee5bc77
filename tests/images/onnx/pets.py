"""A dataset of two boxes a picture, and models that always say the same: how good they are is known beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from isomer import files
from isomer.contract import Core, Thresholds
from isomer.dataset import canonical
from isomer.dataset.canonical import Box, Dataset, Picture
from isomer.graph.assemble import assemble
from isomer.volume import Volume

CLASSES = ("cat", "dog")
# every picture, 100 x 80 pixels, holds these two: fractions ymin, xmin, ymax, xmax
CAT, DOG = (0.1, 0.1, 0.5, 0.5), (0.5, 0.6, 0.9, 1.0)


def make(root: Path) -> Volume:
    """A data volume with the dataset, of five pictures."""
    folder = root / "datasets" / "pets"
    (folder / "images").mkdir(parents=True)
    boxes = tuple(
        Box(number, xmin * 100, ymin * 80, (xmax - xmin) * 100, (ymax - ymin) * 80)
        for number, (ymin, xmin, ymax, xmax) in enumerate((CAT, DOG), start=1)
    )
    pictures = []
    for number in range(1, 6):
        Image.new("RGB", (100, 80), (50 * number, 0, 0)).save(folder / "images" / f"{number}.png")
        pictures.append(Picture(number, f"{number}.png", 100, 80, boxes))
    canonical.write(folder, CLASSES, {"test": tuple(pictures)}, {})
    return Volume(root)


def dataset(volume: Volume) -> Dataset:
    return canonical.load(volume.dataset("pets"))


def publish(
    volume: Volume,
    name: str,
    cat: float = 0.9,
    dog: float = 0.9,
    classes: Sequence[str] = CLASSES,
    sha256: str | None = None,
    channels: str = "rgb",
    more: Sequence[tuple[tuple[float, ...], str, float]] = (),
) -> Path:
    """A model that finds cat and dog in every picture, with these scores, and whatever else is said.

    Its first class is what it calls a cat and its second a dog, but where classes hold these names.
    """
    found = [(CAT, _called("cat", 0, classes), cat), (DOG, _called("dog", 1, classes), dog), *more]
    scores = np.zeros((len(found), len(classes)), np.float32)
    for row, (_, category, score) in enumerate(found):
        scores[row, classes.index(category)] = score
    core = Core(
        framework=name,
        architecture="constant",
        layout="NHWC",
        height=96,
        width=96,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        classes=classes,
        core_sha256="0" * 64,
        provenance={
            "run": f"pets-{name}",
            "dataset": "pets",
            "dataset_sha256": sha256 or dataset(volume).sha256,
            "lock_sha256": "none",
            "git_revision": "none",
            "environment": "none",
        },
    )
    model = assemble(_core([box for box, *_ in found], scores), core, f"pets-{name}", Thresholds(), channels)
    path = volume.models / f"pets-{name}.onnx"
    files.write_bytes(path, model.SerializeToString())
    return path


def _called(name: str, place: int, classes: Sequence[str]) -> str:
    return name if name in classes else classes[place]


def _core(boxes: Sequence[tuple[float, ...]], scores: np.ndarray) -> onnx.ModelProto:
    """Blue pixels (a red and blue mixed up) turn every score to nothing."""
    constants = {
        "where": np.array([boxes], np.float32),
        "how": np.array([scores], np.float32),
        "axes": np.array([1, 2], np.int64),
        "blue": np.array([2], np.int64),
        "zero": np.array(0, np.float32),
    }
    nodes = [
        helper.make_node("ReduceMax", ["images", "axes"], ["most"], keepdims=0),
        helper.make_node("Gather", ["most", "blue"], ["most_blue"], axis=1),
        helper.make_node("Unsqueeze", ["most_blue", "axis2"], ["most_blue_3d"]),
        helper.make_node("Greater", ["most_blue_3d", "zero"], ["wrong"]),
        helper.make_node("Where", ["wrong", "zero", "how"], ["scores"]),
        helper.make_node("Mul", ["most_blue_3d", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "where"], ["boxes"]),
    ]
    constants["axis2"] = np.array([2], np.int64)
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "core",
        [value("images", TensorProto.FLOAT, ["batch", 96, 96, 3])],
        [
            value("boxes", TensorProto.FLOAT, ["batch", len(boxes), 4]),
            value("scores", TensorProto.FLOAT, ["batch", len(boxes), len(scores[0])]),
        ],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 18)])
