"""TorchScript made elsewhere: weights of known networks, else its outputs are understood and decoded."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
import pytorch_ssd_layouts as layouts
import torch
from conversions import convert, core_of
from converting import scripts
from models import ultra_light
from onnx.reference import ReferenceEvaluator
from torch import Tensor, nn
from torchvision.models.detection import ssdlite320_mobilenet_v3_large

from isomer.errors import CheckFailed, UserError
from isomer.run import RunFolder

SIDE = 64
STRIDES = (8, 16, 32)


class Yolo(nn.Module):
    """Decoded boxes of a pyramid as YOLOv5 and YOLOv8 give them: centre and size in pixels."""

    def __init__(self, classes: int, version: int, frozen: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.each, self.columns = (3, 5 + classes) if version == 5 else (1, 4 + classes)
        self.version, self.frozen = version, frozen
        self.heads = nn.ModuleList([nn.Conv2d(3, self.each * self.columns, stride, stride) for stride in STRIDES])

    def forward(self, images: Tensor) -> Tensor:
        parts = []
        for head, stride in zip(self.heads, STRIDES, strict=True):
            found = head(images)
            pictures = 1 if self.frozen else found.shape[0]
            rows, columns = SIDE // stride, SIDE // stride
            found = found.reshape(pictures, self.each, self.columns, rows, columns).permute(0, 1, 3, 4, 2)
            y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
            cells = torch.stack([x, y], dim=-1) + 0.5
            centres = (found[..., :2].tanh() + cells) * stride
            parts.append(
                torch.cat([centres, found[..., 2:4].exp() * stride, found[..., 4:].sigmoid()], dim=-1).flatten(1, 3)
            )
        table = torch.cat(parts, dim=1)
        return table.transpose(1, 2) if self.version == 8 else table


class Decoded(nn.Module):
    """pytorch-ssd's own test mode: probabilities with the background's, boxes as corners."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        logits, deltas = self.network(images)
        return logits.softmax(dim=-1), self.network.decode((logits, deltas))[0]


def trace(module: nn.Module, path: Path, *shape: int, told: dict | None = None, **options) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = torch.jit.trace(module, torch.rand(1, 3, *(shape or (SIDE, SIDE))), check_trace=False)
        if options.get("frozen"):
            made = torch.jit.freeze(made)
        extra = {scripts.TOLD: json.dumps(told)} if told else {}
        torch.jit.save(made, path, _extra_files=extra)
    return path


def face_detector() -> nn.Module:
    network = ultra_light.Slim((120, 160), 2)
    network.load_state_dict(layouts.checkpoint("slim", 2))
    return network.eval()


