"""The weights in a file of torch.save or in safetensors, without running anything that is in it.

Opened with `weights_only`, on the CPU. What people save beside the weights (arguments, settings, counters) is passed
over: its classes are replaced by one that keeps nothing.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from isomer.converting import pickles
from isomer.errors import UserError

AVERAGED = re.compile(r"ema|average|swa|shadow", re.IGNORECASE)
OPTIMIZER = re.compile(r"optim|sched|scaler|callback|loops|amp", re.IGNORECASE)
DEEPEST = 4  # dictionaries inside dictionaries
_GLOBAL = re.compile(r"(?:Unsupported global: GLOBAL|Unsupported class|Unsupported operand) (\S+)")


@dataclass(frozen=True)
class Weights:
    """A state dict, and the keys under which the file has it."""

    state: dict[str, Tensor]
    keys: tuple[str, ...] = ()

    @property
    def averaged(self) -> bool:
        """An average of the weights over the steps, which is what a training measures and publishes."""
        return any(AVERAGED.search(key) for key in self.keys)


def read(path: Path) -> list[Weights]:
    """All state dicts in a checkpoint, those first that are most likely meant: averages, then by size.

    Raises:
        UserError: the file is damaged, wants to run code, or holds no weights.
    """
    value = _open(path)
    found = list(_state_dicts(value))
    if not found:
        raise UserError(f"{path.name} holds no weights: {_in_words(value)}. Give the file with the model's state dict")
    return sorted(found, key=lambda weights: (not weights.averaged, -len(weights.state)))


def _open(path: Path) -> Any:
    names = pickles.of_file(path)
    pickles.refuse(path, names)
    # torch decides about its own names
    inert = [(_Nothing, name) for name in names.plain if not name.startswith(("torch.", "torchvision."))]
    allowed = {f"{one.__module__}.{one.__qualname__}" for one in (dict, set)}
    try:
        with torch.serialization.safe_globals([entry for entry in inert if entry[1] not in _KEPT | allowed]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        wanted = _GLOBAL.search(str(error))
        what = f"it wants {wanted[1]}" if wanted else str(error).splitlines()[0]
        raise UserError(
            f"{path.name} is more than weights ({what}), and opening it would run code: it was not opened. Where it "
            "was made, load it and save its weights alone: torch.save(model.state_dict(), 'weights.pth')"
        ) from None
    except (RuntimeError, EOFError, OSError, zipfile.BadZipFile, ValueError, KeyError, AssertionError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UserError(f"{path.name} is damaged or cut off ({_first_line(error)}): fetch it again") from None


# What weights_only itself makes, as it should be.
_KEPT = {"collections.OrderedDict", "collections.Counter", "_codecs.encode", "builtins.set", "builtins.dict"}
_KEPT |= {"__builtin__.set", "__builtin__.dict", "builtins.bytearray", "__builtin__.bytearray", "builtins.complex"}


class _Nothing(dict):
    """Stands in for settings of any class: made of anything, keeps nothing."""

    def __new__(cls, *_, **__) -> _Nothing:
        return super().__new__(cls)

    def __init__(self, *_, **__) -> None:
        super().__init__()

    def __setstate__(self, _: Any) -> None:
        pass


def _state_dicts(value: Any, keys: tuple[str, ...] = ()) -> Iterator[Weights]:
    """Every dictionary of named tensors, however deep, but for an optimizer's."""
    if not isinstance(value, Mapping) or len(keys) > DEEPEST or "param_groups" in value:
        return
    state = {key: item for key, item in value.items() if isinstance(key, str) and isinstance(item, Tensor)}
    if any(tensor.ndim for tensor in state.values()):
        yield Weights({key: _as_float(tensor) for key, tensor in state.items()}, keys)
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
