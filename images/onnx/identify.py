"""identify: what a file or folder is, which image opens it; written to the run's source.json."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import external
import onnx
from google.protobuf.message import DecodeError
from onnx import helper
from recognise import kind_of

from isomer import files, progress
from isomer.converting import source
from isomer.converting.source import KINDS, Source
from isomer.dataset import canonical
from isomer.errors import UserError, run_main
from isomer.flags import Convert, parse
from isomer.run import RunFolder
from isomer.session import CONVERTED
from isomer.volume import Volume, check_name

WORDS = {
    "onnx": "an ONNX model",
    "tf1-frozen": "a frozen graph of TensorFlow 1",
    "tf1-checkpoint": "a checkpoint of TensorFlow 1 with its graph",
    "saved-model": "a TensorFlow SavedModel",
    "keras": "a Keras model",
    "tflite": "a TensorFlow Lite model",
    "torch": "a checkpoint of torch",
    "torchscript": "a TorchScript model",
    "safetensors": "weights in safetensors",
}
# Of several models in one folder, the one that says most about itself.
FIRST = (
    "saved-model",
    "tf1-frozen",
    "onnx",
    "torchscript",
    "keras",
    "tflite",
    "tf1-checkpoint",
    "torch",
    "safetensors",
)
LARGE = 1e9  # bytes: hashing and reading take a while, which is said
_PART = re.compile(r"(?P<prefix>.*)\.(?:meta|index|data-\d{5}-of-\d{5})")


def main() -> None:
    options = parse(Convert, prog="convert")
    identify(Volume.from_environment(), options)


def identify(volume: Volume, options: Convert) -> Source:
    """Find out what the path is, and begin the run NAME with it.

    Raises:
        UserError: it is no model that can be opened; the name is that of a training; the dataset is not there.
    """
    name = check_name("--name", options.name)
    run = RunFolder(volume.runs / name)
    _check_run(run)
    sha256 = canonical.load(volume.dataset(options.data)).sha256 if options.data else None
    if options.data and options.pictures:
        raise UserError("--data and --pictures cannot both be given: each says what the models are compared on")
    path = options.path
    if not path.exists():
        raise UserError(f"no such file or folder: {path}")
    kind, opened = find(path)
    about, more = _about(kind, opened)
    paths = source.members(opened)
    if sum(item.stat().st_size for item in paths) > LARGE:
        progress.say(f"reading {path.name} …")
    digest, size = source.digest([*paths, *more])
    found = Source(
        kind, KINDS[kind], str(path), str(opened), path.name, digest, size, about, [str(item) for item in more]
    )
    progress.say(f"{path.name} is {WORDS[kind]}, {size / 1e6:.1f} MB: opened by the image {found.image}")
    for key, value in about.items():
        progress.say(f"  {key:9} {value if isinstance(value, str) else ', '.join(map(str, value))}")
    run.path.mkdir(parents=True, exist_ok=True)
    config = {"framework": found.image, "model": path.name, "data": options.data, "dataset_sha256": sha256}
    files.write_json(run.path / "config.json", {**config, "converted": True})
    run.update(run=name, state=CONVERTED)
    source.write(run, found)
    return found


def find(path: Path) -> tuple[str, Path]:
    """What is at a path: its kind, and what of it is to be opened.

    Raises:
        UserError: nothing that can be opened, or several things.
    """
    if path.is_dir():
        return _in_folder(path)
    part = _PART.fullmatch(path.name)
    if part and (part["prefix"] and path.suffix != ".meta"):
        return _checkpoint(path.with_name(part["prefix"]))
    kind = kind_of(path)
    if kind == "saved-model":
        return kind, path.parent
    if kind == "tf1-checkpoint":
        return _checkpoint(path.with_name(path.name.removesuffix(".meta")))
    return kind, path


def _check_run(run: RunFolder) -> None:
    """A training must not be overwritten."""
    if (run.path / "config.json").is_file() and not run.config().get("converted"):
        raise UserError(f"--name {run.name}: there is a training of this name; choose another")


def _checkpoint(prefix: Path) -> tuple[str, Path]:
    """A TensorFlow 1 checkpoint, whole."""
    parts = {path.name for path in prefix.parent.glob(f"{prefix.name}.*")}
    if f"{prefix.name}.meta" not in parts:
        raise UserError(
            f"{prefix.name} is a checkpoint without its graph ({prefix.name}.meta is not beside it): give the "
            "SavedModel or the frozen graph, or fetch the .meta too"
        )
    if f"{prefix.name}.index" not in parts or not any(".data-" in part for part in parts):
        raise UserError(
            f"{prefix.name}.meta is a graph without its weights: {prefix.name}.index and {prefix.name}.data-… "
            "must lie beside it"
        )
    kind_of(prefix.with_name(f"{prefix.name}.meta"))
    return "tf1-checkpoint", prefix


def _in_folder(folder: Path) -> tuple[str, Path]:
    """The model in a folder: a SavedModel, a checkpoint, or the one file that is a model.

    Exports of TensorFlow's detectors hold the same model three times; the first of FIRST is taken.
    """
    if (folder / "saved_model.pb").is_file():
        kind_of(folder / "saved_model.pb")
        return "saved-model", folder
    if (folder / "saved_model.pbtxt").is_file():
        raise UserError(f"{folder.name} is a SavedModel written as text: save it as binary (saved_model.pb)")
    found: dict[str, list[Path]] = {}
    refused: list[str] = []
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    for path in entries:
        try:
            if path.is_dir() and (path / "saved_model.pb").is_file():
                found.setdefault("saved-model", []).append(path)
            elif path.is_file() and path.suffix == ".meta":
                found.setdefault("tf1-checkpoint", []).append(_checkpoint(path.with_suffix(""))[1])
            elif path.is_file() and path.suffix.lower() in SUFFIXES:
                found.setdefault(kind_of(path), []).append(path)
        except UserError as error:
            refused.append(str(error))
    for kind in FIRST:
        if kind not in found:
            continue
        paths = found[kind]
        if kind == "tf1-checkpoint":
            paths = [_latest(folder, paths)]
        if len(paths) > 1:
            names = ", ".join(path.name for path in paths)
            raise UserError(f"{folder.name} holds several models ({names}): give one of them")
        progress.say(f"{folder.name}: taking {paths[0].name}")
        return kind, paths[0]
    held = ", ".join(path.name for path in entries[:8]) or "nothing"
    raise UserError(refused[0] if refused else f"{folder.name} holds no model that can be opened (it holds {held})")


SUFFIXES = {".pb", ".onnx", ".keras", ".h5", ".hdf5", ".tflite", ".pt", ".pth", ".ckpt", ".bin", ".torchscript"}
SUFFIXES |= {".safetensors", ".jit", ".ts"}


def _latest(folder: Path, prefixes: list[Path]) -> Path:
    """The checkpoint that the file `checkpoint` names, else the one of the most steps."""
    named = folder / "checkpoint"
    if named.is_file():
        match = re.search(
            r'^model_checkpoint_path:\s*"(?:.*/)?([^"/]+)"', named.read_text(errors="replace"), re.MULTILINE
        )
        if match and folder / match[1] in prefixes:
            return folder / match[1]

    def steps(path: Path) -> int:
        number = re.search(r"(\d+)$", path.name)
        return int(number[1]) if number else -1

    return max(prefixes, key=steps)


def _about(kind: str, opened: Path) -> tuple[dict[str, Any], list[Path]]:
    """What can be said of a model without its framework, and the files beside it that belong to it."""
    if kind != "onnx":
        return {}, []
    try:
        model = onnx.load(opened, format="protobuf", load_external_data=False)
    except DecodeError:
        raise UserError(f"{opened.name} is a damaged ONNX file: fetch it again") from None
    if not model.graph.output:
        raise UserError(f"{opened.name} is an ONNX file without outputs, or only a part of one: fetch it again")
    more = external.check(model, opened)
    weights = {tensor.name for tensor in model.graph.initializer}
    opsets = ", ".join(f"{item.domain or 'ai.onnx'} {item.version}" for item in model.opset_import)
    return {
        "made by": f"{model.producer_name or 'unknown'} {model.producer_version}".strip(),
        "opset": f"{opsets}; IR version {model.ir_version}",
        "inputs": [in_words(item) for item in model.graph.input if item.name not in weights],
        "outputs": [in_words(item) for item in model.graph.output],
    }, more


def in_words(item: onnx.ValueInfoProto) -> str:
    """A graph's input or output: name, type and shape."""
    tensor = item.type.tensor_type
    kind = str(helper.tensor_dtype_to_np_dtype(tensor.elem_type)) if tensor.elem_type else "no tensor"
    dims = [dim.dim_value if dim.HasField("dim_value") else dim.dim_param or "?" for dim in tensor.shape.dim]
    return f"{item.name} {kind} [{', '.join(map(str, dims))}]"


if __name__ == "__main__":
    run_main(main)
