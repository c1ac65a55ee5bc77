"""Pictures small enough to embed: WebP in data: URLs, together below a number of bytes."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from PIL import Image

from isomer.dataset.canonical import Picture, Split
from isomer.errors import UserError

BUDGET = 9_500_000  # bytes of all data: URLs together, so that a page stays below 15 MB
# The longest side in pixels and WebP's quality, tried in this order until a picture's share of the budget is kept.
SIZES = ((800, 78), (640, 72), (512, 66), (384, 60), (320, 52), (256, 46), (192, 40), (144, 32))
BASE64 = 4 / 3
LIKELY = 0.06  # bytes of a pixel at least: no try is made that a share this small cannot hold


def data_url(data: bytes, kind: str = "webp") -> str:
    return f"data:image/{kind};base64," + base64.b64encode(data).decode()


def embed(split: Split, pictures: Sequence[Picture], budget: int = BUDGET) -> list[str]:
    """Each picture as a data: URL, "" for one that cannot be read. Few pictures are larger than many."""
    share = int(budget / BASE64 / max(len(pictures), 1))
    # decoding and encoding leave Python's lock alone
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return list(pool.map(lambda picture: _embed(split, picture, share), pictures))


def _embed(split: Split, picture: Picture, share: int) -> str:
    fitting = [size for size in SIZES if size[0] ** 2 * LIKELY <= share] or [SIZES[-1]]
    largest = fitting[0][0]
    try:
        with Image.open(split.path(picture)) as image:
            # a JPEG is decoded at a fraction of its size
            scale = largest / max(image.size)
            image.draft("RGB", (round(image.width * scale), round(image.height * scale)))
            small = image.convert("RGB")
    except (OSError, SyntaxError, ValueError, UserError):
        return ""
    data, last = b"", fitting[-1]
    for side, quality in fitting:
        # a smaller one has fewer bytes in proportion to its pixels at least: those that would be too large are skipped
        if data and len(data) * (side / max(small.size)) ** 2 > share and (side, quality) != last:
            continue
        small.thumbnail((side, side), Image.Resampling.LANCZOS)
        stream = io.BytesIO()
        small.save(stream, "WEBP", quality=quality, method=2)
        data = stream.getvalue()
        if len(data) <= share:
            break
    return data_url(data)
