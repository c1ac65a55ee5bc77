"""Layouts of raw outputs: what known boxes are written as is recognised, and read back by both decoders."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from isomer import contract
from isomer.converting import layouts
from isomer.converting.raw_outputs import decode
from isomer.converting.seen import Seen
from isomer.graph import decoders
from isomer.graph.decoders import Layout

HEIGHT, WIDTH, CLASSES, PICTURES = 96, 160, 3, 3
STRIDES = (8, 16, 32)


class Truth:
    """Boxes and scores of every cell, as fractions ymin, xmin, ymax, xmax, and what layouts are made of."""

    def __init__(self, strides: tuple[int, ...] = STRIDES, each: int = 1, middle: float = 0.5) -> None:
        random = np.random.default_rng(3)
        cells = []
        for stride in strides:
            for _ in range(each):
                for row in range(HEIGHT // stride):
                    cells += [(column, row, stride) for column in range(WIDTH // stride)]
        self.x, self.y, self.stride = np.array(cells, np.float64).T
        shape = (PICTURES, len(cells))
        # half a cell around the cell's middle, sides of 0.6 to 3 strides
        self.cx, self.cy = (
            (place + middle + random.uniform(-0.2, 0.2, shape)) * self.stride for place in (self.x, self.y)
        )
        self.w, self.h = (random.uniform(0.6, 3, shape) * self.stride for _ in range(2))
        self.scores = random.uniform(0, 1, (*shape, CLASSES))
        self.objectness = random.uniform(0, 1, shape)

    def corners(self) -> np.ndarray:
        """x1, y1, x2, y2 in pixels."""
        return np.stack(
            [self.cx - self.w / 2, self.cy - self.h / 2, self.cx + self.w / 2, self.cy + self.h / 2], axis=-1
        )

    def centres(self) -> np.ndarray:
        return np.stack([self.cx, self.cy, self.w, self.h], axis=-1)

    def boxes(self) -> np.ndarray:
        return self.corners()[..., [1, 0, 3, 2]] / [HEIGHT, WIDTH, HEIGHT, WIDTH]


def seen(name: str, values: np.ndarray) -> Seen:
    return Seen(name, tuple(picture[None].astype(np.float32) for picture in values))


def recognised(given: dict[str, np.ndarray], names: int | None = None, **more) -> Layout | str | None:
    options = {"decoder": None, "order": None, "producer": "pytorch"} | more
    outputs = {name: seen(name, values) for name, values in given.items()}
    return layouts.of_all(outputs, {}, HEIGHT, WIDTH, names, **options)


def by_graph(layout: Layout, arrays: list[np.ndarray]) -> list[np.ndarray]:
    layout = replace(layout, outputs=tuple(f"raw/{name}" for name in layout.outputs))
    graph = decoders.build(layout, HEIGHT, WIDTH)
    model = helper.make_model(
        graph, ir_version=contract.IR_VERSION, opset_imports=[helper.make_opsetid("", contract.OPSET)]
    )
    for item, array in zip(model.graph.input, arrays, strict=True):
        for side in array.shape:
            item.type.tensor_type.shape.dim.add(dim_value=side)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, dict(zip(layout.outputs, arrays, strict=True)))


def check(layout: Layout | str | None, given: dict[str, np.ndarray], boxes: np.ndarray, scores: np.ndarray) -> None:
    """Both decoders read the truth out of the outputs."""
    assert isinstance(layout, Layout), layout
    arrays = [given[name].astype(np.float32) for name in layout.outputs]
    for found in (decode(layout, arrays, HEIGHT, WIDTH), by_graph(layout, arrays)):
        np.testing.assert_allclose(found[0], boxes, atol=1e-5)
        np.testing.assert_allclose(found[1], scores, atol=1e-5)


@pytest.mark.parametrize("unit", ["pixel", "fraction"])
def test_yolov5(unit):
    truth = Truth(each=3)
    sides = 1 if unit == "pixel" else np.array([WIDTH, HEIGHT, WIDTH, HEIGHT])
    rows = [truth.centres() / sides, truth.objectness[..., None], truth.scores]
    given = {"output": np.concatenate(rows, axis=-1)}
    layout = recognised(given)
    check(layout, given, truth.boxes(), truth.scores * truth.objectness[..., None])
    assert layout.unit == unit


def test_yolov5_with_masks_behind_the_classes():
    truth = Truth(each=3)
    masks = np.random.default_rng(0).normal(0, 3, (*truth.cx.shape, 32))
    given = {"o": np.concatenate([truth.centres(), truth.objectness[..., None], truth.scores, masks], axis=-1)}
    check(recognised(given, CLASSES), given, truth.boxes(), truth.scores * truth.objectness[..., None])


def test_yolov5_with_its_heads_beside_the_output():
    """What training mode also gives: [1, 3, rows, columns, 5 + C] for each stride."""
    truth = Truth(each=3)
    both = np.concatenate([truth.centres(), truth.objectness[..., None], truth.scores], axis=-1)
    given = {"output": both, "358": np.zeros((PICTURES, 3, 12, 20, 8)), "378": np.zeros((PICTURES, 3, 6, 10, 8))}
    check(recognised(given), {"output": both}, truth.boxes(), truth.scores * truth.objectness[..., None])


@pytest.mark.parametrize("behind", [0, 32])
@pytest.mark.parametrize("strides", [STRIDES, (4, 8, 16, 32), (16, 32)])
def test_yolov8(strides, behind):
    truth = Truth(strides)
    more = np.random.default_rng(0).normal(0, 3, (*truth.cx.shape, behind))
    given = {"output0": np.moveaxis(np.concatenate([truth.centres(), truth.scores, more], axis=-1), -1, 1)}
    check(recognised(given, CLASSES if behind else None), given, truth.boxes(), truth.scores)


def yolox(truth: Truth) -> dict[str, np.ndarray]:
    """cell + offset in strides, logarithm of the side in strides."""
    rows = [
        truth.cx / truth.stride - truth.x,
        truth.cy / truth.stride - truth.y,
        np.log(truth.w / truth.stride),
        np.log(truth.h / truth.stride),
        truth.objectness,
    ]
    return {"output": np.concatenate([np.stack(rows, axis=-1), truth.scores], axis=-1)}


def test_yolox():
    truth = Truth()
    given = yolox(truth)
    layout = recognised(given)
    check(layout, given, truth.boxes(), truth.scores * truth.objectness[..., None])
    assert layout.boxes == "grid"


def test_yolox_that_decodes_by_itself_is_not_guessed():
    truth = Truth()
    given = {"o": np.concatenate([truth.centres(), truth.objectness[..., None], truth.scores], axis=-1)}
    assert "--decoder yolov5" in recognised(given)
    for layout in (recognised(given, CLASSES), recognised(given, decoder="yolov5"), recognised(given, decoder="yolox")):
        check(layout, given, truth.boxes(), truth.scores * truth.objectness[..., None])
    assert recognised(given, CLASSES + 1).classes == CLASSES + 1, "one column more is a class"


def test_yolov6():
    """Its objectness is always 1."""
    truth = Truth()
    given = {"outputs": np.concatenate([truth.centres(), np.ones((*truth.cx.shape, 1)), truth.scores], axis=-1)}
    check(recognised(given), given, truth.boxes(), truth.scores)


def distributions(truth: Truth, strides: tuple[int, ...], bins: int = 8) -> np.ndarray:
    """Logits whose mean is the distance from the anchor's point to each side, in strides."""
    middle = 0.0 if len(strides) == 4 else 0.5
    x, y = ((place + middle) * truth.stride for place in (truth.x, truth.y))
    left, top, right, bottom = np.moveaxis(truth.corners(), -1, 0)
    distances = np.stack([x - left, y - top, right - x, bottom - y], axis=-1) / truth.stride[None, :, None]
    assert (distances >= 0).all() and (distances <= bins - 1).all()
    low = np.floor(distances).astype(int).clip(0, bins - 2)
    share = distances - low
    probability = np.full((*distances.shape, bins), 1e-9)
    np.put_along_axis(probability, low[..., None], (1 - share)[..., None] + 1e-9, axis=-1)
    np.put_along_axis(probability, low[..., None] + 1, share[..., None] + 1e-9, axis=-1)
    return np.log(probability).reshape(*distances.shape[:2], 4 * bins)


