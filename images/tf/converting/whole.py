"""A graph that keeps its own NMS: written whole, with what its outputs mean."""

from __future__ import annotations

import numpy as np

from converting import final, onnx_writing
from converting.graphs import full
from converting.original import Original
from isomer.contract import Resize
from isomer.converting import Conversion, asked
from isomer.converting.resizing import place
from isomer.errors import UserError
from isomer.native import Detections

INPUT = "input"
ROLES = ("boxes", "scores", "class_ids", "count")


def write(conversion: Conversion, original: Original, roles: final.Roles, versions: dict, architecture: str) -> None:
    """Write whole.onnx and whole.json, and what the original finds.

    Raises:
        ConversionFailed: tf2onnx does not convert it.
        UserError: it takes files, not pixels.
    """
    if original.encoded:
        raise UserError(
            f"{conversion.source.origin} takes encoded pictures ({original.input.name}), which ONNX cannot decode: "
            "export it with pixels as input (image_tensor), or name the tensor of the decoded picture with --inputs"
        )
    outputs = dict(zip(ROLES, (roles.boxes, roles.scores, roles.classes, roles.count), strict=True))
    names = {full(one.tensor): role for role, one in outputs.items() if one is not None}
    model = onnx_writing.write(original.definition, {original.input.tensor: INPUT}, names)
    resize = Resize(mode="none")
    height = width = 0
    if original.height:
        height, width = original.height, original.width or original.height
        resize = asked.preprocessing(conversion.options, pixels_of(height, width)).resize
    first, count = class_ids(original, roles)
    classes = conversion.class_names(count, original.about.get("classes"))
    mean, std = _scale(original)
    batch = original.input.shape[0] if original.input.shape and len(original.input.shape) == 4 else 1

    def detect(pictures: np.ndarray) -> list[Detections]:
        return [_detect(original, roles, one, resize, first) for one in pictures]

    conversion.write_whole(
        model.SerializeToString(),
        detect,
        classes=classes,
        versions=versions,
        architecture=architecture,
        layout="NCHW" if original.planes_first else "NHWC",
        height=height,
        width=width,
        mean=mean,
        std=std,
        channels=original.channels,
        resize=resize,
        input=INPUT,
        dtype=original.input.dtype,
        batch=batch,
        boxes="boxes",
        scores="scores",
        class_ids="class_ids" if roles.classes else None,
        count="count" if roles.count else None,
        first_class=first,
        box_order=conversion.options.box_order or "yxyx",
        box_unit="fraction",
    )


def class_ids(original: Original, roles: final.Roles) -> tuple[int, int | None]:
    """The id of the first class, and how many classes there are, as far as noise tells."""
    return 1, None


def pixels_of(height: int, width: int):
    from isomer.contract import Preprocessing

    return Preprocessing(layout="NHWC", height=height, width=width, mean=(0.0,) * 3, std=(1.0,) * 3)


def _scale(original: Original):
    factor, offset = (np.broadcast_to(one, 3).astype(float) for one in original.scale)
    mean, std = tuple(-offset / factor), tuple(1 / factor)
    return (mean[::-1], std[::-1]) if original.channels == "bgr" else (mean, std)


def _detect(original: Original, roles: final.Roles, picture: np.ndarray, resize: Resize, first: int) -> Detections:
    placed = None
    if not original.fits(*picture.shape[:2]):
        placed = place(picture, original.height, original.width, resize)
        picture = placed.pixels
    tensors = [one.tensor for one in roles.ports]
    values = dict(zip(tensors, original.run(tensors, picture), strict=True))
    found = final.detections(roles, values, first)
    if placed is None:
        return found
    return Detections(placed.boxes_in_picture(found.boxes), found.classes, found.scores)
