"""What a file is, by its content; and one clear sentence for what people take for a model."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import tarfile
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import onnx
import pytest
import toy
from identify import find, identify
from onnx import TensorProto, numpy_helper

from isomer.converting import source
from isomer.errors import UserError
from isomer.flags import Convert
from isomer.run import RunFolder
from isomer.volume import Volume


def field(number: int, data: bytes) -> bytes:
    """A length-delimited field of a protobuf message, as protobuf's documentation describes it."""
    return bytes([number << 3 | 2]) + varint(len(data)) + data


def varint(value: int) -> bytes:
    made = b""
    while value > 127:
        made += bytes([value & 127 | 128])
        value >>= 7
    return made + bytes([value])


def node(name: str, op: str) -> bytes:
    return field(1, name.encode()) + field(2, op.encode())


def graph_def() -> bytes:
    return field(1, node("image_tensor", "Placeholder")) + field(1, node("a/b", "Const") + field(3, b"a"))


def saved_model() -> bytes:
    return b"\x08\x01" + field(2, field(2, graph_def()))


def meta_graph() -> bytes:
    return field(1, field(5, b"2.0")) + field(2, graph_def())


def torch_zip(path: Path, value: object = None, script: bool = False) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", pickle.dumps(OrderedDict() if value is None else value, 2))
        archive.writestr("model/version", "3")
        if script:
            archive.writestr("model/code/__torch__.py", "op_version_set = 1")
            archive.writestr("model/constants.pkl", b"")
    return path


