"""SSDLite320, one 640x480 uint8 frame to final boxes, one thread: the published model against what torchvision offers.

    PYTHONPATH=shared:images/torch TORCH_ENVIRONMENT/bin/python benchmarks/latency_torch.py ONNX_ENVIRONMENT/bin/python

The environments are those of the venv engine (`./inv doctor` shows where). Against torchvision's eager detector with
its preprocessing, and against torchvision's whole detector exported to ONNX (a fixed frame, all that its export gives;
bytes to floats is part of the way). All hold the same weights: drawn at random, the background's bias set so that about
twenty anchors are above the threshold, which is the same for all. They are run in turn, so that a machine that gets
slower slows all; what is taken is the thread's own time, which other processes do not lengthen.
"""

from __future__ import annotations

import sys
import tempfile
import time
import warnings
from pathlib import Path

import latency
import models
import numpy as np
import onnx_export
import torch
from models.base import Core as TorchCore
from torchvision.models.detection import ssdlite320_mobilenet_v3_large

from isomer.contract import Core

NAME, SIZE = "ssdlite320_mobilenet_v3_large", 320
EAGER, WHOLE = "torchvision, eager", "torchvision, whole export"
LIMITS = {EAGER: 3.0, WHOLE: 1.2}
MOST_AROUND = {1: 0.2, 90: 0.4}


def main(python: str) -> None:
    torch.set_num_threads(1)
    for classes, most_around in MOST_AROUND.items():
        with tempfile.TemporaryDirectory() as folder:
            latency.show(f"{NAME}, {classes} classes", measure(python, Path(folder), classes), LIMITS, most_around)


def measure(python: str, folder: Path, classes: int) -> latency.Turns:
    torch.manual_seed(0)
    frame = latency.frame()
    eager = ssdlite320_mobilenet_v3_large(
        weights=None,
        weights_backbone=None,
        num_classes=classes + 1,
        score_thresh=latency.SCORE,
        nms_thresh=latency.IOU,
        detections_per_img=latency.MOST,
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

    @torch.no_grad()
    def run_eager() -> tuple[float, int]:
        start = time.thread_time()
        count = len(eager([_floats(frame)])[0]["boxes"])
        return time.thread_time() - start, count

    core = {"path": str(folder / "core.onnx"), "core": about.to_json(), "score": latency.SCORE}
    exported = {
        latency.OURS: {**core, "kind": "contract"},
        latency.CORE: {**core, "kind": "core"},
        WHOLE: {"path": str(folder / "whole.onnx"), "kind": "float"},
    }
    return latency.take_turns(python, folder, exported, {EAGER: run_eager})


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
    best = torch.softmax(others, dim=1).amax(dim=1)
    needed = torch.logsumexp(others, dim=1) + (best / latency.SCORE - 1).clamp(1e-6).log()
    bias = (needed - logits[:, 0]).sort(descending=True).values[latency.ANCHORS_ABOVE]
    for layer in layers:
        layer.bias.view(-1, logits.shape[1])[:, 0] += bias


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) == 2 else sys.exit(__doc__))
