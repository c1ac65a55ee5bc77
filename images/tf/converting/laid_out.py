"""Outputs that leave decoding and NMS to their client, in TensorFlow Lite files and in graphs: what a layout says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from converting.decoded_core import Decoded
from converting.normalisation import SIGNED
from converting.tensor import Tensor
from isomer.contract import Preprocessing
from isomer.converting import Conversion, asked, layouts, raw_outputs, reference
from isomer.converting.resizing import prepare
from isomer.converting.seen import PICTURES, Seen
from isomer.converting.usual import AS_IT_IS, Usual
from isomer.errors import UserError
from isomer.graph import decoders
from isomer.graph.builder import GraphBuilder
from isomer.graph.decoders import Layout
from isomer.progress import say

USUAL = Usual((SIGNED,) * 3, (SIGNED,) * 3)  # of the detectors that end in TensorFlow Lite's own post-processing
FLAGS = "--mean, --std, --input-channels and --resize say otherwise"


class RawGraph(Protocol):
    """A graph with one input, run by its own framework."""

    name: str
    tensors: dict[int, Tensor]

    @property
    def inputs(self) -> list[Tensor]: ...

    @property
    def outputs(self) -> list[Tensor]: ...

    def labels(self) -> tuple[str, ...] | None:
        """Class names that it holds."""

    def run(self, picture: np.ndarray, wanted: Sequence[int]) -> list[np.ndarray]:
        """Real values of tensors for the input's values, [1, …] in its own type."""


def raw(graph: RawGraph, made: Decoded, how: Preprocessing, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As isomer.native.Raw, by TensorFlow Lite's own kernels."""
    boxes, scores = [], []
    for picture in batch:
        prepared, placed = prepare(picture, how)
        one, other = made.numpy(graph.run(given(graph, prepared), made.wanted))
        boxes.append(placed.boxes_in_picture(one) if how.resize.mode == "letterbox" else one)
        scores.append(other)
    return np.stack(boxes), np.stack(scores)


def given(graph: RawGraph, prepared: np.ndarray) -> np.ndarray:
    """A prepared picture in the input's type; pixels of int8 count from -128."""
    kind = graph.inputs[0].dtype
    if kind == "float32":
        return prepared[None].astype(np.float32)
    return (np.rint(prepared[None]) - (128 if kind == "int8" else 0)).astype(kind)


def sides(graph: RawGraph, conversion: Conversion) -> Preprocessing:
    """Layout and size of the graph's input; nothing else is settled yet.

    Raises:
        UserError: it takes no picture, or --size wants another.
    """
    shape = graph.inputs[0].shape
    if len(graph.inputs) != 1 or len(shape) != 4 or 3 not in (shape[1], shape[3]):
        raise UserError(f"{graph.name} takes no picture: its inputs are {', '.join(map(str, graph.inputs))}")
    layout = "NHWC" if shape[3] == 3 else "NCHW"
    height_width = shape[1:3] if layout == "NHWC" else shape[2:]
    wanted = asked.size(conversion.options)
    if wanted and wanted != height_width:
        taken = "{}x{}".format(*height_width)
        raise UserError(f"--size {conversion.options.size}: the graph takes {taken} and no other")
    height, width = height_width
    return _described(Preprocessing(layout=layout, height=height, width=width, mean=(0,) * 3, std=(1,) * 3), USUAL)


def _described(how: Preprocessing, usual: Usual) -> Preprocessing:
    return replace(how, mean=usual.mean, std=usual.std, channels=usual.channels, resize=usual.resize)


def prepared(
    graph: RawGraph, how: Preprocessing, inside: Usual | None, usual: Usual, conversion: Conversion
) -> Preprocessing:
    """What pictures go through before the graph: as its input and its first operators tell, or the flags say.

    Raises:
        UserError: --mean or --std for a graph that takes pixels.
    """
    options, taken = conversion.options, graph.inputs[0]
    if taken.dtype != "float32":
        if options.mean or options.std:
            raise UserError(f"--mean and --std are for floats: {graph.name} takes pixels ({taken.dtype})")
        usual = replace(usual, mean=AS_IT_IS.mean, std=AS_IT_IS.std)
    elif inside:
        usual = replace(usual, mean=inside.mean, std=inside.std)
    found = asked.preprocessing(options, _described(how, usual))
    words = Usual(found.mean, found.std, found.channels, found.resize).words()
    say(f"pictures are given as {found.height}x{found.width}, {words}: {FLAGS}")
    return found


def recognise(
    graph: RawGraph, how: Preprocessing, conversion: Conversion, roles: dict[str, str] | None = None
) -> Layout | UserError:
    """The layout of outputs that leave decoding and NMS to their client; else what was seen, and how to declare it.

    Args:
        roles: the outputs that the user named, by their roles, where --outputs is settled already.
    """
    options = conversion.options
    pictures = reference.some_pictures(conversion.volume, options, PICTURES)
    ends = [tensor.index for tensor in graph.outputs]
    first = replace(how, mean=AS_IT_IS.mean, std=AS_IT_IS.std) if graph.inputs[0].dtype != "float32" else how
    runs = [graph.run(given(graph, prepare(one, asked.preprocessing(options, first))[0]), ends) for one in pictures]
    seen = {
        tensor.name: Seen(tensor.name, tuple(run[place] for run in runs)) for place, tensor in enumerate(graph.outputs)
    }
    roles = asked.roles(options, seen) if roles is None else roles
    chosen = seen if roles.keys() <= set(asked.ROLES) else {name: seen[name] for name in roles.values()}
    names = graph.labels()
    count = len(names) if names else None
    if options.classes not in (None, "coco", "voc"):
        count = len(conversion.class_names(None))
    found = layouts.of_all(
        chosen,
        roles,
        how.height,
        how.width,
        count,
        decoder=options.decoder,
        order=options.box_order,
        producer="tf2onnx",
    )
    if isinstance(found, Layout):
        return found
    words = "; ".join(one.in_words() for one in seen.values())
    return UserError(
        f"{found or 'its outputs are not those of a known detector'}. Seen for {how.height}x{how.width}: {words}. "
        "Declare them: --outputs boxes=NAME,scores=NAME, --box-order, or --decoder for one raw output"
    )


def decoded(graph: RawGraph, layout: Layout, how: Preprocessing) -> Decoded:
    """The decoding that a layout says."""
    say(f"outputs {', '.join(layout.outputs)}: boxes as {layout.boxes} in {layout.unit}s, {layout.classes} classes")
    wanted = tuple(next(one.index for one in graph.outputs if one.name == name) for name in layout.outputs)

    def decode(values: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        boxes, scores = raw_outputs.decode(layout, values, how.height, how.width)
        return boxes[0], scores[0]

    def in_onnx(build: GraphBuilder, names: list[str]) -> tuple[str, str]:
        made = decoders.build(replace(layout, outputs=tuple(names)), how.height, how.width)
        build.nodes.extend(made.node)
        build.initializers.update({tensor.name: tensor for tensor in made.initializer})
        return made.output[0].name, made.output[1].name

    return Decoded(wanted, layout.classes, decode, in_onnx)
