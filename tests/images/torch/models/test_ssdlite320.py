"""The detector and its core, against torchvision's own code."""

from __future__ import annotations

import pytest
import torch
from models.base import Core
from models.boxes import decode, encode
from models.ssd import DELTA_WEIGHTS
from models.ssdlite320_mobilenet_v3_large import Model
from torchvision.models.detection._utils import BoxCoder
from torchvision.ops import box_convert


@pytest.mark.parametrize("size", [96, 100, 160, 225])
@pytest.mark.parametrize("classes", [1, 20])
def test_any_size_and_class_count(size, classes):
    detector = Model(size, classes).eval()
    with torch.no_grad():
        logits, deltas = detector(torch.zeros(2, 3, size, size))
        boxes, scores = Core(detector)(torch.zeros(2, 3, size, size))
    anchors = len(detector.anchors)
    assert logits.shape == (2, anchors, classes + 1)
    assert deltas.shape == (2, anchors, 4)
    assert boxes.shape == (2, anchors, 4)
    assert scores.shape == (2, anchors, classes)
    assert boxes.min() >= 0
    assert boxes.max() <= 1
    assert (scores.sum(dim=-1) < 1).all()


def test_trains_on_a_batch_of_two_at_the_smallest_size():
    detector = Model(96, 2).train()
    logits, deltas = detector(torch.randn(2, 3, 96, 96))
    (logits.sum() + deltas.sum()).backward()
    assert all(weight.grad is not None for weight in detector.parameters())


def test_decoding_is_torchvisions():
    anchors = Model(96, 1).anchors
    deltas = torch.randn(3, len(anchors), 4, generator=torch.Generator().manual_seed(0))
    coder = BoxCoder(weights=DELTA_WEIGHTS)
    corners = box_convert(anchors, "cxcywh", "xyxy")
    expected = torch.stack([coder.decode_single(one, corners) for one in deltas])
    torch.testing.assert_close(decode(deltas, anchors, DELTA_WEIGHTS), expected, rtol=1e-5, atol=1e-5)


def test_encode_is_undone_by_decode():
    anchors = Model(96, 1).anchors
    generator = torch.Generator().manual_seed(0)
    boxes = torch.rand(len(anchors), 4, generator=generator) * 0.5 + 0.1
    found = decode(encode(boxes, anchors, DELTA_WEIGHTS)[None], anchors, DELTA_WEIGHTS)[0]
    torch.testing.assert_close(found, box_convert(boxes, "cxcywh", "xyxy"), rtol=1e-4, atol=1e-5)
