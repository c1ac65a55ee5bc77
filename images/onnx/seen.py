"""What a model's outputs were on some pictures: the evidence by which they are understood."""

from __future__ import annotations

import numpy as np
from original import Original

from isomer.converting.seen import PICTURES, Seen
from isomer.errors import UserError


def look(original: Original, pictures: list[np.ndarray]) -> dict[str, Seen]:
    """All outputs on the first pictures, by name."""
    runs = [original(original.place(pixels)[0]) for pixels in pictures[:PICTURES]]
    return {name: Seen(name, tuple(np.asarray(one[name]) for one in runs)) for name in original.outputs}


def not_understood(why: str, original: Original, seen: dict[str, Seen]) -> UserError:
    """The error for outputs that nothing fits: what was seen, and how to declare it."""
    taken = original.input
    sides = f"{original.how.height}x{original.how.width}" if original.how.height else "any size"
    words = "; ".join(one.in_words() for one in seen.values())
    return UserError(
        f"{why}. Seen: input {taken.name} {taken.dtype} ({taken.layout}, {sides}); outputs (on {PICTURES} pictures): "
        f"{words}. Declare them: --outputs boxes=NAME,scores=NAME (with classes=NAME,count=NAME where the model "
        "has its own NMS), --box-order, or --decoder yolov5|yolov8|yolox|nanodet|ssd for one raw output"
    )
