"""Which layout raw outputs have: by their shapes, then by what their values can and cannot be."""

from __future__ import annotations

import numpy as np

from isomer import priors
from isomer.converting.seen import Seen
from isomer.graph.decoders import Layout, grid

# Strides of pyramids in use, the usual ones first.
PYRAMIDS = ((8, 16, 32), (8, 16, 32, 64), (16, 32), (4, 8, 16, 32), (8, 16, 32, 64, 128), (16, 32, 64))
SHAPES = {"mobilenet": priors.MOBILENET, "vgg": priors.VGG, "ultra-light": priors.ULTRA_LIGHT}
SHAPE_STRIDES = {"mobilenet": (16, 6), "vgg": (8, 6), "ultra-light": (8, 4)}  # of the first map; how many maps
BINS = (8, 16, 17)  # NanoDet's usual distributions
MEDIAN_CORRELATION = 0.9
BACKGROUND_SHARE = 0.8  # of all anchors, that show nothing in most pictures
LEAST_ANCHORS = 50


def of_all(
    seen: dict[str, Seen],
    given: dict[str, str],
    height: int,
    width: int,
    names: int | None,
    *,
    decoder: str | None,
    order: str | None,
    producer: str,
) -> Layout | str | None:
    """The layout of a model's raw outputs; None, or why not, where there are none.

    Args:
        given: outputs by their roles ("boxes", "scores" …), as far as the user says.
        names: see `of_one` and `of_two`, as for decoder, order and producer.
    """
    if {"boxes", "scores"} <= given.keys():
        boxes, scores = seen[given["boxes"]], seen[given["scores"]]
        if "classes" in given or (scores.values.size * 4 == boxes.values.size and scores.arrays[0].ndim < 3):
            return None
        return of_two(boxes, scores, height, width, names, order, producer, decoder)
    pair = _pair(seen)
    if pair:
        return of_two(*pair, height, width, names, order, producer, decoder)
    levels = _levels(seen, height, width)
    if levels:
        return levels
    why: Layout | str | None = None
    for one in seen.values():
        found = of_one(one, height, width, names, decoder if decoder != "none" else None)
        if isinstance(found, Layout):
            return found
        why = why or found
    return why


def _pair(seen: dict[str, Seen]) -> tuple[Seen, Seen] | None:
    """Boxes [1, A, 4] and scores [1, A, C] of the same anchors."""
    floats = [one for one in seen.values() if not one.is_whole and one.arrays[0].ndim >= 3]
    boxes = [one for one in floats if one.shape[-1] == 4]
    boxes.sort(key=lambda one: "box" not in one.name.lower())
    for box in boxes:
        rows = int(np.prod(box.shape[:-1]))
        for score in floats:
            fits = score is not box and score.arrays[0].ndim == 3 and int(np.prod(score.shape[:-1])) == rows
            if fits and rows >= LEAST_ANCHORS and len({array.shape for array in score.arrays}) == 1:
                return box, score
    return None


