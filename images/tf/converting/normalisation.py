"""What a graph with a float input wants its pictures to be: grey levels, or numbers around 0 or from 0 to 1."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from converting import pixels
from converting.original import Original, Port
from converting.pixels import Measured
from isomer.contract import Preprocessing
from isomer.converting import asked
from isomer.errors import UserError
from isomer.flags import Convert
from isomer.progress import say

SIDE = 640  # pixels, where the graph takes any size and nothing says another
SIGNED = 127.5  # mean and std of what TensorFlow's own mobile detectors are fed: -1...1
# A graph that multiplies its input by more than this wants numbers up to 1, not grey levels.
FOR_FRACTIONS = 0.5


def settle(original: Original, options: Convert) -> Original:
    """The original, with a size, with what its float input wants.

    Raises:
        UserError: flags that contradict the graph.
    """
    if original.input.dtype not in ("float32", "float16"):
        if options.mean or options.std:
            raise UserError(
                f"--mean and --std are for graphs that take floats: this one takes {original.input.dtype} pixels and "
                "normalises them itself"
            )
        return replace(original, channels=options.input_channels or original.channels)
    original = replace(original, channels=options.input_channels or original.channels)
    mean, std, reason = _wanted(original, options)
    say(f"its input takes (pixel - {_words(mean)}) / {_words(std)}: {reason}")
    if original.channels == "bgr":
        mean, std = mean[::-1], std[::-1]
    scale = (1 / np.array(std, np.float32), -np.array(mean, np.float32) / np.array(std, np.float32))
    return replace(original, scale=scale)


def _wanted(original: Original, options: Convert):
    """Mean and std of what is fed, RGB, and why."""
    usual = Preprocessing(layout="NHWC", height=0, width=0, mean=(0.0,) * 3, std=(1.0,) * 3)
    if options.mean or options.std:
        given = asked.preprocessing(options, usual)
        return given.mean, given.std, "as --mean and --std say"
    if "mean" in original.about:
        return original.about["mean"], original.about["std"], "as the model's own description says"
    measured = pixels.measure(original, [one.tensor for one in original.outputs])
    if measured is None:
        return (0.0,) * 3, (1.0,) * 3, "grey levels; what becomes of them inside is not understood"
    if all(abs(value) < 1e-3 for value in measured.mean) and all(abs(value - 1) < 1e-3 for value in measured.std):
        reason = "nothing in the graph tells, so as TensorFlow's mobile detectors (--mean and --std say otherwise)"
        return (SIGNED,) * 3, (SIGNED,) * 3, reason
    if min(measured.std) < 1 / FOR_FRACTIONS and max(measured.mean) <= 1:
        return (
            (0.0,) * 3,
            (255.0,) * 3,
            f"the graph goes on with (x - {_words(measured.mean)}) / {_words(measured.std)}",
        )
    return (0.0,) * 3, (1.0,) * 3, "the graph itself normalises grey levels"


def asked_for(original: Original, measured: Measured, options: Convert) -> Measured:
    """What is measured, with --resize where the graph takes one size and so does not resize itself.

    Raises:
        UserError: --resize, but the graph resizes in its own way.
    """
    if not options.resize:
        return measured
    wanted = asked.preprocessing(options, measured.described).resize
    if original.height or original.width:
        return replace(measured, resize=wanted)
    if (wanted.mode, wanted.place) != (measured.resize.mode, measured.resize.place) and wanted.mode != "stretch":
        raise UserError(f"--resize {options.resize}: the graph resizes by itself ({in_words(measured)})")
    return measured


def sized(original: Original, options: Convert) -> Original:
    """With a size where the graph takes any size and hands it on as it is."""
    wanted = asked.size(options)
    if original.encoded or original.height or original.width:
        if wanted and original.height and wanted != (original.height, original.width):
            raise UserError(f"--size {options.size}: the graph takes {original.height}x{original.width} and no other")
        return original
    measured = pixels.measure(original, [one.tensor for one in original.outputs])
    if measured is not None:
        if wanted and wanted != measured.size:
            raise UserError(
                f"--size {options.size}: the graph makes its pictures {measured.height}x{measured.width} by itself"
            )
        return original
    shape = original.input.shape
    # shapes that differ with the picture's: nothing in the graph makes them one size
    if not pixels.passes_size_on(original):
        return original
    height, width = wanted or (SIDE, SIDE)
    say(f"it takes any size: made for {height}x{width}" + ("" if wanted else " (--size says another)"))
    sides = (1, 3, height, width) if original.planes_first else (1, height, width, 3)
    sides = sides if shape is None or len(shape) == 4 else sides[1:]
    return replace(original, input=Port(original.input.tensor, original.input.name, original.input.dtype, sides))


def in_words(measured: Measured) -> str:
    """What happens to pictures, for people."""
    resize = measured.resize
    way = {"stretch": "stretched to", "letterbox": f"letterboxed ({resize.place}) into"}[resize.mode]
    return (
        f"{way} {measured.height}x{measured.width} ({resize.coordinates}), "
        f"(pixel - {_words(measured.mean)}) / {_words(measured.std)}, {measured.channels.upper()}"
    )


def _words(values) -> str:
    short = [f"{value:.6g}" for value in values]
    return short[0] if len(set(short)) == 1 else f"({', '.join(short)})"
