"""The weights in a file of torch.save or in safetensors, without running anything that is in it.

Opened with `weights_only`, on the CPU. What people save beside the weights (arguments, settings, counters) is passed
over: its classes are replaced by one that keeps nothing.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from isomer.converting import pickles
from isomer.errors import UserError

AVERAGED = re.compile(r"ema|average|swa|shadow", re.IGNORECASE)
OPTIMIZER = re.compile(r"optim|sched|scaler|callback|loops|amp", re.IGNORECASE)
NAMES = ("classes", "class_names", "names", "CLASSES", "labels")
DEEPEST = 4  # dictionaries inside dictionaries
_GLOBAL = re.compile(r"(?:Unsupported global: GLOBAL|Unsupported class|Unsupported operand) (\S+)")


@dataclass(frozen=True)
class Weights:
    """A state dict, the keys under which the file has it, and what the file says beside it.

    classes: names, where they are told. size: of the model's input in pixels, likewise (our own trainings').
    """

    state: dict[str, Tensor]
    keys: tuple[str, ...] = ()
    classes: tuple[str, ...] | None = None
    size: int | None = None

    @property
    def averaged(self) -> bool:
        """An average of the weights over the steps, which is what a training measures and publishes."""
        return any(AVERAGED.search(key) for key in self.keys)


def read(path: Path) -> list[Weights]:
    """All state dicts in a checkpoint, those first that are most likely meant: averages, then by size.

    Raises:
        UserError: the file is damaged, wants to run code, or holds no weights.
    """
    value = load(path)
    classes, size = _told(value)
    found = [Weights(state, keys, classes, size) for keys, state in _state_dicts(value)]
    if not found:
        raise UserError(f"{path.name} holds no weights: {_in_words(value)}. Give the file with the model's state dict")
    return sorted(found, key=lambda weights: (not weights.averaged, -len(weights.state)))


def load(path: Path) -> Any:
    """What is in a file of torch.save or in safetensors; tensors on the CPU, settings of other classes left empty.

    Raises:
        UserError: the file is damaged, or wants to run code.
    """
    if _is_safetensors(path):
        return _load_safetensors(path)
    names = pickles.of_file(path)
    pickles.refuse(path, names)
    # torch decides about its own names
    others = [name for name in names.plain if not name.startswith(("torch.", "torchvision.")) and name not in _MADE]
    try:
        with torch.serialization.safe_globals([(_stand_in(name), _renamed(name)) for name in others]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        wanted = _GLOBAL.search(str(error))
        said = str(error).partition("WeightsUnpickler error:")[2].strip() or str(error)
        what = f"it wants {wanted[1]}" if wanted else said.splitlines()[0]
        raise UserError(
            f"{path.name} is more than weights ({what}), and opening it would run code: it was not opened. Where it "
            "was made, load it and save its weights alone: torch.save(model.state_dict(), 'weights.pth')"
        ) from None
    except (RuntimeError, EOFError, OSError, zipfile.BadZipFile, ValueError, KeyError, AssertionError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UserError(f"{path.name} is damaged or cut off ({_first_line(error)}): fetch it again") from None


def _is_safetensors(path: Path) -> bool:
    """By content: the length of a JSON header comes first, then that."""
    with path.open("rb") as stream:
        head = stream.read(9)
    return head[8:] == b"{" and int.from_bytes(head[:8], "little") < path.stat().st_size


def _load_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, ValueError) as error:
        raise UserError(f"{path.name} is damaged or cut off ({_first_line(error)}): fetch it again") from None


# What weights_only itself makes, as it should be.
_MADE = {"collections.OrderedDict", "collections.Counter", "_codecs.encode"}
_MADE |= {f"{module}.{name}" for module in ("builtins", "__builtin__") for name in ("set", "bytearray", "complex")}
_OLD_BUILTINS = {"long": "int", "unicode": "str", "xrange": "range"}


class _Entries:
    """Stands in for settings of any class: an empty dictionary, which takes entries and attributes."""

    def __new__(cls, *_, **__) -> OrderedDict:
        return OrderedDict()


class _Rows:
    """Stands in for anything that is filled like a list."""

    def __new__(cls, *_, **__) -> list:
        return []


class _Number:
    """Stands in for NumPy's numbers and their types, whose state is a tuple."""

    def __new__(cls, *_, **__) -> _Number:
        return super().__new__(cls)

    def __init__(self, *_, **__) -> None:
        pass

    def __setstate__(self, _: Any) -> None:
        pass


def _renamed(name: str) -> str:
    """A name as torch looks it up: Python 2's builtins under today's names."""
    if not name.startswith("__builtin__."):
        return name
    name = name.removeprefix("__builtin__.")
    return f"builtins.{_OLD_BUILTINS.get(name, name)}"


def _stand_in(name: str) -> type:
    if name.startswith("numpy"):
        return _Number
    return _Rows if name == "collections.deque" else _Entries


def _told(value: Any) -> tuple[tuple[str, ...] | None, int | None]:
    """Class names and input size that a checkpoint has beside its weights."""
    if not isinstance(value, Mapping):
        return None, None
    places = [value, *(value[key] for key in ("meta", "config") if isinstance(value.get(key), Mapping))]
    classes = None
    for names in (place.get(key) for place in places for key in NAMES):
        if isinstance(names, Mapping):
            names = list(names.values())
        if isinstance(names, list | tuple) and names and all(isinstance(name, str) for name in names):
            classes = tuple(names)
            break
    size = value.get("size")
    return classes, size if isinstance(size, int) else None


def _state_dicts(value: Any, keys: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict[str, Tensor]]]:
    """Every dictionary of named tensors, however deep, but for an optimizer's."""
    if not isinstance(value, Mapping) or len(keys) > DEEPEST or "param_groups" in value:
        return
    state = {key: item for key, item in value.items() if isinstance(key, str) and isinstance(item, Tensor)}
    if any(tensor.ndim for tensor in state.values()):
        yield keys, {key: _as_float(tensor) for key, tensor in state.items()}
    for key, item in value.items():
        if isinstance(key, str) and not OPTIMIZER.search(key):
            yield from _state_dicts(item, (*keys, key))


def _as_float(tensor: Tensor) -> Tensor:
    tensor = tensor.detach()
    return tensor.float() if tensor.is_floating_point() else tensor


def _in_words(value: Any) -> str:
    """What is in a file that holds no weights."""
    if isinstance(value, Tensor):
        return f"one tensor of shape {list(value.shape)}"
    if not isinstance(value, Mapping):
        return f"an object of type {type(value).__name__}"
    if not value:
        return "an empty dictionary"
    if "param_groups" in value or any(OPTIMIZER.search(str(key)) for key in value):
        return f"only the state of an optimizer ({_some(value)})"
    return f"its entries are {_some(value)}"


def _some(value: Mapping) -> str:
    keys = [str(key) for key in value]
    return ", ".join(keys[:6]) + (f" and {len(keys) - 6} more" if len(keys) > 6 else "")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:160]
