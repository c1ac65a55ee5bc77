"""Pictures that show the same: copies, and copies saved anew, resized or a little changed, like frames of a video.

A fingerprint is the picture in 9×9 grey cells. Its hash says of each cell whether it is brighter than its neighbour on
the right and below (dHash, after Neal Krawetz): 128 bits that saving and resizing hardly change.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from PIL import Image

from isomer.dataset.splits import Groups

SIDE = 9
NEAR_BITS = 12  # of 128; up to 7 one of eight bands of 16 bits is equal for sure, then nearly always
NEAR_GREY = 6.0  # mean difference of the cells in grey levels, their mean brightness apart
LEAST_CONTRAST = 2.0  # grey levels; what shows less resembles everything
NEIGHBOURS = 8  # of those with an equal band so many are compared, in the order of their hashes: cost stays linear


def fingerprint(image: Image.Image) -> bytes:
    """The cells of a picture; none if it shows too little to be compared."""
    if image.mode.startswith("I") or image.mode == "F":
        deep = np.asarray(image, np.float32)
        image = Image.fromarray((deep * (255 / max(float(deep.max()), 1.0))).clip(0, 255).astype(np.uint8))
    cells = image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    return cells.tobytes() if np.asarray(cells, np.float32).std() >= LEAST_CONTRAST else b""


def groups(fingerprints: Mapping[str, bytes], sha256s: Mapping[str, str]) -> dict[str, str]:
    """The first name among those that show the same, for each name that has others like it."""
    together = Groups()
    by_content: dict[str, str] = {}
    for name in sorted(sha256s):
        together.join(by_content.setdefault(sha256s[name], name), name)
    names = sorted(name for name, cells in fingerprints.items() if cells and together.first(name) == name)
    for one, other in _near(names, fingerprints):
        together.join(one, other)
    found = {name: together.first(name) for name in {*sha256s, *fingerprints}}
    several = {root for name, root in found.items() if name != root}
    return {name: root for name, root in found.items() if root in several}


def _near(names: list[str], fingerprints: Mapping[str, bytes]) -> list[tuple[str, str]]:
    """Pairs of names whose pictures are nearly the same."""
    if len(names) < 2:
        return []
    cells = np.frombuffer(b"".join(fingerprints[name] for name in names), np.uint8).reshape(-1, SIDE, SIDE)
    right = np.packbits(cells[:, :8, 1:] > cells[:, :8, :-1], axis=None).view(np.uint64)
    below = np.packbits(cells[:, 1:, :8] > cells[:, :-1, :8], axis=None).view(np.uint64)
    level = cells.reshape(len(names), -1).astype(np.float32)
    level -= level.mean(axis=1, keepdims=True)
    pairs: set[tuple[int, int]] = set()
    for bits in (right, below):
        for shift in range(0, 64, 16):
            band = (bits >> np.uint64(shift)) & np.uint64(0xFFFF)
            order = np.lexsort((below, right, band))
            for step in range(1, min(NEIGHBOURS, len(names) - 1) + 1):
                one, other = order[:-step], order[step:]
                distance = np.bitwise_count(right[one] ^ right[other]) + np.bitwise_count(below[one] ^ below[other])
                close = np.flatnonzero((band[one] == band[other]) & (distance <= NEAR_BITS))
                grey = np.abs(level[one[close]] - level[other[close]]).mean(axis=1)
                close = close[grey <= NEAR_GREY]
                pairs.update(zip(one[close].tolist(), other[close].tolist(), strict=True))
    return sorted((names[one], names[other]) for one, other in pairs)