def put(path: Path, data: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


class Harmful:
    def __reduce__(self):
        return os.system, ("echo harmed > harmed",)


class Foreign:
    pass


def test_kinds_whatever_they_are_called(tmp_path):
    keras = tmp_path / "keras"
    with zipfile.ZipFile(keras, "w") as archive:
        for name in ("metadata.json", "config.json", "model.weights.h5"):
            archive.writestr(name, "{}")
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    expected = {
        put(tmp_path / "a.bin", toy.core_model().SerializeToString()): "onnx",
        put(tmp_path / "frozen", graph_def()): "tf1-frozen",
        put(tmp_path / "lite.pb", b"\x1c\0\0\0TFL3" + b"\0" * 40): "tflite",
        put(tmp_path / "old.pth", b"\x89HDF\r\n\x1a\n" + b"\0" * 40): "keras",
        keras: "keras",
        torch_zip(tmp_path / "x.onnx"): "torch",
        torch_zip(tmp_path / "y.onnx", script=True): "torchscript",
        put(tmp_path / "s", struct.pack("<Q", len(header)) + header + b"\0" * 4): "safetensors",
    }
    assert {path: find(path) for path in expected} == {path: (kind, path) for path, kind in expected.items()}


def test_saved_model_by_folder_or_file(tmp_path):
    path = put(tmp_path / "model" / "saved_model.pb", saved_model())
    assert find(path) == find(path.parent) == ("saved-model", path.parent)


def test_checkpoint_by_any_of_its_files_or_its_folder(tmp_path):
    for steps in (900, 1000):
        for suffix, data in ((".meta", meta_graph()), (".index", b"x"), (".data-00000-of-00001", b"x")):
            put(tmp_path / "c" / f"model.ckpt-{steps}{suffix}", data)
    expected = ("tf1-checkpoint", tmp_path / "c" / "model.ckpt-1000")
    assert find(tmp_path / "c" / "model.ckpt-1000.index") == expected
    assert find(tmp_path / "c" / "model.ckpt-1000.meta") == expected
    assert find(tmp_path / "c") == expected
    put(tmp_path / "c" / "checkpoint", 'model_checkpoint_path: "/somewhere/model.ckpt-900"\n')
    assert find(tmp_path / "c") == ("tf1-checkpoint", tmp_path / "c" / "model.ckpt-900")
    put(tmp_path / "c" / "frozen_inference_graph.pb", graph_def())
    assert find(tmp_path / "c")[0] == "tf1-frozen"


def harmful() -> bytes:
    return pickle.dumps(Harmful(), 2)


def hidden() -> bytes:
    """os.system by STACK_GLOBAL, its name put together from the memo."""
    return b"\x80\x04\x8c\x02os\x94\x8c\x06system\x940h\x00h\x01\x93\x8c\x02ls\x85R."


BAD = {
    "empty": (b"", "is empty"),
    "lfs": (
        "version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 29344000\n",
        r"Git LFS pointer.*29\.3 MB.*git lfs pull",
    ),
    "page": ("\n<!DOCTYPE html><html><title>model at main · GitHub</title>", "web page \\('model at main · GitHub'\\)"),
    "code": ("import torch\n\nmodel = torch.nn.Linear(1, 2)\n", "source code"),
    "json": ('{"message": "Not Found"}', "is JSON"),
    "text": ("person\ncat\n", "is a text"),
    "graph text": ('node {\n  name: "a"\n', "written as text"),
    "cut off": (toy.core_model().SerializeToString()[:-100], "damaged or cut off"),
    "frozen, cut off": (graph_def()[:-3], "damaged or cut off"),
    "noise": (np.random.default_rng(0).bytes(3000), "no model in a known format|damaged"),
    "picture": (b"\x89PNG\r\n\x1a\n\0\0\0", "no model in a known format"),
    "gzip": (b"\x1f\x8b\x08" + b"\0" * 20, r"archive \(gzip\)"),
    "harmful": (harmful(), r"wants to run code.*(posix|os)\.system.*not opened"),
    "hidden": (hidden(), "wants to run code"),
    "foreign": (pickle.dumps(Foreign(), 2), "pickled object of other code.*Foreign.*state_dict"),
    "half a zip": (b"PK\x03\x04" + b"\0" * 30, "whose end is missing"),
    "other protobuf": (field(3, b"abc"), "no model of ONNX or TensorFlow"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("suffix", [".pb", ".onnx", ".pth"])
def test_bad_files(tmp_path, monkeypatch, name, suffix):
    monkeypatch.chdir(tmp_path)
    data, said = BAD[name]
    path = put(tmp_path / f"model{suffix}", data)
    with pytest.raises(UserError, match=said) as error:
        identify(Volume(tmp_path / "volume"), Convert(path=path, name="m"))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "volume").exists() and not (tmp_path / "harmed").exists()


def test_harmful_checkpoint(tmp_path):
    with pytest.raises(UserError, match="wants to run code"):
        find(torch_zip(tmp_path / "m.pth", {"state_dict": Harmful()}))


@pytest.mark.parametrize("names", [("archive/data.pkl", "archive/version"), ("config.json", "model.weights.h5")])
def test_a_zip_that_unpacks_to_far_more_than_it_is(tmp_path, names):
    with zipfile.ZipFile(tmp_path / "bomb.bin", "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open(names[0], "w") as stream:
            for _ in range(300):
                stream.write(bytes(10**6))
        archive.writestr(names[1], "3")
    with pytest.raises(UserError, match=r"would unpack to 0\.3 GB"):
        identify(Volume(tmp_path / "volume"), Convert(path=tmp_path / "bomb.bin", name="m"))
    assert not (tmp_path / "volume").exists()


def test_archives_say_what_is_in_them(tmp_path):
    with tarfile.open(tmp_path / "m.tar.gz", "w:gz") as archive:
        item = tarfile.TarInfo("ssd/frozen_inference_graph.pb")
        archive.addfile(item, io.BytesIO())
    with pytest.raises(UserError, match=r"archive \(gzip\) with ssd/frozen_inference_graph\.pb in it: unpack"):
        find(tmp_path / "m.tar.gz")


def test_checkpoint_in_parts(tmp_path):
    put(tmp_path / "ckpt-0.index", b"x")
    with pytest.raises(UserError, match="without its graph"):
        find(tmp_path / "ckpt-0.index")
    put(tmp_path / "m.meta", meta_graph())
    with pytest.raises(UserError, match="graph without its weights"):
        find(tmp_path / "m.meta")


def test_folders(tmp_path):
    with pytest.raises(UserError, match="holds no model"):
        find(tmp_path)
    put(tmp_path / "a.onnx", toy.core_model().SerializeToString())
    assert find(tmp_path) == ("onnx", tmp_path / "a.onnx")
    put(tmp_path / "b.onnx", toy.core_model().SerializeToString())
    with pytest.raises(UserError, match=r"several models \(a\.onnx, b\.onnx\)"):
        find(tmp_path)


def with_external(path: Path, location: str, length: int = 96) -> Path:
    model = toy.core_model()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(length))):
        tensor.external_data.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("weights.bin", "weights.bin, which is not beside it"),
        ("../secret", "outside its folder"),
        ("/etc/passwd", "outside its folder"),
        ("link", "outside its folder"),
        ("short.bin", "has 3 bytes where"),
    ],
)
def test_external_data(tmp_path, location, said):
    folder = tmp_path / "model"
    folder.mkdir()
    put(tmp_path / "secret", b"s" * 200)
    (folder / "link").symlink_to(tmp_path / "secret")
    put(folder / "short.bin", b"123")
    with pytest.raises(UserError, match=said):
        identify(Volume(tmp_path / "volume"), Convert(path=with_external(folder / "m.onnx", location), name="m"))


