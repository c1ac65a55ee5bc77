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
CORE_INPUT = "images"  # float32 [batch, 3, size, size] (NCHW) or [batch, size, size, 3] (NHWC), normalised
SCORE_THRESHOLD = "score_threshold"  # initializers, so that a tool can change them without another export
IOU_THRESHOLD = "iou_threshold"
MAX_DETECTIONS = "max_detections"
METADATA_PREFIX = "isomer."

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
class Core:
    """core.json: what the framework image says about its core.onnx.

    `mean` and `std` are in grey levels (0...255), per channel in RGB order: normalised = (pixel - mean) / std.
    `classes` are the names in the order of the columns of `raw_scores`; the first is class 1.
    `provenance` is what the published model's metadata repeats: run, dataset sha256, lock sha256, and so on.
    """

    framework: str
    architecture: str
    layout: str  # "NCHW" or "NHWC"
    size: int  # height and width of the core's input, pixels
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    classes: tuple[str, ...]
    core_sha256: str
    provenance: dict[str, str]

    def to_json(self) -> dict:
        return {"isomer_core": VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, value: dict) -> Core:
        fields = {key: tuple(item) if isinstance(item, list) else item for key, item in value.items()}
        if fields.pop("isomer_core", None) != VERSION:
            raise ValueError(f"core.json: isomer_core is not {VERSION}")
        return cls(**fields)