@pytest.mark.parametrize("in_levels", [False, True])
def test_nanodet(in_levels):
    truth = Truth()
    numbers = distributions(truth, STRIDES)
    if not in_levels:
        given = {"output": np.concatenate([truth.scores, numbers], axis=-1)}
    else:
        given, start = {}, 0
        for stride in STRIDES:
            rows = slice(start, start := start + HEIGHT // stride * (WIDTH // stride))
            given[f"cls_pred_stride_{stride}"] = truth.scores[:, rows]
            given[f"dis_pred_stride_{stride}"] = numbers[:, rows]
    check(recognised(given), given, truth.boxes(), truth.scores)


def test_nanodet_plus():
    """Four strides, distances from the cell's corner; 64 does not divide the sides."""
    truth = Truth((8, 16, 32), middle=0.0)
    extra = Truth((32,), middle=0.0)  # the last map has -(-96 // 64) x -(-160 // 64) = 2 x 3 cells
    assert len(extra.x) > 6
    for name in ("x", "y", "stride"):
        last = {"x": np.tile([0, 1, 2], 2), "y": np.repeat([0, 1], 3), "stride": np.full(6, 64.0)}[name]
        setattr(truth, name, np.concatenate([getattr(truth, name), last]))
    for name in ("cx", "cy"):
        place = truth.x[-6:] if name == "cx" else truth.y[-6:]
        setattr(truth, name, np.concatenate([getattr(truth, name), np.tile(place * 64.0, (PICTURES, 1))], axis=1))
    for name in ("w", "h"):
        setattr(truth, name, np.concatenate([getattr(truth, name), np.full((PICTURES, 6), 64.0)], axis=1))
    truth.scores = np.random.default_rng(5).uniform(0, 1, (*truth.cx.shape, CLASSES))
    given = {"output": np.concatenate([truth.scores, distributions(truth, (8, 16, 32, 64))], axis=-1)}
    check(recognised(given), given, truth.boxes(), truth.scores)


@pytest.mark.parametrize("order", ["xyxy", "yxyx", "cxcywh"])
@pytest.mark.parametrize("unit", ["pixel", "fraction"])
def test_boxes_and_scores_apart(order, unit):
    """Which axis comes first shows in the order of the anchors."""
    truth = Truth()
    numbers = truth.centres() if order == "cxcywh" else truth.corners()
    numbers = numbers if unit == "pixel" else numbers / [WIDTH, HEIGHT, WIDTH, HEIGHT]
    numbers = numbers[..., [1, 0, 3, 2]] if order == "yxyx" else numbers
    given = {"b": numbers, "s": truth.scores}
    layout = recognised(given)
    check(layout, given, truth.boxes(), truth.scores)
    assert (layout.boxes, layout.unit) == (order, unit)


def background(truth: Truth, place: str, logits: bool) -> tuple[np.ndarray, np.ndarray]:
    """Scores with a background that most anchors are of, and the classes' shares."""
    raw = truth.scores * 2
    raw[..., 0] += 3 * (truth.objectness > 0.95)
    nothing = np.full((*raw.shape[:2], 1), 4.0)
    both = np.concatenate([nothing, raw] if place == "first" else [raw, nothing], axis=-1)
    shares = np.exp(both) / np.exp(both).sum(axis=-1, keepdims=True)
    return both if logits else shares, shares[..., 1:] if place == "first" else shares[..., :-1]


@pytest.mark.parametrize("place", ["first", "last"])
@pytest.mark.parametrize("logits", [False, True])
def test_backgrounds(place, logits):
    truth = Truth()
    scores, expected = background(truth, place, logits)
    given = {"boxes": truth.corners(), "scores": scores}
    layout = recognised(given)
    check(layout, given, truth.boxes(), expected)
    assert layout.background == place


def test_logits_without_a_background_are_of_a_sigmoid():
    truth = Truth()
    logits = np.log(truth.scores) - np.log1p(-truth.scores)
    given = {"boxes": truth.corners(), "scores": logits}
    check(recognised(given, CLASSES), given, truth.boxes(), truth.scores)


def test_queries_of_a_transformer():
    truth = Truth()
    rows = slice(0, 100)
    numbers = (truth.centres() / [WIDTH, HEIGHT, WIDTH, HEIGHT])[:, rows].clip(0, 1)
    given = {"output0": np.concatenate([numbers, truth.scores[:, rows]], axis=-1)}
    layout = recognised(given)
    assert isinstance(layout, Layout) and layout.boxes == "cxcywh" and layout.classes == CLASSES


@pytest.mark.parametrize(
    ("size", "count", "first"),
    [
        ((300, 300), 3000, [0.5 * 16 / 300] * 2 + [60 / 300] * 2),
        ((300, 300), 8732, [0.5 * 8 / 300] * 2 + [30 / 300] * 2),
        ((240, 320), 4420, [0.5 / 40, 0.5 / 30, 10 / 320, 10 / 240]),
        ((480, 640), 17640, [0.5 / 80, 0.5 / 60, 10 / 640, 10 / 480]),
    ],
)
def test_anchors_of_known_detectors(size, count, first):
    """Their numbers, and the first one as the papers and configurations have it."""
    found = layouts.anchors(count, *size)
    assert found.shape == (count, 4)
    np.testing.assert_allclose(found[0], first, atol=1e-6)
    assert layouts.anchors(count + 1, *size) is None


def test_offsets_from_anchors():
    anchors = layouts.anchors(3000, 300, 300).astype(np.float64)
    random = np.random.default_rng(0)
    offsets = random.normal(0, 2, (PICTURES, 3000, 4))
    cx, cy = (offsets[..., place] * 0.1 * anchors[:, place + 2] + anchors[:, place] for place in (0, 1))
    w, h = (np.exp(offsets[..., place] * 0.2) * anchors[:, place] for place in (2, 3))
    expected = np.stack([cy - h / 2, cx - w / 2, cy + h / 2, cx + w / 2], axis=-1)
    scores = random.uniform(0, 1, (PICTURES, 3000, 2))
    outputs = {"boxes": seen("boxes", offsets), "scores": seen("scores", scores)}
    options = {"order": None, "producer": ""}
    for decoder in (None, "ssd"):
        layout = layouts.of_all(outputs, {}, 300, 300, 2, decoder=decoder, **options)
        arrays = [values.astype(np.float32) for values in (offsets, scores)]
        for found in (decode(layout, arrays, 300, 300)[0], by_graph(layout, arrays)[0]):
            np.testing.assert_allclose(found, expected, atol=1e-5)
    other = {name: Seen(name, tuple(array[:, :100] for array in one.arrays)) for name, one in outputs.items()}
    assert "offsets from 100 anchors" in layouts.of_all(other, {}, 300, 300, 2, decoder=None, **options)


@pytest.mark.parametrize(
    ("given", "decoder", "said"),
    [
        ({"o": np.zeros((1, 945, 5))}, None, "no class"),
        ({"o": np.zeros((1, 100, 40)) + 7.0}, None, "fit no pyramid"),
        ({"o": np.zeros((1, 100, 40)) + 7.0}, "yolox", "--decoder yolox: 100 anchors fit no pyramid"),
        ({"o": np.zeros((1, 315, 20))}, "nanodet", "too few"),
        ({"o": np.zeros((1, 315, 20))}, "ssd", "this is a single one"),
        ({"boxes": np.zeros((1, 315, 4)), "scores": np.zeros((1, 315, 2))}, "yolov5", "for a single output"),
    ],
)
def test_why_not(given, decoder, said):
    assert said in recognised(given, decoder=decoder)


@pytest.mark.parametrize("shape", [(1, 1000), (1, 20, 6), (1, 3, 96, 160)])
def test_what_is_no_raw_output(shape):
    assert recognised({"o": np.random.default_rng(0).normal(0, 1, shape)}) is None