def test_files_of_several_gigabytes(tmp_path):
    path = tmp_path / "large.onnx"
    start = toy.core_model().SerializeToString()
    size = 3 * 2**30
    with path.open("wb") as stream:  # a hole takes no space on the disk
        stream.write(start + bytes([15 << 3 | 2]) + varint(size))
        stream.truncate(stream.tell() + size)
    with pytest.raises(UserError, match=r"3\.2 GB.* no more than 2 GB"):
        find(path)
    with (tmp_path / "weights.bin").open("wb") as stream:
        stream.truncate(size)
    path = with_external(tmp_path / "m.onnx", "weights.bin", size)
    with pytest.raises(UserError, match=r"3\.2 GB of weights"):
        identify(Volume(tmp_path / "volume"), Convert(path=path, name="m"))


def test_source_json(tmp_path):
    volume = Volume(tmp_path / "volume")
    path = put(tmp_path / "m.onnx", toy.core_model().SerializeToString())
    made = identify(volume, Convert(path=path, name="m"))
    run = RunFolder(volume.run("m"))
    assert source.read(run) == made and made.image == "onnx" and made.origin == "m.onnx"
    assert made.about["inputs"] == ["images float32 [batch, 3, 32, 32]"]
    assert identify(volume, Convert(path=path, name="m")) == made, "a second time"
    path.write_bytes(toy.core_model(sigmoid=False).SerializeToString())
    with pytest.raises(UserError, match="has changed"):
        source.read(run)


def test_a_training_is_not_overwritten(tmp_path):
    put(tmp_path / "runs" / "m" / "config.json", '{"framework": "torch", "data": "shapes"}')
    path = put(tmp_path / "m.onnx", toy.core_model().SerializeToString())
    with pytest.raises(UserError, match="there is a training of this name"):
        identify(Volume(tmp_path), Convert(path=path, name="m"))


def test_weights_of_another_file_belong_to_the_model(tmp_path):
    model = toy.core_model()
    path = tmp_path / "m.onnx"
    onnx.save(model, path, save_as_external_data=True, location="m.weights", size_threshold=0)
    volume = Volume(tmp_path / "volume")
    made = identify(volume, Convert(path=path, name="m"))
    assert made.more == [str(tmp_path / "m.weights")]
    weights = tmp_path / "m.weights"
    weights.write_bytes(numpy_helper.from_array(np.zeros(weights.stat().st_size // 4, np.float32)).raw_data)
    with pytest.raises(UserError, match="has changed"):
        source.read(RunFolder(volume.run("m")))


def test_real_models(cases, tmp_path):
    folder = cases / "models"
    ultra = folder / "pytorch-ssd-ultralight-face"
    assert find(folder / "tf1-frozen-embedded-ssd-pcd")[0] == "tf1-frozen"
    assert find(ultra / "version-RFB-320.pth")[0] == "torch"
    assert find(ultra / "version-RFB-320.onnx")[0] == "onnx"
    assert find(ultra / "version-RFB-320_without_postprocessing.tflite")[0] == "tflite"
