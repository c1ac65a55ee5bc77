"""convert's half in torch: core.onnx, core.json and native predictions of checkpoints made elsewhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import models
import numpy as np
import onnx
import pytest
import pytorch_ssd_layouts as layouts
import torch
from conversions import convert, core_of, save
from converting import checkpoint, from_checkpoint, networks
from onnx.reference import ReferenceEvaluator
from torchvision.models.detection import ssdlite320_mobilenet_v3_large

from isomer import catalogue, files
from isomer.converting import names
from isomer.dataset import canonical
from isomer.errors import UserError
from isomer.run import RunFolder


def test_ultra_light(volume, tmp_path):
    path = save(layouts.checkpoint("RFB", 1), tmp_path / "version-RFB-160.pth")
    (tmp_path / "voc-model-labels.txt").write_text("BACKGROUND\nface")
    run = convert(volume, path)
    core = core_of(run)
    assert (core.architecture, core.height, core.width, core.classes) == ("ultra_light_rfb", 120, 160, ("face",))
    assert (core.mean, core.std, core.channels, core.resize.mode) == ((127.0,) * 3, (128.0,) * 3, "rgb", "stretch")
    assert core.core_sha256 == files.sha256_of_file(run.core_onnx)
    assert core.provenance["source"] == path.name
    assert core.provenance["weights_sha256"] == files.sha256_of_file(path)

    model = onnx.load(run.core_onnx)
    onnx.checker.check_model(model, full_check=True)
    images = np.random.default_rng(0).normal(size=(2, 3, 120, 160)).astype(np.float32)
    boxes, scores = ReferenceEvaluator(model).run(None, {"images": images})
    network = networks.recognise(checkpoint.read(path), path).detector((120, 160))
    with torch.no_grad():
        corners, expected = network.decode(network(torch.from_numpy(images)))
    np.testing.assert_allclose(scores, expected.numpy(), atol=1e-5)
    np.testing.assert_allclose(boxes[..., [1, 0, 3, 2]], corners.clamp(0, 1).numpy(), atol=1e-5)
    with np.load(run.native / "probes.npz") as probes:
        assert probes["60x60x2/raw_boxes"].shape == (2, boxes.shape[1], 4)


def test_flags_overrule_what_is_usual(volume, tmp_path, exported):
    path = save(layouts.checkpoint("slim", 2), tmp_path / "face.pth")
    run = convert(
        volume, path, "--size", "96x128", "--mean", "0", "--std", "255", "--resize", "letterbox",
        "--input-channels", "bgr", "--classes", "face,mask",
    )  # fmt: skip
    core = core_of(run)
    assert (core.height, core.width, core.classes) == (96, 128, ("face", "mask"))
    assert (core.mean[0], core.std[0], core.channels, core.resize.mode) == (0.0, 255.0, "bgr", "letterbox")
    with np.load(run.native / "probes.npz") as probes:
        # a square picture in an oblong input: boxes reach the sides of the input, beyond the picture
        assert probes["60x60x1/raw_boxes"].min() < 0


def test_torchvision_with_a_wrapper_and_a_size(volume, tmp_path, exported):
    theirs = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=3)
    path = save({"model": theirs.state_dict(), "epoch": 3}, tmp_path / "model_3.pth")
    core = core_of(convert(volume, path, "--size", "96"))
    assert (core.architecture, core.height, core.width) == ("ssdlite320_mobilenet_v3_large", 96, 96)
    assert core.classes == ("1", "2")


def test_our_own_trainings(volume, tmp_path, exported):
    """best.pt says its classes and its size."""
    detector = models.build("mb2_ssd_lite", 96, 2)
    best = {"detector": detector.state_dict(), "classes": ["cat", "dog"], "size": 96, "step": 3}
    core = core_of(convert(volume, save(best, tmp_path / "best.pt")))
    assert (core.classes, core.height) == (("cat", "dog"), 96)


@pytest.mark.parametrize(("flags", "classes"), [(("--classes", "cat,dog"), 2), (("--classes", "a,b,c"), 3), ((), 2)])
def test_the_background_of_torchvisions_retinanet_is_no_class(volume, tmp_path, capsys, exported, flags, classes):
    path = save(models.build("retinanet_resnet50_fpn", 96, 3).state_dict(), tmp_path / "retina.pth")
    core = core_of(convert(volume, path, "--size", "96", *flags))
    assert len(core.classes) == classes
    assert ("background that is never found" in capsys.readouterr().out) == (classes == 2)
    whole = networks.recognise(checkpoint.read(path), path).detector(96)
    images = torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found, expected = (detector.decode(detector(images)) for detector in (exported[0].detector, whole))
    torch.testing.assert_close(found[1], expected[1][..., 3 - classes :])
    torch.testing.assert_close(found[0], expected[0])


@pytest.mark.parametrize(
    ("classes", "flags", "words"),
    [
        (2, ("--classes", "a,b,c"), r"3 names .* 2 classes"),
        (0, (), "no class"),
        (2, ("--decoder", "yolov5"), "--decoder is for graphs"),
        (2, ("--size", "1"), "--size 1: give N"),
    ],
)
def test_what_does_not_fit(volume, tmp_path, classes, flags, words):
    path = save(layouts.checkpoint("mb2-ssd-lite", classes), tmp_path / "mb2.pth")
    with pytest.raises(UserError, match=words):
        convert(volume, path, *flags)
    assert not RunFolder(volume.runs / "made").core_onnx.exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ("mb1-ssd", "mb2-ssd-lite", "vgg16-ssd"))
def test_pytorch_ssds_networks_at_their_size(volume, tmp_path, name):
    path = save(layouts.checkpoint(name, 20), tmp_path / f"{name}.pth")
    core = core_of(convert(volume, path, "--classes", "voc"))
    assert (core.height, core.width, core.classes) == (300, 300, names.VOC)
    assert core.mean == ((123.0, 117.0, 104.0) if name == "vgg16-ssd" else (127.0,) * 3)


def test_the_scripts_import_no_torch_before_the_source_is_read(volume, tmp_path):
    """A wrong flag is answered at once."""
    script = Path(from_checkpoint.__file__).parents[1] / "convert.py"
    code = f"import sys; sys.argv = ['convert', 'x', '--name', 'none']; sys.path.insert(0, {str(script.parent)!r})\n"
    code += "import convert\ntry:\n    convert.main()\nexcept Exception as error:\n    print(error)\n"
    code += "assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "unknown run 'none'" in done.stdout


def test_a_published_file_has_cocos_names(volume, tmp_path, exported, monkeypatch):
    theirs = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=91)
    path = save(theirs.state_dict(), tmp_path / "ssdlite.pth")
    (tmp_path / "labels.txt").write_text("something\nelse\n")
    begins = catalogue.load(Path(from_checkpoint.__file__).parents[1])["ssdlite320_mobilenet_v3_large"].weights["coco"]
    sha256_of_file = files.sha256_of_file
    monkeypatch.setattr(
        files, "sha256_of_file", lambda one: begins.sha256 + "0" * 56 if one == path else sha256_of_file(one)
    )
    core = core_of(convert(volume, path, "--size", "96"))
    assert (core.classes[0], core.classes[89], len(core.classes)) == ("person", "toothbrush", 90)
    monkeypatch.undo()


def test_a_checkpoint_in_the_folder_of_its_run(volume, tmp_path, exported):
    canonical.write(volume.datasets / "tiny", ("square",), {"train": ()}, {"source": "none"})
    run = volume.runs / "trained"
    (run / "checkpoints").mkdir(parents=True)
    files.write_json(run / "config.json", {"framework": "torch", "data": "tiny", "size": 128, "model": "mb1_ssd"})
    state = {f"detector.{key}": tensor for key, tensor in models.build("mb1_ssd", 128, 1).state_dict().items()}
    path = save({"state_dict": state, "global_step": 3}, run / "checkpoints" / "step-00000003.ckpt")
    core = core_of(convert(volume, path))
    assert (core.architecture, core.height, core.classes) == ("mb1_ssd", 128, ("square",))
