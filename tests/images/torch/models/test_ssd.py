"""Targets and loss, against torchvision's SSD."""

from __future__ import annotations

import torch
from models import build
from models.ssd import SsdAssigner, ssd_loss
from torchvision.models.detection import ssdlite320_mobilenet_v3_large
from torchvision.ops import box_convert

SIZE = 96
NAME = "ssdlite320_mobilenet_v3_large"


def test_assignment_and_loss_are_torchvisions():
    torch.manual_seed(0)
    theirs = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=4)
    anchors = build(NAME, SIZE, 3).anchors
    corners = box_convert(anchors, "cxcywh", "xyxy")
    boxes = [torch.tensor([[0.3, 0.4, 0.25, 0.2], [0.7, 0.6, 0.5, 0.3]]), torch.tensor([[0.5, 0.5, 0.9, 0.8]])]
    classes = [torch.tensor([1, 3]), torch.tensor([2])]
    logits, deltas = torch.randn(2, len(anchors), 4), torch.randn(2, len(anchors), 4)
    targets = [
        {"boxes": box_convert(some, "cxcywh", "xyxy"), "labels": names}
        for some, names in zip(boxes, classes, strict=True)
    ]
    overlaps = [theirs.proposal_matcher(_iou(target["boxes"], corners)) for target in targets]
    outputs = {"bbox_regression": deltas, "cls_logits": logits}
    expected = theirs.compute_loss(targets, outputs, [corners, corners], overlaps)

    ours = [SsdAssigner(anchors, 0.5)(some, names) for some, names in zip(boxes, classes, strict=True)]
    found = ssd_loss(logits, deltas, *(torch.stack(part) for part in zip(*ours, strict=True))).value()
    torch.testing.assert_close(found, sum(expected.values()), rtol=1e-5, atol=1e-5)


def test_every_box_has_an_anchor_and_an_empty_picture_none():
    detector = build(NAME, SIZE, 1)
    assign = detector.assigner()
    tiny = torch.tensor([[0.11, 0.13, 0.01, 0.01], [0.9, 0.9, 0.02, 0.01]])
    classes, _ = assign(tiny, torch.tensor([1, 1]))
    assert (classes > 0).sum() == 2
    classes, deltas = assign(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    assert not classes.any()
    logits = torch.randn(1, len(detector.anchors), 2, requires_grad=True)
    assert ssd_loss(logits, torch.zeros(1, *deltas.shape), classes[None], deltas[None]).value() == 0


def _iou(left, right):
    from torchvision.ops import box_iou

    return box_iou(left, right)