@pytest.mark.parametrize("version", (5, 8))
@pytest.mark.parametrize("frozen", (False, True))
def test_yolo(volume, tmp_path, capsys, version, frozen):
    model = Yolo(3, version, frozen).eval()
    names = {"0": "cat", "1": "dog", "2": "cow"}
    path = trace(model, tmp_path / "yolo.torchscript", told={"imgsz": [SIDE, SIDE], "names": names})
    run = convert(volume, path, kind="torchscript")
    core = core_of(run)
    assert (core.height, core.width, core.classes) == (SIDE, SIDE, ("cat", "dog", "cow"))
    assert (core.std[0], core.resize.mode) == (255.0, "letterbox")
    assert ("in a Loop" in capsys.readouterr().out) == frozen

    images = torch.rand(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        table = torch.cat([model(image[None]) for image in images])
    table = table.transpose(1, 2) if version == 8 else table
    centres, sizes, rest = table[..., :2] / SIDE, table[..., 2:4] / SIDE, table[..., 4:]
    corners = torch.cat([centres - sizes / 2, centres + sizes / 2], dim=-1)[..., [1, 0, 3, 2]]
    expected = rest[..., 1:] * rest[..., :1] if version == 5 else rest
    boxes, scores = ReferenceEvaluator(onnx.load(run.core_onnx)).run(None, {"images": images.numpy()})
    # ONNX's reference joins what a Loop gives where ONNX Runtime stacks it
    np.testing.assert_allclose(boxes.reshape(corners.shape), corners.numpy(), atol=1e-5)
    np.testing.assert_allclose(scores.reshape(expected.shape), expected.numpy(), atol=1e-5)


def test_a_known_network_is_taken_by_its_weights(volume, tmp_path, exported):
    path = trace(face_detector(), tmp_path / "face-160.pt", 120, 160)
    core = core_of(convert(volume, path, "--classes", "face,mask", kind="torchscript"))
    assert (core.architecture, core.height, core.width) == ("ultra_light_slim", 120, 160)
    assert len(exported) == 1


def test_the_same_without_names_is_understood_by_its_outputs(volume, tmp_path):
    network = face_detector()
    path = trace(Decoded(network).eval(), tmp_path / "face.pt", 120, 160, frozen=True)
    run = convert(volume, path, "--size", "120x160", "--classes", "face,mask", kind="torchscript")
    core = core_of(run)
    assert (core.mean[0], core.std[0], core.classes) == (127.0, 128.0, ("face", "mask"))
    images = torch.randn(2, 3, 120, 160, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        corners, expected = network.decode(network(images))
    boxes, scores = ReferenceEvaluator(onnx.load(run.core_onnx)).run(None, {"images": images.numpy()})
    np.testing.assert_allclose(scores, expected.numpy(), atol=1e-5)
    np.testing.assert_allclose(boxes[..., [1, 0, 3, 2]], corners.numpy(), atol=1e-4)


def test_a_whole_scripted_detector_of_torchvision(volume, tmp_path, exported):
    theirs = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=3).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(theirs).save(tmp_path / "whole.pt")
    core = core_of(convert(volume, tmp_path / "whole.pt", "--size", "96", kind="torchscript"))
    assert (core.architecture, core.classes) == ("ssdlite320_mobilenet_v3_large", ("1", "2"))
    ours = exported[0].detector.state_dict()
    theirs_state = theirs.state_dict()
    assert all(torch.equal(ours[key], theirs_state[key]) for key in theirs_state if key in ours)


class OnGpu(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images * torch.ones(1, device="cuda")


class Classifier(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.mean(dim=(2, 3))


class Lists(nn.Module):
    def forward(self, images: list[Tensor]) -> Tensor:
        return images[0]


def test_training_mode(volume, tmp_path):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
    path = trace(model, tmp_path / "training.pt")
    with pytest.raises(CheckFailed, match=r"training\.pt was traced in training mode \(its batch_norm"):
        convert(volume, path, kind="torchscript")


@pytest.mark.parametrize(
    ("module", "error", "words"),
    [
        (OnGpu(), CheckFailed, "another device than the rest"),
        (Classifier(), UserError, r"not those of a known detector.*output_0 float32 \[1, 3\].*--outputs"),
        (Lists(), UserError, r"takes List\[Tensor\], not a batch of pictures"),
    ],
)
def test_what_cannot_be_taken(volume, tmp_path, module, error, words):
    torch.jit.script(module).save(tmp_path / "model.pt")
    with pytest.raises(error, match=words):
        convert(volume, tmp_path / "model.pt", kind="torchscript")
    assert not RunFolder(volume.runs / "made").core_onnx.exists()


def test_sizes_that_it_does_not_take(volume, tmp_path):
    path = trace(Yolo(2, 5).eval(), tmp_path / "yolo.pt")
    with pytest.raises(CheckFailed, match=r"takes none of the sizes that were tried .*--size"):
        convert(volume, path, kind="torchscript")
    with pytest.raises(CheckFailed, match="--size"):
        convert(volume, path, "--size", "96", kind="torchscript")


def test_a_damaged_file(volume, tmp_path):
    path = trace(nn.Conv2d(3, 3, 1), tmp_path / "model.pt")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UserError, match="damaged TorchScript"):
        convert(volume, path, kind="torchscript")
