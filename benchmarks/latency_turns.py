"""The other side of a latency benchmark: ONNX Runtime in the onnx image's environment, one run at each line it is sent.

    python latency_turns.py JOB.json

JOB.json: `threads`, `frame` (a .npy file, uint8 [1, height, width, 3]), and `models`: name to a file and its kind, what
it is run on ("float": pixels / 255 as [3, height, width]; "uint8": the frame) with `count`, its output that says how
many boxes it found, if one does; or to a core.onnx, its `core` as core.json has it, and the kind "contract", the
published model around it, or "core", that core alone. Cores go through what `assemble` does to them.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import onnx
from optimise import fused
from session import open_session

from isomer import contract
from isomer.contract import Core, Thresholds
from isomer.graph.assemble import assemble


def main(job: dict) -> None:
    frame = np.load(job["frame"])
    calls = {name: _call(Path(about["path"]), about, frame, job["threads"]) for name, about in job["models"].items()}
    print("ready", flush=True)
    for line in sys.stdin:
        call = calls[line.strip()]
        start = time.thread_time()
        found = call()
        print(time.thread_time() - start, found, flush=True)


def _call(path: Path, about: dict, frame: np.ndarray, threads: int):
    """A function that runs the model once, from the uint8 frame to boxes, and returns how many it found (or -1)."""
    model = onnx.load(path)
    if "core" in about:
        model = fused(model)
    if about["kind"] == "contract":
        model = assemble(model, Core.from_json(about["core"]), path.stem, Thresholds(score=about["score"]))
    session = open_session(model, threads=threads)
    name = session.get_inputs()[0].name
    if about["kind"] == "core":
        shape = [1, *session.get_inputs()[0].shape[1:]]
        images = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        return lambda: session.run(None, {name: images}) and -1
    if about["kind"] == "float":

        def of_float() -> int:
            images = np.ascontiguousarray(frame[0].transpose(2, 0, 1)).astype(np.float32) / np.float32(255)
            return len(session.run(None, {name: images})[0])

        return of_float
    counts = [item.name for item in session.get_outputs()].index(about.get("count", contract.COUNT))
    return lambda: int(session.run(None, {name: frame})[counts][0])


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
