"""A converted core with a free batch: as it is, mended, or in a Loop; whichever gives what one by one gives."""

from __future__ import annotations

import numpy as np
import onnx
from session import open_session, run

from isomer import contract
from isomer.contract import Preprocessing
from isomer.errors import CheckFailed
from isomer.graph import head
from isomer.graph.batch import freed, is_free, looped
from isomer.progress import say

TRIED = 3
ANY_SIDE = 320  # pixels, where the graph takes any size
TOLERANCE = 1e-5  # of what the largest number is


def with_free_batch(model: onnx.ModelProto, how: Preprocessing) -> onnx.ModelProto:
    """The core with a free batch.

    Args:
        model: from `images` to a core's outputs; batch free, or fixed to one.

    Raises:
        CheckFailed: none of the ways computes the same.
    """
    shape = [TRIED, *(side if isinstance(side, int) else ANY_SIDE for side in head.core_input_shape(how)[1:])]
    images = np.random.default_rng(0).normal(0, 1, shape).astype(np.float32)
    single = _fixed(model) if is_free(model) else model
    alone = open_session(single)
    expected = [run(alone, **{contract.CORE_INPUT: image[None]}) for image in images]
    for way in (lambda model: model, freed):
        made = way(model)
        if is_free(made) and _agrees(made, images, expected):
            return made
    say("the batch is frozen inside the graph: its pictures go through one after the other, in a Loop")
    made = looped(single)
    if not _agrees(made, images, expected):
        raise CheckFailed("the graph's batch is frozen to one in a way that no Loop around it mends: export it anew")
    return made


def _fixed(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose batch is one."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for item in (*copy.graph.input, *copy.graph.output):
        item.type.tensor_type.shape.dim[0].dim_value = 1
    return copy


def _agrees(model: onnx.ModelProto, images: np.ndarray, expected: list[list[np.ndarray]]) -> bool:
    """Whether a batch gives what one by one gives."""
    try:
        together = run(open_session(model), **{contract.CORE_INPUT: images})
    except CheckFailed:
        return False
    for place, values in enumerate(together):
        wanted = np.concatenate([one[place] for one in expected])
        if values.shape != wanted.shape:
            return False
        if np.abs(values - wanted).max(initial=0) > TOLERANCE * max(1.0, np.abs(wanted).max(initial=0)):
            return False
    return True
