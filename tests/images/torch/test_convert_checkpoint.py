"""Checkpoints made elsewhere: opened without running anything, recognised by their tensors, converted."""

from __future__ import annotations

import argparse
import collections
import datetime
import os
import sys
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest
import pytorch_ssd_layouts as layouts
import torch
from converting import checkpoint, networks
from safetensors.torch import save_file
from torch import nn
from torchvision.models.detection import fasterrcnn_mobilenet_v3_large_320_fpn, ssdlite320_mobilenet_v3_large

from isomer.errors import UserError

NAMES = {
    "mb1-ssd": "mb1_ssd",
    "mb1-ssd-lite": "mb1_ssd_lite",
    "mb2-ssd-lite": "mb2_ssd_lite",
    "vgg16-ssd": "vgg16_ssd",
    "vgg16-ssd-l2": "vgg16_ssd_l2",
    "sq-ssd-lite": "sq_ssd_lite",
    "slim": "ultra_light_slim",
    "RFB": "ultra_light_rfb",
}


def save(value, path: Path, **options) -> Path:
    torch.save(value, path, **options)
    return path


def recognise(path: Path) -> networks.Found:
    return networks.recognise(checkpoint.read(path), path)


@pytest.mark.parametrize("name", NAMES)
def test_pytorch_ssds_files_are_told_apart(name, tmp_path):
    path = save(layouts.checkpoint(name, 5), tmp_path / "model.pth")
    found = recognise(path)
    assert (found.network.name, found.classes) == (NAMES[name], 5)
    assert found.network.size == ((240, 320) if name in ("slim", "RFB") else 300)


@pytest.mark.parametrize(("file", "size"), [("version-RFB-640.pth", (480, 640)), ("face.pth", (240, 320))])
def test_ultra_light_sizes_by_the_files_name(file, size, tmp_path):
    assert recognise(save(layouts.checkpoint("RFB", 1), tmp_path / file)).network.size == size


def _wrapped(state: dict) -> dict[str, object]:
    average = {key: tensor + 1 if tensor.is_floating_point() else tensor for key, tensor in state.items()}
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(3))], lr=0.1, momentum=0.9)
    return {
        "bare": state,
        "old": state,
        "state_dict": {"state_dict": state, "epoch": 3, "args": argparse.Namespace(lr=0.1, size=300)},
        "parallel": {"model": {f"module.{key}": tensor for key, tensor in state.items()}, "best": np.float64(0.5)},
        "lightning": {
            "state_dict": {f"model.net.{key}": tensor for key, tensor in state.items()}
            | {"loss.weight": torch.ones(2)},
            "optimizer_states": [optimizer.state_dict()],
            "pytorch-lightning_version": "2.5",
            "callbacks": {"ModelCheckpoint": {"best_model_score": torch.tensor(0.5)}},
        },
        "half": {key: tensor.half() if tensor.is_floating_point() else tensor for key, tensor in state.items()},
        "counters": {key: tensor for key, tensor in state.items() if not key.endswith("num_batches_tracked")},
        "average": {
            "model": state,
            "model_ema": {f"module.{key}": tensor for key, tensor in average.items()} | {"n_averaged": torch.tensor(9)},
            "optimizer": optimizer.state_dict(),
        },
    }


@pytest.mark.parametrize("how", list(_wrapped({})))
def test_what_people_wrap_around_weights(how, tmp_path):
    state = layouts.checkpoint("slim", 1)
    wrapped = _wrapped(state)[how]
    found = recognise(save(wrapped, tmp_path / "model.pth", _use_new_zipfile_serialization=how != "old"))
    detector = found.detector((240, 320))
    loaded = detector.state_dict()["classification_headers.3.weight"]
    expected = state["classification_headers.3.weight"]
    expected = {"half": expected.half().float(), "average": expected + 1}.get(how, expected)
    torch.testing.assert_close(loaded, expected, rtol=0, atol=0)


