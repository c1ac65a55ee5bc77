"""What a file is, by what is in it: its name may say anything."""

from __future__ import annotations

import re
import tarfile
import zipfile
from pathlib import Path

import wire

from isomer.converting import pickles
from isomer.errors import UserError

PROTOBUF_LIMIT = 2**31
# Weights hardly compress: a zip that unpacks to more bytes, and to more than so many times its own, holds none.
MOST_UNPACKED, MOST_TIMES = 2**28, 20
HDF5 = b"\x89HDF\r\n\x1a\n"
TFLITE = b"TFL3"  # at byte 4
LFS = b"version https://git-lfs"
ARCHIVES = {
    b"\x1f\x8b": "gzip",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!": "rar",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
}
ENGINES = {b"ptrt": "TensorRT engine", b"ftrt": "TensorRT engine"}
MODELS = (".pb", ".onnx", ".tflite", ".h5", ".keras", ".pth", ".pt", ".ckpt", ".safetensors")
_CODE = re.compile(
    r"^\s*(import \w|from [\w.]+ import |def \w+\(|class \w+[:(]|#!|#include|package \w|function\b|"
    r"(const|let|var) \w+ ?=|using namespace)",
    re.MULTILINE,
)


def kind_of(path: Path) -> str:
    """A key of isomer.converting.source.KINDS.

    Raises:
        UserError: it is none of them; the sentence says what it is instead, and what to do.
    """
    name = path.name
    size = path.stat().st_size
    if size == 0:
        raise UserError(f"{name} is empty: fetch it again")
    with path.open("rb") as stream:
        head = stream.read(4096)
    if head[4:8] == TFLITE:
        return "tflite"
    if head.startswith(HDF5):
        return "keras"
    if zipfile.is_zipfile(path):
        return _of_zip(path)
    archive = next((word for magic, word in ARCHIVES.items() if head.startswith(magic)), None)
    if archive or head[257:262] == b"ustar":
        raise UserError(f"{name} is an archive ({archive or 'tar'}){_inside(path)}: unpack it and give what is in it")
    if head.startswith(b"PK\x03\x04"):
        raise UserError(f"{name} is a zip file, as torch and Keras write, whose end is missing: fetch it again")
    engine = next((word for magic, word in ENGINES.items() if head.startswith(magic)), None)
    if engine:
        raise UserError(f"{name} is a {engine}, compiled for one GPU: give the model that it was made from")
    _refuse_text(path, head)
    if _is_safetensors(head, size):
        return "safetensors"
    if head.startswith(pickles.LEGACY_MAGIC) or (head[:1] == b"\x80" and 2 <= head[1] <= 5):
        pickles.refuse(path, pickles.of_file(path))
        if not head.startswith(pickles.LEGACY_MAGIC):
            raise UserError(f"{name} is a pickle, but not one of torch.save: give the model's own file")
        return "torch"
    return _of_protobuf(path, size)


