"""The one definition of a published model: its input, outputs, numbers and metadata (DESIGN: the contract).

Names, order and shapes are those of the TensorFlow Object Detection API's exported detectors, because
clients exist that take the outputs by position. Standard library only.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

VERSION = 1
OPSET = 18
IR_VERSION = 8  # what ONNX Runtime 1.15 reads
INPUT = "image"  # uint8 [batch, height, width, 3], RGB unless the metadata says bgr
BOXES = "detection_boxes"  # float32 [batch, K, 4]: ymin, xmin, ymax, xmax, fractions of the input image
CLASSES = "detection_classes"  # float32 [batch, K]: from 1; 0 where there is no detection
SCORES = "detection_scores"  # float32 [batch, K], falling
COUNT = "num_detections"  # float32 [batch]
OUTPUTS = (BOXES, CLASSES, SCORES, COUNT)
RAW_BOXES = "raw_boxes"  # float32 [batch, A, 4], before NMS
RAW_SCORES = "raw_scores"  # float32 [batch, A, C], before NMS, without a background column
CORE_INPUT = "images"  # float32 [batch, 3, height, width] (NCHW) or [batch, height, width, 3] (NHWC), normalised
SCORE_THRESHOLD = "score_threshold"  # initializers, so that a tool can change them without another export
IOU_THRESHOLD = "iou_threshold"
MAX_DETECTIONS = "max_detections"
METADATA_PREFIX = "isomer."
# In the provenance of a converted core: the overlap of its own NMS; "int8" if its own numbers are of 8 bits.
ORIGINAL_IOU = "original_iou_threshold"
ORIGINAL_PRECISION = "original_precision"
COORDINATES = ("half_pixel", "asymmetric", "align_corners")  # of Resize

# Of all anchors the best by their best class go into NMS: bounds the tail's time whatever the anchors' number.
NMS_CANDIDATES = 1000
# Metrics need the whole precision-recall curve, not only what a client is shown.
EVALUATION_SCORE_THRESHOLD = 0.01


@dataclass(frozen=True)
class Thresholds:
    """What the tail does to the raw outputs; a score must be above, an overlap above `iou` is suppressed."""

    score: float = 0.3
    iou: float = 0.5
    max_detections: int = 100

    def for_evaluation(self) -> Thresholds:
        return Thresholds(EVALUATION_SCORE_THRESHOLD, self.iou, self.max_detections)


@dataclass(frozen=True)
class Resize:
    """How a picture becomes as large as a graph wants it: bilinear, without antialiasing, on float pixels.

    Attributes:
        mode: "stretch" (the aspect is not kept), "letterbox" (it is kept, the rest is grey) or "none" (the graph takes
            any size and resizes by itself).
        coordinates: where an output pixel lies in the input: "half_pixel" (torch, OpenCV, TensorFlow 2), "asymmetric"
            (TensorFlow 1's default) or "align_corners".
        pad: grey level around a letterboxed picture; None: each channel's mean, zero once it is normalised.
        place: of a letterboxed picture: "center" or "top_left".
    """

    mode: str = "stretch"
    coordinates: str = "half_pixel"
    pad: float | None = 114
    place: str = "center"


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """What pictures go through before a graph.

    `mean` and `std` are in grey levels (0...255), per channel in RGB order: normalised = (pixel - mean) / std.
    `channels` is the order in which the graph itself takes them. `height` and `width` are of the graph's input in
    pixels; 0 where `resize.mode` is "none".
    """

    layout: str  # "NCHW" or "NHWC"
    height: int
    width: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    channels: str = "rgb"
    resize: Resize = Resize()

    @property
    def size(self) -> str:
        """Height and width in words, as the metadata has them; a square's side alone."""
        if self.resize.mode == "none":
            return "any"
        return str(self.height) if self.height == self.width else f"{self.height}x{self.width}"


@dataclass(frozen=True, kw_only=True)
class Core(Preprocessing):
    """core.json: what the framework image says about its core.onnx.

    The core takes `images`, float32 [batch, 3, height, width] or [batch, height, width, 3], any batch, and gives
    `boxes` [batch, A, 4], ymin, xmin, ymax, xmax as fractions of that input (grey borders of a letterbox included),
    and `scores` [batch, A, C], before NMS.

    `classes` are the names in the order of the columns of `scores`; the first is class 1.
    `provenance` is what the published model's metadata repeats: run, dataset sha256, lock sha256, and so on.
    """

    framework: str
    architecture: str
    classes: tuple[str, ...]
    core_sha256: str
    provenance: dict[str, str]

    def to_json(self) -> dict:
        return {"isomer_core": VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, value: dict) -> Core:
        return cls(**_fields("core", value))


@dataclass(frozen=True, kw_only=True)
class Whole(Preprocessing):
    """whole.json: a model that keeps its own graph with the NMS inside, whole.onnx, and what its outputs mean.

    Attributes:
        input: name of the graph's only input.
        dtype: of that input: "uint8", "float32" or "float16".
        batch: what the graph's batch is fixed to; None where it is free. With 1, ours is a Loop around the graph.
        boxes, scores, class_ids, count: names of the graph's outputs. Boxes [batch, N, 4], scores and class_ids
            [batch, N], count [batch] or [batch, 1]: how many rows are detections. All but the batch's axis may be
            missing where the batch is 1. Without class_ids all detections are of class 1, without a count all rows
            that score above the threshold are detections.
        box_order: "yxyx", "xyxy" (corners), "xywh" (left, top, width, height) or "cxcywh" (centre).
        box_unit: "fraction" or "pixel", of the graph's input.
        first_class: the graph's id of the first of `classes`.
        classes: names; the first is class 1 of the published model.
        whole_sha256: of whole.onnx.
    """

    framework: str
    architecture: str
    classes: tuple[str, ...]
    input: str
    dtype: str
    batch: int | None
    boxes: str
    scores: str
    class_ids: str | None
    count: str | None
    box_order: str = "yxyx"
    box_unit: str = "fraction"
    first_class: int = 1
    whole_sha256: str
    provenance: dict[str, str]

    def to_json(self) -> dict:
        return {"isomer_whole": VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, value: dict) -> Whole:
        return cls(**_fields("whole", value))


def _fields(kind: str, value: dict) -> dict:
    """The fields of core.json or whole.json as their dataclasses have them."""
    fields = {key: tuple(item) if isinstance(item, list) else item for key, item in value.items()}
    if fields.pop(f"isomer_{kind}", None) != VERSION:
        raise ValueError(f"{kind}.json: isomer_{kind} is not {VERSION}")
    return fields | {"resize": Resize(**fields["resize"])}