def _levels(seen: dict[str, Seen], height: int, width: int) -> Layout | None:
    """NanoDet with two outputs for each stride: scores [1, n, C] and distributions [1, n, 4 bins]."""
    for strides in PYRAMIDS:
        if len(seen) != 2 * len(strides):
            continue
        boxes, scores = [], []
        for stride in strides:
            cells = -(-height // stride) * -(-width // stride)
            rows = [one for one in seen.values() if one.shape == (1, cells, one.shape[-1]) and not one.is_whole]
            scores += [one for one in rows if _probable(one.values)]
            boxes += [one for one in rows if one.shape[-1] in (4 * bins for bins in BINS) and one not in scores]
        columns = {one.shape[-1] for one in scores}, {one.shape[-1] for one in boxes}
        if len(boxes) == len(scores) == len(strides) and all(len(widths) == 1 for widths in columns):
            names = tuple(one.name for one in (*boxes, *scores))
            cells = grid(height, width, strides, 0.0 if len(strides) == 4 else 0.5)
            classes, bins = columns[0].pop(), columns[1].pop() // 4
            return Layout(names, "distances", "pixel", classes, cells=cells, bins=bins)
    return None


def of_one(seen: Seen, height: int, width: int, names: int | None, decoder: str | None) -> Layout | str | None:
    """The layout of a single output with boxes and scores; None if it cannot be one, or why it is not clear which.

    Args:
        names: how many classes the model has, where that is known.
        decoder: what the user says it is.
    """
    shape = seen.shape
    if seen.is_whole or len(shape) not in (2, 3) or (len(shape) == 3 and shape[0] != 1):
        return None
    rows, columns = shape[-2:]
    transposed = rows < columns
    anchors, numbers = (columns, rows) if transposed else (rows, columns)
    if numbers < 5 or anchors < LEAST_ANCHORS:
        return None
    if numbers == 5 and not transposed and _pyramid(anchors, height, width, 3):
        return "it has a box and an objectness, but no class: nothing that it could find"
    table = np.concatenate([_table(array, transposed) for array in seen.arrays])
    single = _pyramid(anchors, height, width, 1)
    triple = _pyramid(anchors, height, width, 3)
    make = _Maker(seen.name, height, width, table, transposed, anchors)
    if decoder:
        return make.declared(decoder, single, names)
    if triple and numbers >= 6 and not transposed:
        return make.yolov5(names)
    if transposed and (single or anchors >= LEAST_ANCHORS) and _probable(table[:, 4:5]):
        return make.yolov8(names)
    if not single:
        if _probable(table[:, :4]) and _probable(table[:, 4:]):
            return make.transformer(names)
        return "its anchors fit no pyramid of strides that is known"
    bins = make.nanodet_bins(names)
    if bins:
        return make.nanodet(single, bins)
    if not _probable(table[:, 4:]):
        return None
    if not make.is_decoded(single):
        return make.yolox(single)
    if (np.abs(table[:, 4] - 1) < 1e-6).all():  # YOLOv6 keeps the column, and nothing in it
        return make.yolov5()
    if names in (numbers - 5, numbers - 4):
        return make.yolov5() if names == numbers - 5 else make.yolov8(names)
    if numbers in (84, 85):
        return make.yolov8(80) if numbers == 84 else make.yolov5()
    return (
        f"{numbers} columns may be a box, an objectness and {numbers - 5} classes (--decoder yolov5), or a box and "
        f"{numbers - 4} classes (--decoder yolov8)"
    )


class _Maker:
    """The layouts that one output may have."""

    def __init__(self, name: str, height: int, width: int, table: np.ndarray, transposed: bool, anchors: int):
        self.name, self.height, self.width, self.table = name, height, width, table
        self.transposed, self.anchors = transposed, anchors
        self.columns = table.shape[1]
        self.unit = "pixel" if np.abs(table[:, :4]).max(initial=0) > 2 else "fraction"

    def declared(self, decoder: str, strides: tuple[int, ...] | None, names: int | None) -> Layout | str:
        if decoder == "yolov5":
            return self.yolov5(names)
        if decoder == "yolov8":
            return self.yolov8(names)
        if decoder in ("yolox", "nanodet") and strides is None:
            return f"--decoder {decoder}: {self.anchors} anchors fit no pyramid of strides that is known"
        if decoder == "yolox":
            assert strides is not None
            return self.yolov5() if self.is_decoded(strides) else self.yolox(strides)
        if decoder == "nanodet":
            assert strides is not None
            bins = self.nanodet_bins(names) or BINS[0]
            if self.columns <= 4 * bins:
                return f"--decoder nanodet: {self.columns} columns are too few for distributions and classes"
            return self.nanodet(strides, bins)
        return f"--decoder {decoder}: that is for an output of boxes and one of scores, and this is a single one"

    def yolov5(self, names: int | None = None) -> Layout:
        """YOLOv3, v5, v6 and v7: a box's centre and size, objectness, classes; masks behind them are left."""
        classes = names if names and names < self.columns - 5 else self.columns - 5
        return self._layout("cxcywh", self.unit, classes, first_score=5, objectness=4)

    def yolov8(self, names: int | None) -> Layout:
        """YOLOv8 to v12: a box's centre and size, classes; what else is behind them (masks, points) is left."""
        classes = names if names and names < self.columns - 4 else self.columns - 4
        return self._layout("cxcywh", self.unit, classes)

    def transformer(self, names: int | None) -> Layout:
        """RT-DETR as ultralytics exports it: as YOLOv8, a row for each query, boxes as fractions."""
        return self._layout("cxcywh", self.unit, names or self.columns - 4)

    def yolox(self, strides: tuple[int, ...]) -> Layout:
        cells = grid(self.height, self.width, strides)
        return self._layout("grid", "pixel", self.columns - 5, first_score=5, objectness=4, cells=cells)

    def nanodet(self, strides: tuple[int, ...], bins: int) -> Layout:
        # NanoDet-Plus, of four strides, counts from a cell's corner, the first NanoDet from its centre
        cells = grid(self.height, self.width, strides, 0.0 if len(strides) == 4 else 0.5)
        classes = self.columns - 4 * bins
        return self._layout("distances", "pixel", classes, first_box=classes, first_score=0, cells=cells, bins=bins)

    def nanodet_bins(self, names: int | None) -> int | None:
        """Values of a distribution, if scores come first and what is behind them are no probabilities."""
        for bins in BINS:
            classes = self.columns - 4 * bins
            if classes < 1 or (names and names != classes):
                continue
            if _probable(self.table[:, :classes]) and not _probable(self.table[:, classes:]):
                return bins
        return None

    def is_decoded(self, strides: tuple[int, ...]) -> bool:
        """Whether the centres lie where the anchors' cells are, in pixels or as fractions."""
        cells = np.tile(grid(self.height, self.width, strides, 0.5), (len(self.table) // self.anchors, 1))
        found = [_correlation(self.table[:, axis], cells[:, axis]) for axis in (0, 1)]
        return min(found) > MEDIAN_CORRELATION

    def _layout(self, boxes: str, unit: str, classes: int, **more) -> Layout:
        return Layout((self.name,), boxes, unit, classes, anchors_last=self.transposed, **more)


def of_two(
    boxes: Seen,
    scores: Seen,
    height: int,
    width: int,
    names: int | None,
    order: str | None,
    producer: str,
    decoder: str | None = None,
) -> Layout | str:
    """The layout of an output of boxes [1, A, 4] and one of scores [1, A, C], or why it is not clear.

    Args:
        order: of a box's numbers, as the user says.
        decoder: likewise: "ssd" for offsets from anchors, "none" for boxes as they stand.
    """
    if decoder not in (None, "ssd", "none"):
        return f"--decoder {decoder}: that is for a single output, and this is one of boxes and one of scores"
    table = boxes.rows(4)
    columns = int(np.prod(scores.shape) // (np.prod(boxes.shape) // 4))
    outputs = (boxes.name, scores.name)
    classes, more = _score_columns(scores, columns, names)
    if classes < 1:
        return "it has no class beside its background: nothing that it could find"
    unit = "pixel" if np.abs(table).max(initial=0) > 10 else "fraction"
    if order:
        return Layout(outputs, order, unit, classes, **more)
    if decoder == "ssd":
        return _offsets(outputs, len(table) // len(boxes.arrays), height, width, classes, more)
    is_corners = ((table[:, 2] >= table[:, 0]) & (table[:, 3] >= table[:, 1])).mean() > 0.97
    if is_corners:
        return Layout(outputs, _axes(table, len(boxes.arrays), producer), unit, classes, **more)
    if decoder == "none" or (table[:, 2:] >= 0).mean() > 0.97:
        return Layout(outputs, "cxcywh", unit, classes, **more)
    return _offsets(outputs, len(table) // len(boxes.arrays), height, width, classes, more)


def _offsets(
    outputs: tuple[str, str], count: int, height: int, width: int, classes: int, more: dict[str, str]
) -> Layout | str:
    """Boxes as offsets from a known detector's anchors."""
    found = anchors(count, height, width)
    if found is None:
        return (
            f"its boxes are offsets from {count} anchors that the file does not hold, and no known detector has so "
            f"many at {height}x{width}: export it with its decoding"
        )
    return Layout(outputs, "priors", "fraction", classes, anchors=found, **more)


def anchors(count: int, height: int, width: int) -> np.ndarray | None:
    """The anchors of pytorch-ssd's detectors at this size, if they are so many."""
    for name, shapes in SHAPES.items():
        stride, levels = SHAPE_STRIDES[name]
        maps = [(-(-height // stride), -(-width // stride))]
        while len(maps) < levels:
            rows, columns = maps[-1]
            # SSD300's last two convolutions are without padding: 5, 3, 1
            last = name == "vgg" and len(maps) >= 4
            maps.append((rows - 2, columns - 2) if last else (-(-rows // 2), -(-columns // 2)))
        if min(map(min, maps)) < 1:
            continue
        if sum(rows * columns * each for (rows, columns), each in zip(maps, shapes.counts, strict=True)) == count:
            return priors.anchors(shapes, maps, height, width)
    return None


def _score_columns(scores: Seen, columns: int, names: int | None) -> tuple[int, dict[str, str]]:
    """Classes without a background, and the layout's activation and background."""
    table = scores.rows(columns)
    if not _probable(table):
        dominating = [(table.argmax(axis=1) == place).mean() > BACKGROUND_SHARE for place in (0, columns - 1)]
        if columns > 1 and (names == columns - 1 or (names is None and any(dominating))):
            place = "last" if dominating[1] and not dominating[0] else "first"
            return columns - 1, {"activation": "softmax", "background": place}
        return columns, {"activation": "sigmoid"}
    is_softmax = columns > 1 and np.abs(table.sum(axis=1) - 1).max(initial=0) < 1e-2
    if (is_softmax and names != columns) or names == columns - 1:
        place = "last" if table[:, -1].mean() > max(table[:, 0].mean(), 0.5) else "first"
        return columns - 1, {"background": place}
    return columns, {}


def _axes(table: np.ndarray, pictures: int, producer: str) -> str:
    """Whether x or y comes first in corners: along a feature map x changes at each step, y only from row to row."""
    one = table[: len(table) // pictures]
    centres = (one[:, :2] + one[:, 2:]) / 2
    first, second = np.abs(np.diff(centres, axis=0)).sum(axis=0)
    if max(first, second) > 1.5 * min(first, second):
        return "xyxy" if first > second else "yxyx"
    return "yxyx" if "tf2onnx" in producer else "xyxy"


def _table(array: np.ndarray, transposed: bool) -> np.ndarray:
    two = array.reshape(array.shape[-2:]).astype(np.float64)
    return two.T if transposed else two


def _pyramid(anchors: int, height: int, width: int, each: int) -> tuple[int, ...] | None:
    """The strides of a pyramid of so many anchors, `each` at every cell."""
    for strides in PYRAMIDS:
        if anchors == each * sum(-(-height // stride) * -(-width // stride) for stride in strides):
            return strides
    return None


def _probable(values: np.ndarray) -> bool:
    """Whether all may be probabilities; rounding may leave them a hair outside."""
    return bool(((values >= -1e-4) & (values <= 1 + 1e-4)).all())


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    if first.std() < 1e-9 or second.std() < 1e-9:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])
