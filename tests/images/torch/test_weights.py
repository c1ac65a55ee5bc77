"""What --weights loads: as torchvision itself would, with other classes, under prefixes, and what is said of it."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

import models
import pytest
import stand_ins
import torch
import weights
from torchvision.models import WeightsEnum, detection
from torchvision.models.detection.image_list import ImageList

from isomer import catalogue, coco, pretrained
from isomer.errors import UserError
from isomer.pretrained import Weights
from isomer.volume import Volume

SSDLITE = "ssdlite320_mobilenet_v3_large"
ROWS = "head.classification_head.module_list.0.1"  # SSDLite's first layer of classes: 6 anchors of so many columns


@pytest.fixture(scope="module")
def known(scripts: Path) -> dict[str, catalogue.Model]:
    return catalogue.load(scripts)


@pytest.fixture(scope="module")
def volume(tmp_path_factory) -> Volume:
    return Volume(tmp_path_factory.mktemp("volume"))


def find(volume: Volume, known: dict, word: str, name: str = SSDLITE) -> Weights:
    """What --weights means, in a volume where the published file is a stand-in, made when it is first asked for."""
    published = known[name].weights.get(word)
    if published and not (volume.weights / published.file_name).exists():
        torch.manual_seed(0)
        {"coco": stand_ins.write_coco, "imagenet": stand_ins.write_imagenet}[word](volume.weights, known[name])
    return pretrained.find(word, known[name], volume, "torch")


@pytest.mark.parametrize("name", stand_ins.CLASSIFIERS)
def test_a_pretrained_detector_computes_what_torchvisions_does(known, volume, name, monkeypatch):
    found = find(volume, known, "coco", name)
    monkeypatch.setattr(WeightsEnum, "get_state_dict", lambda *_, **__: torch.load(found.path, weights_only=True))
    theirs = getattr(detection, name)(weights="COCO_V1").eval()
    model = known[name] if "ssd" in name else dataclasses.replace(known[name], size=160)
    names, ours = weights.as_published(found, model)
    assert names == coco.BY_ID
    assert ours.size == model.size
    images = torch.rand(1, 3, ours.size, ours.size) * 255
    with torch.no_grad():
        boxes, scores = ours.eval().decode(ours(ours.normalise(images)))
        normalised = theirs.transform.normalize(images / 255)
        features = list(theirs.backbone(normalised).values())
        outputs = theirs.head(features)
        anchors = theirs.anchor_generator(ImageList(normalised, [normalised.shape[-2:]]), features)[0]
    logits = outputs["cls_logits"]
    if ours.background:
        expected = logits.softmax(dim=-1)[..., 1:]
    else:
        expected = logits.sigmoid()[..., 1:]
        if "bbox_ctrness" in outputs:
            expected = torch.sqrt(expected * outputs["bbox_ctrness"].sigmoid())
    torch.testing.assert_close(scores, expected, atol=1e-5, rtol=1e-3)
    coder = theirs.box_coder
    single = coder.decode if name.startswith("fcos") else coder.decode_single
    torch.testing.assert_close(
        boxes[0] * ours.size, single(outputs["bbox_regression"][0], anchors), atol=1e-2, rtol=1e-3
    )


@pytest.mark.parametrize("name", stand_ins.CLASSIFIERS)
def test_coco_for_other_classes(known, volume, name, capsys):
    detector = models.build(name, 96, 2)
    said = weights.load(detector, find(volume, known, "coco", name), ("robot", "Person"))
    total = len([key for key in detector.state_dict() if not key.endswith("num_batches_tracked")])
    head = 2 * len(detector.class_layers())
    assert said["loaded"] == total - head
    assert said["cut"] == head
    assert said["new"] == said["unused"] == 0
    assert said["classes_kept"] == ["Person"]
    assert len(said["sha256"]) == 64
    output = capsys.readouterr().out
    assert f"loaded {total - head} of {total} tensors" in output
    assert f"{head} of the class head are cut anew (91 columns there, {detector.columns} here)" in output
    assert "the weights know 80 classes, the dataset has 2; kept: Person; new: robot" in output
    assert "is not the published file" in output


def test_classes_of_the_same_name_keep_their_columns_and_so_does_the_background(known, volume):
    torch.manual_seed(1)
    detector = models.build(SSDLITE, 96, 2)
    fresh = detector.state_dict()[f"{ROWS}.weight"].clone().view(6, 3, -1)
    found = find(volume, known, "coco")
    weights.load(detector, found, ("robot", "person"))
    there = torch.load(found.path, weights_only=True)[f"{ROWS}.weight"].view(6, 91, -1)
    here = detector.state_dict()[f"{ROWS}.weight"].view(6, 3, -1)
    assert torch.equal(here[:, 0], there[:, 0])
    assert torch.equal(here[:, 1], fresh[:, 1])
    assert torch.equal(here[:, 2], there[:, 1])


def test_retinanets_first_column_is_no_class(known, volume):
    name = "retinanet_resnet50_fpn_v2"
    detector = models.build(name, 96, 1)
    found = find(volume, known, "coco", name)
    weights.load(detector, found, ("dog",))
    layer = "head.classification_head.cls_logits.weight"
    there = torch.load(found.path, weights_only=True)[layer].view(9, 91, -1)
    assert torch.equal(detector.state_dict()[layer].view(9, 1, -1)[:, 0], there[:, 18])


@pytest.mark.parametrize(
    ("name", "least"),
    [(SSDLITE, 200), ("ssd300_vgg16", 26), ("retinanet_resnet50_fpn", 265), ("fcos_resnet50_fpn", 265)],
)
def test_imagenet_fills_the_backbone(known, volume, name, least, capsys):
    detector = models.build(name, 96, 1)
    found = find(volume, known, "imagenet", name)
    said = weights.load(detector, found, ("thing",))
    assert said["loaded"] >= least
    assert said["cut"] == 0
    assert said["unused"] == {"ssd300_vgg16": 6, SSDLITE: 4}.get(name, 2)  # the classifier
    first = next(detector.stages()[0][0].parameters())
    loaded = torch.load(found.path, weights_only=True)
    assert any(first.shape == value.shape and torch.equal(first, value) for value in loaded.values())
    assert f"loaded {said['loaded']} of" in capsys.readouterr().out


def test_imagenet_is_the_classifiers_own_features(known, volume):
    """The whole of a ResNet50's features come out of the detector's backbone as of the classifier."""
    name = "fcos_resnet50_fpn"
    detector = models.build(name, 96, 1).eval()
    found = find(volume, known, "imagenet", name)
    weights.load(detector, found, ("thing",))
    classifier = stand_ins.CLASSIFIERS[name](weights=None).eval()
    classifier.load_state_dict(torch.load(found.path, weights_only=True))
    classifier.avgpool = classifier.fc = torch.nn.Identity()
    images = torch.randn(1, 3, 96, 96)
    with torch.no_grad():
        ours = list(detector.backbone.body(images).values())[-1]
        torch.testing.assert_close(ours.flatten(1), classifier(images))


@pytest.mark.parametrize("prefix", ["", "module.", "model.", "net.detector."])
@pytest.mark.parametrize("holder", [None, "model", "state_dict"])
def test_a_file_of_ones_own(known, volume, tmp_path, prefix, holder):
    source = models.build(SSDLITE, 96, 2)
    state = {f"{prefix}{key}": value for key, value in source.state_dict().items()}
    held = {holder: state, "args": argparse.Namespace(lr=0.1), "epoch": 3} if holder else state
    torch.save(held, tmp_path / "own.pth")
    detector = models.build(SSDLITE, 160, 2)
    said = weights.load(detector, find(volume, known, str(tmp_path / "own.pth")), ("a", "b"))
    assert said["new"] == said["cut"] == said["unused"] == 0
    for key, value in source.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            assert torch.equal(detector.state_dict()[key], value)


def test_best_pt_says_its_classes(known, volume, tmp_path, capsys):
    source = models.build(SSDLITE, 128, 2)
    best = {"step": 5, "model": SSDLITE, "classes": ["cat", "dog"], "size": 128, "detector": source.state_dict()}
    torch.save(best, tmp_path / "best.pt")
    found = find(volume, known, str(tmp_path / "best.pt"))
    detector = models.build(SSDLITE, 160, 2)
    said = weights.load(detector, found, ("dog", "cat"))
    assert said["cut"] == 12
    there, here = (one.state_dict()[f"{ROWS}.bias"].view(6, 3) for one in (source, detector))
    assert torch.equal(here[:, [0, 2, 1]], there)
    names, as_it_is = weights.as_published(found, known[SSDLITE])
    assert names == ("cat", "dog")
    assert as_it_is.size == 128


def test_another_architecture_names_the_first_tensors_that_differ(known, volume):
    detector = models.build("ssd300_vgg16", 96, 1)
    found = Weights("own.pth", find(volume, known, "coco").path)
    with pytest.raises(UserError) as error:
        weights.load(detector, found, ("thing",))
    assert "fits ssd300_vgg16 in" in str(error.value)
    assert "backbone.scale_weight is not there and 512 here" in str(error.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no weights", "damaged"),
        (b"", "damaged"),
        ({"epoch": 3}, "holds no weights"),
    ],
)
def test_what_is_no_weights(known, volume, tmp_path, content, said):
    path = tmp_path / "own.pth"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(UserError, match=said):
        weights.load(models.build(SSDLITE, 96, 1), find(volume, known, str(path)), ("thing",))


def test_code_in_a_file_is_not_run(known, volume, tmp_path):
    torch.save(models.build(SSDLITE, 96, 1), tmp_path / "model.pth")
    with pytest.raises(UserError, match=r"own\.pth|model\.state_dict"):
        weights.load(models.build(SSDLITE, 96, 1), find(volume, known, str(tmp_path / "model.pth")), ("thing",))


def test_what_is_not_fetched_names_file_address_and_place(known, tmp_path):
    with pytest.raises(UserError) as error:
        pretrained.find("coco", known[SSDLITE], Volume(tmp_path), "torch")
    message = str(error.value)
    assert str(tmp_path / "weights" / "ssdlite320_mobilenet_v3_large_coco-a79551df.pth") in message
    assert "https://download.pytorch.org/models/ssdlite320_mobilenet_v3_large_coco-a79551df.pth" in message
    assert f"./inv weights --model {SSDLITE}" in message


def test_a_run_of_another_model_is_refused(known, volume):
    run = volume.runs / "other"
    run.mkdir(parents=True)
    (run / "config.json").write_text(json.dumps({"framework": "torch", "model": "ssd300_vgg16"}))
    with pytest.raises(UserError, match=f"the model of that run is ssd300_vgg16, not {SSDLITE}"):
        find(volume, known, "other")
    with pytest.raises(UserError, match="did you mean 'other'"):
        find(volume, known, "othre")
