"""The trained detector as evaluation, predict and export use it: uint8 pixels in, detections out, all in torch."""

from __future__ import annotations

import models
import numpy as np
import torch
from data import resize
from models.base import Core, Detector
from torchvision.ops import nms

from isomer.contract import Thresholds
from isomer.dataset.canonical import Dataset
from isomer.native import Detections
from isomer.run import RunFolder
from isomer.training import trained_weights


class Inference:
    """A detector with its own resizing, normalisation and NMS."""

    def __init__(self, detector: Detector, device: torch.device) -> None:
        self.size, self.device, self.detector = detector.size, device, detector
        self.core = Core(detector).to(device).eval()

    @torch.no_grad()
    def raw(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`isomer.native.Raw`: pixels uint8 [n, height, width, 3] to boxes [n, A, 4] and scores [n, A, C]."""
        images = resize(torch.tensor(pixels, device=self.device), self.size)
        boxes, scores = self.core(self.detector.normalise(images))
        return boxes.cpu().numpy(), scores.cpu().numpy()


def load(run: RunFolder, dataset: Dataset, device: torch.device, size: int | None = None) -> Inference:
    """The finished run's best weights, ready to be asked; for another input size where one is given."""
    config = run.config()
    detector = models.build(config["model"], size or config["size"], len(dataset.classes))
    detector.load_state_dict(torch.load(trained_weights(run), map_location="cpu", weights_only=True)["detector"])
    return Inference(detector, device)


def detections(boxes: np.ndarray, scores: np.ndarray, thresholds: Thresholds) -> Detections:
    """`isomer.native.Nms` by torchvision, class by class: boxes [a, 4] and scores [a, C] to the best, best first."""
    all_boxes, all_scores = torch.from_numpy(boxes), torch.from_numpy(scores)
    kept = []
    for column in range(all_scores.shape[1]):
        above = torch.nonzero(all_scores[:, column] > thresholds.score)[:, 0]
        chosen = above[nms(all_boxes[above], all_scores[above, column], thresholds.iou)]
        kept.append(torch.stack([chosen, torch.full_like(chosen, column)]))
    anchors, columns = torch.cat(kept, dim=1)
    best = all_scores[anchors, columns].sort(descending=True, stable=True)
    order = best.indices[: thresholds.max_detections]
    return Detections(
        all_boxes[anchors[order]].numpy(), columns[order].numpy() + 1, best.values[: thresholds.max_detections].numpy()
    )