def test_torchvisions_own(tmp_path):
    theirs = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=4).eval()
    found = recognise(save({"model": theirs.state_dict(), "args": argparse.Namespace()}, tmp_path / "x.pth"))
    assert (found.network.name, found.classes, found.network.size) == ("ssdlite320_mobilenet_v3_large", 3, 320)
    images = torch.rand(1, 3, 320, 320, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits, deltas = found.detector(320)(images)
        expected = theirs.head(list(theirs.backbone(images).values()))
    torch.testing.assert_close(logits, expected["cls_logits"])
    torch.testing.assert_close(deltas, expected["bbox_regression"])
    with pytest.raises(UserError, match="takes squares here"):
        found.detector((240, 320))


def test_a_detector_of_two_stages_is_refused_with_the_reason(tmp_path):
    theirs = fasterrcnn_mobilenet_v3_large_320_fpn(weights=None, weights_backbone=None)
    path = save(theirs.state_dict(), tmp_path / "faster.pth")
    with pytest.raises(UserError, match=r"Faster R-CNN.*before NMS"):
        recognise(path)


class Foreign(nn.Module):
    """A whole model, as torch.save(model) pickles it."""


class Shell:
    def __reduce__(self):
        return os.system, ("touch was-run",)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Foreign(), r"Foreign.*not opened.*state_dict"),
        ({"model": nn.Sequential(nn.Conv2d(3, 8, 3))}, r"torch\.nn\.modules.*not opened.*state_dict"),
        ({"state_dict": {"a": torch.ones(3)}, "hook": Shell()}, r"system.*not opened"),
    ],
)
def test_pickles_that_would_run_code_are_refused(value, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = save(value, tmp_path / "model.pth")
    with pytest.raises(UserError, match=words):
        checkpoint.read(path)
    assert not (tmp_path / "was-run").exists()


def test_an_unknown_network_shows_names_and_the_nearest(tmp_path):
    state = layouts.checkpoint("mb1-ssd", 2)
    state["base_net.3.0.weight"] = torch.zeros(7, 1, 3, 3)
    state.pop("extras.1.2.bias")
    with pytest.raises(UserError) as error:
        recognise(save(state, tmp_path / "mine.pth"))
    sentence = str(error.value)
    assert "base_net.0.0.weight" in sentence
    assert "Nearest is mb1_ssd: base_net.3.0.weight [7, 1, 3, 3] and not [128, 1, 3, 3]" in sentence
    assert "extras.1.2.bias missing and not [256]" in sentence
    with pytest.raises(UserError, match=r"of no network that is known here \(.*mb2_ssd_lite.*\)\. Export"):
        recognise(save({"encoder.weight": torch.ones(3, 3), "b": torch.ones(1)}, tmp_path / "other.pth"))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (torch.optim.Adam([nn.Parameter(torch.ones(3))]).state_dict(), "only the state of an optimizer"),
        ({"optimizer": torch.optim.Adam([nn.Parameter(torch.ones(3))]).state_dict(), "epoch": 3}, "optimizer"),
        ({}, "an empty dictionary"),
        ({"epoch": 3, "best": 0.5}, "its entries are epoch, best"),
        (torch.ones(3, 2), r"one tensor of shape \[3, 2\]"),
        ([1, 2], "an object of type list"),
    ],
)
def test_files_without_weights(value, words, tmp_path):
    with pytest.raises(UserError, match=f"holds no weights: .*{words}"):
        checkpoint.read(save(value, tmp_path / "model.pth"))


def test_damaged_files(tmp_path):
    whole = save(layouts.checkpoint("slim", 1), tmp_path / "model.pth").read_bytes()
    old = save(layouts.checkpoint("slim", 1), tmp_path / "old.pth", _use_new_zipfile_serialization=False).read_bytes()
    for name, data in (("cut.pth", whole[:-3000]), ("old_cut.pth", old[:-3000]), ("few.pth", old[:40])):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UserError, match=rf"{name} is .*(damaged|cut off)"):
            checkpoint.read(tmp_path / name)
    swapped = tmp_path / "swapped.pth"
    with zipfile.ZipFile(tmp_path / "model.pth") as source, zipfile.ZipFile(swapped, "w") as target:
        for name in source.namelist():
            if not name.endswith("data/3"):
                target.writestr(name, source.read(name))
    with pytest.raises(UserError, match="damaged"):
        checkpoint.read(swapped)


def test_a_model_without_classes_is_seen(tmp_path):
    assert recognise(save(layouts.checkpoint("mb1-ssd", 0), tmp_path / "none.pth")).classes == 0


def test_settings_of_any_class_are_passed_over(tmp_path, monkeypatch):
    """Objects of classes that are not installed, as omegaconf's and older Lightnings', are not made."""
    settings = type("DictConfig", (dict,), {"__module__": "omegaconf.dictconfig"})
    module = types.ModuleType("omegaconf.dictconfig")
    module.DictConfig = settings
    value = {
        "state_dict": layouts.checkpoint("slim", 1),
        "hyper_parameters": settings(lr=0.1),
        "where": Path("/data"),
        "when": datetime.datetime(2024, 1, 1),
        "losses": collections.deque([0.5, 0.4]),
        "counts": collections.defaultdict(int, steps=3),
        "scale": np.float32(2),
        "mean": np.ones(3),
        "names": {"face"},
    }
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "omegaconf", types.ModuleType("omegaconf"))
        patch.setitem(sys.modules, "omegaconf.dictconfig", module)
        path = save(value, tmp_path / "model.ckpt")
    assert recognise(path).classes == 1


def test_safetensors(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file(layouts.checkpoint("mb2-ssd-lite", 3), path)
    found = recognise(path)
    assert (found.network.name, found.classes) == ("mb2_ssd_lite", 3)
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(UserError, match=r"model\.safetensors is damaged or cut off"):
        checkpoint.read(path)
