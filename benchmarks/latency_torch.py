"""SSDLite320, one 640x480 uint8 frame to final boxes, one thread: the published model against what torchvision offers.

    PYTHONPATH=shared:images/torch TORCH_ENVIRONMENT/bin/python benchmarks/latency_torch.py ONNX_ENVIRONMENT/bin/python

The two environments are those of the venv engine (`./inv doctor` shows where). Against torchvision's eager detector
with its preprocessing, and against torchvision's whole detector exported to ONNX (a fixed frame, all that its export
gives; bytes to floats is part of the way). All hold the same weights: drawn at random, the background's bias set so that
about twenty anchors are above the threshold, which is the same for all. They are run in turn, so that a machine that
gets slower slows all; what is taken is the thread's own time, which other processes do not lengthen.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import models
import numpy as np
import onnx_export
import torch
from models.base import Core as TorchCore
from rich.console import Console
from rich.table import Table
from torchvision.models.detection import ssdlite320_mobilenet_v3_large

from isomer.contract import Core
from isomer.dataset import shapes

NAME, SIZE = "ssdlite320_mobilenet_v3_large", 320
HEIGHT, WIDTH = 480, 640
SCORE = 0.3
ANCHORS_ABOVE = 20
ROUNDS, WARM_UP = 60, 8
LIMITS = {"torchvision, eager": 3.0, "torchvision, whole export": 1.2}


def main(python: str) -> None:
    for classes in (1, 90):
        with tempfile.TemporaryDirectory() as folder:
            table = Table("what", "p50 ms", "found", "times ours", "to reach", title=f"{NAME}, {classes} classes")
            times, found = measure(python, Path(folder), classes)
            ours = statistics.median(times["ours"])
            for name, values in times.items():
                p50 = statistics.median(values)
                limit = f"≥ {LIMITS[name]}" if name in LIMITS else ""
                table.add_row(name, f"{p50 * 1000:.2f}", str(found[name]), f"{p50 / ours:.2f}", limit)
            table.add_row("head + tail over the core", "", "", f"{ours / statistics.median(times['core']) - 1:.1%}", "")
            Console().print(table)


def measure(python: str, folder: Path, classes: int) -> tuple[dict[str, list[float]], dict[str, int]]:
    """Seconds of each run of each of them, and how many boxes each found."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    frame = _frame()
    eager = ssdlite320_mobilenet_v3_large(
        weights=None,
        weights_backbone=None,
        num_classes=classes + 1,
        score_thresh=SCORE,
        nms_thresh=0.5,
        detections_per_img=100,
    ).eval()
    _settle(eager, frame)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(eager, ([_floats(frame)],), folder / "whole.onnx", opset_version=18, dynamo=False)
        detector = models.build(NAME, SIZE, classes)
        detector.load_state_dict(eager.state_dict(), strict=False)
        onnx_export.write(TorchCore(detector.eval()), folder / "core.onnx")
    about = Core(
        framework="torch",
        architecture=NAME,
        layout="NCHW",
        height=SIZE,
        width=SIZE,
        mean=detector.mean,
        std=detector.std,
        classes=tuple(f"class {number}" for number in range(classes)),
        core_sha256="0" * 64,
        provenance={},
    )
    np.save(folder / "frame.npy", frame[None])
    job = {
        "threads": 1,
        "frame": str(folder / "frame.npy"),
        "models": {
            "ours": {"path": str(folder / "core.onnx"), "kind": "contract", "core": about.to_json(), "score": SCORE},
            "core": {"path": str(folder / "core.onnx"), "kind": "core"},
            "torchvision, whole export": {"path": str(folder / "whole.onnx"), "kind": "float"},
        },
    }
    (folder / "job.json").write_text(json.dumps(job))
    root = Path(__file__).parents[1]
    environment = {"PYTHONPATH": f"{root / 'shared'}:{root / 'images' / 'onnx'}"}
    command = [python, str(Path(__file__).with_name("latency_turns.py")), str(folder / "job.json")]
    times: dict[str, list[float]] = {name: [] for name in ("ours", *LIMITS, "core")}
    found = dict.fromkeys(times, -1)
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as other:
        other.stdout.readline()
        for number in range(WARM_UP + ROUNDS):
            for name, values in times.items():
                if name in job["models"]:
                    print(name, file=other.stdin, flush=True)
                    seconds, count = other.stdout.readline().split()
                else:
                    start = time.thread_time()
                    with torch.no_grad():
                        count = len(eager([_floats(frame)])[0]["boxes"])
                    seconds = time.thread_time() - start
                found[name] = int(count)
                if number >= WARM_UP:
                    values.append(float(seconds))
        other.stdin.close()
    return times, found


def _frame() -> np.ndarray:
    pixels = next(
        drawing.pixels
        for drawing in (shapes.draw(0, "test", index) for index in range(100))
        if drawing.pixels.shape[0] < drawing.pixels.shape[1]
    )
    rows, columns = -(-HEIGHT // pixels.shape[0]), -(-WIDTH // pixels.shape[1])
    return np.ascontiguousarray(np.tile(pixels, (rows, columns, 1))[:HEIGHT, :WIDTH])


def _floats(frame: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(frame).permute(2, 0, 1).float().div(255)


@torch.no_grad()
def _settle(detector: torch.nn.Module, frame: np.ndarray) -> None:
    """Batch statistics of a real picture, class layers that tell anchors apart, and as many above the threshold as a
    trained detector has in a busy frame."""
    images, _ = detector.transform([_floats(frame)])
    for module in detector.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.train()
            module.momentum = 1.0
    pair = torch.cat([images.tensors, images.tensors.flip(-1)])  # a 1x1 map of one picture has no variance
    detector.head(list(detector.backbone(pair).values()))
    detector.eval()
    layers = [block[1] for block in detector.head.classification_head.module_list]
    for layer in layers:
        torch.nn.init.normal_(layer.weight, std=0.3)
    logits = detector.head.classification_head(list(detector.backbone(images.tensors).values()))[0]
    # the background's logit at which the score of an anchor's best class is the threshold
    others = logits[:, 1:]
    needed = torch.logsumexp(others, dim=1) + (torch.softmax(others, dim=1).amax(dim=1) / SCORE - 1).clamp(1e-6).log()
    bias = (needed - logits[:, 0]).sort(descending=True).values[ANCHORS_ABOVE]
    for layer in layers:
        layer.bias.view(-1, logits.shape[1])[:, 0] += bias


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) == 2 else sys.exit(__doc__))
