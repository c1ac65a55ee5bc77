"""What torch.onnx says when it fails, provoked, and what is made of it."""

from __future__ import annotations

import io
import warnings

import onnx
import onnx_export
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import nms

from isomer.converting.failures import ConversionFailed, climb, explain
from isomer.converting.failures_torch import TABLE

SIDE = 16


class Detector(nn.Module):
    """Boxes and scores of a picture, by nothing much."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        table = functional.avg_pool2d(images, 4).flatten(2).transpose(1, 2)
        return torch.cat([table, table[..., :1]], dim=2).sigmoid(), table[..., :1].sigmoid()


class WithNms(Detector):
    """As whole detectors are: behind its NMS it looks how many boxes are left."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        boxes, scores = super().forward(images)
        kept = nms(boxes[0], scores[0, :, 0], 0.5)
        return (boxes, scores) if len(kept) > 3 else (boxes * 0, scores)


class Elsewhere(Detector):
    """With a buffer that stayed on another device."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.ones(3, 1, 1, device="meta"), persistent=False)

    def to(self, *_) -> nn.Module:
        return self

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return super().forward(images - self.mean)


class Noisy(Detector):
    """With a batch norm and a dropout, both of which do something else in training."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.BatchNorm2d(3), nn.Dropout(0.5))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return super().forward(self.inner(images))


def traced(module: nn.Module):
    return torch.jit.trace(module.eval(), torch.zeros(1, 3, SIDE, SIDE))


def export_at(module) -> callable:
    def export(opset: int) -> bytes:
        stream = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(module, (torch.zeros(1, 3, SIDE, SIDE),), stream, dynamo=False, opset_version=opset)
        return stream.getvalue()

    return export


def test_numbers_that_are_only_computed():
    with pytest.raises(ConversionFailed, match=r"only computes.*Cut it before its NMS.*torch\.onnx") as error:
        onnx_export.export(WithNms(), SIDE, SIDE)
    assert "data-dependent" in error.value.message


def test_devices():
    with pytest.raises(ConversionFailed, match="another device than the rest"):
        onnx_export.export(Elsewhere(), SIDE, SIDE)


@pytest.mark.parametrize(
    "recorded",
    [  # on a machine with a GPU, torch 2.5 and 2.9
        "Expected all tensors to be on the same device, but found at least two devices, cpu and cuda:0! (when checking "
        "argument for argument mat2 in method wrapper_CUDA_bmm)",
        "Input type (torch.cuda.FloatTensor) and weight type (torch.FloatTensor) should be the same",
    ],
)
def test_devices_with_a_gpu(recorded):
    assert explain("torch.onnx", recorded, TABLE).startswith("a part of the model lies on another device")


def test_an_operator_that_onnx_has_not():
    class Svd(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return torch.linalg.svd(images)[0]

    with pytest.raises(ConversionFailed, match=r"no operator for aten::linalg_svd.*opsets 18, 17.* were tried"):
        climb("torch.onnx", export_at(traced(Svd())), TABLE)


def test_an_opset_that_is_too_low(capsys):
    class Sampled(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return functional.grid_sample(images, torch.zeros(1, 4, 4, 2), align_corners=False)

    made, opset = climb("torch.onnx", export_at(traced(Sampled())), TABLE, ladder=(9, 16))
    assert opset == 16 and onnx.load_model_from_string(made).opset_import[0].version == 16
    with pytest.raises(ConversionFailed, match=r"opset 9 is too low.*aten::grid_sampler.*From opset 16 on"):
        climb("torch.onnx", export_at(traced(Sampled())), TABLE, ladder=(9,))


def test_training_mode_is_left_behind():
    """A wrapper in training mode, and its inner model: what is exported is what evaluation computes."""
    model = onnx_export.export(Noisy().train(), SIDE, SIDE)
    kinds = {node.op_type for node in model.graph.node}
    assert "Dropout" not in kinds
    modes = [item.i for node in model.graph.node for item in node.attribute if item.name == "training_mode"]
    assert not any(modes)
