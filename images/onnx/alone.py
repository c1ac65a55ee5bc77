"""A model in a process of its own: what loading it takes, and how much memory it ever held. Prints one line of JSON.

    python alone.py MODEL FRAMES PROVIDER THREADS

FRAMES: a .npy file, uint8 [batch, height, width, 3]. What Python and ONNX Runtime hold before is taken first.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import providers

from isomer import contract, memory

RUNS = 5


def main(path: str, frames: str, provider: str, threads: str) -> None:
    pixels = np.load(frames)
    before = memory.resident()
    start = time.perf_counter()
    session = providers.open_on(Path(path).read_bytes(), provider, int(threads))
    loaded = time.perf_counter()
    session.run(None, {contract.INPUT: pixels})
    first = time.perf_counter()
    for _ in range(RUNS):
        session.run(None, {contract.INPUT: pixels})
    print(
        json.dumps(
            {"load_s": loaded - start, "first_s": first - loaded, "bare_bytes": before, "peak_bytes": memory.peak()}
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