def _of_zip(path: Path) -> str:
    """torch (1.6 and later) and Keras 3 write zip files; all others are archives."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        unpacked = sum(item.file_size for item in archive.infolist())
    if unpacked > MOST_UNPACKED and unpacked > MOST_TIMES * path.stat().st_size:
        raise UserError(
            f"{path.name} would unpack to {unpacked / 1e9:.1f} GB, which no model's file does: it was not opened"
        )
    inside = {name.split("/", 1)[-1] for name in names}
    if {"config.json", "model.weights.h5"} <= set(names):
        return "keras"
    if "data.pkl" in inside:
        is_script = "constants.pkl" in inside or any(name.startswith("code/") for name in inside)
        if is_script:
            return "torchscript"
        pickles.refuse(path, pickles.of_file(path))
        return "torch"
    if any("exported_program" in name or name.endswith("archive_format") for name in names):
        raise UserError(f"{path.name} is a program of torch.export: export it to ONNX where it was made")
    if names and all(name.endswith(".npy") for name in names):
        raise UserError(f"{path.name} holds NumPy arrays: weights without a model. Give the model's own file")
    raise UserError(f"{path.name} is an archive (zip){_inside(path)}: unpack it and give what is in it")


def _inside(path: Path) -> str:
    """The model in an archive, if it can be seen."""
    names: list[str] = []
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    else:
        try:
            with tarfile.open(path) as archive:
                names = archive.getnames()
        except (tarfile.TarError, OSError, EOFError, ImportError):
            return ""
    found = [name for name in names if name.lower().endswith((*MODELS, ".meta"))]
    return f" with {found[0]} in it" if found else ""


def _refuse_text(path: Path, head: bytes) -> None:
    """Raise UserError for text of any kind: what is fetched instead of a model is a text nearly always."""
    name = path.name
    if head.startswith(LFS):
        size = re.search(rb"size (\d+)", head)
        whole = f" (the model has {int(size[1]) / 1e6:.1f} MB)" if size else ""
        raise UserError(
            f"{name} is a Git LFS pointer, not the model itself{whole}: run `git lfs pull` in its repository, "
            "or fetch the file by its download link"
        )
    if b"\x00" in head:
        return
    try:
        text = head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # not only a character cut in two at the end
            return
        text = head[: error.start].decode("utf-8-sig")
    if any(ord(letter) < 32 and letter not in "\t\n\r\f" for letter in text):
        return
    start = text.lstrip().lower()
    if start.startswith(("<!doctype html", "<html")) or "<html" in start[:1000]:
        title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
        about = f" ({' '.join(title[1].split())[:60]!r})" if title else ""
        raise UserError(f"{name} is a web page{about}, not a model: fetch the file itself, by its download or raw link")
    if start.startswith(("<?xml", "<net")):
        raise UserError(f"{name} is XML (OpenVINO?), not a model that can be opened: give what it was made from")
    if re.match(r"node\s*\{|graph_def\s*\{|ir_version:", start):
        raise UserError(f"{name} is a graph written as text: give the binary file (a frozen .pb, an .onnx)")
    if start.startswith(("{", "[")):
        raise UserError(f"{name} is JSON ({text.strip()[:60]!r} …), not a model")
    what = "source code" if _CODE.search(text) else "a text"
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    raise UserError(f"{name} is {what} ({line[:60]!r} …), not a model: give the file with the weights")


def _is_safetensors(head: bytes, size: int) -> bool:
    length = int.from_bytes(head[:8], "little")
    return head[8:9] == b"{" and 0 < length <= size - 8


def _of_protobuf(path: Path, size: int) -> str:
    """ONNX, TensorFlow's GraphDef, SavedModel or MetaGraphDef, by their top-level fields."""
    name = path.name
    first: dict[int, wire.Field] = {}
    data = wire.mapped(path)
    try:
        for field in wire.fields(data):
            first.setdefault(field.number, field)
    except wire.BrokenMessage as error:
        if not first or max(first) > 30:
            raise UserError(
                f"{name} is no model in a known format (its first bytes are {bytes(data[:8]).hex(' ')}). "
                f"Known: TensorFlow (.pb, SavedModel, .keras, .h5, .tflite, .meta), torch (.pth), ONNX"
            ) from None
        raise UserError(f"{name} is damaged or cut off ({error}): fetch it again") from None
    kind = _protobuf_kind(data, first)
    if kind is None:
        raise UserError(f"{name} is a protobuf message, but no model of ONNX or TensorFlow: give the model's own file")
    if size >= PROTOBUF_LIMIT:
        raise UserError(
            f"{name} has {size / 1e9:.1f} GB, and protobuf, in which it is written, reads no more than 2 GB; a "
            "published model is one such file, so this one cannot be converted"
        )
    return kind


def _protobuf_kind(data, first: dict[int, wire.Field]) -> str | None:
    kinds = {number: field.kind for number, field in first.items()}
    if kinds.get(1) == wire.VARINT and kinds.get(7) == wire.LENGTH:
        return "onnx"
    if kinds.get(1) == wire.VARINT and kinds.get(2) == wire.LENGTH:
        return "saved-model"
    if kinds.get(1) == wire.LENGTH and _is_node(data, first[1]):
        return "tf1-frozen"
    if kinds.get(2) == wire.LENGTH:
        graph = next(_inner(data, first[2]), None)
        if graph is not None and _is_node(data, graph):
            return "tf1-checkpoint"
    return None


def _is_node(data, field: wire.Field) -> bool:
    """Whether a field holds a NodeDef: a name and an operator come first."""
    strings = {}
    for inner in _inner(data, field):
        if inner.kind == wire.LENGTH and inner.number in (1, 2):
            strings.setdefault(inner.number, bytes(data[inner.start : inner.end]))
        if len(strings) == 2:
            break
    return (
        len(strings) == 2
        and re.fullmatch(rb"[\w.>][\w./>-]*", strings[1]) is not None
        and re.fullmatch(rb"[A-Za-z_]\w*", strings[2]) is not None
    )


def _inner(data, field: wire.Field):
    try:
        yield from wire.fields(data, field.start, field.end)
    except wire.BrokenMessage:
        return
