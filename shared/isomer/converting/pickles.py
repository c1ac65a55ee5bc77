"""What a pickle would call when it is opened, read from its opcodes without opening it.

A pickle is a program: `GLOBAL os system` and a call are two of its steps. torch.save writes pickles whose steps only
put tensors together; a file that names anything else is not opened.
"""

from __future__ import annotations

import io
import pickletools
import zipfile
from dataclasses import dataclass
from pathlib import Path

from isomer.errors import UserError

# torch.save before 1.6: this number, a protocol number, facts about the machine, the object, the names of storages.
LEGACY_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
LEGACY_PICKLES = 5
LARGEST = 2**28  # bytes of pickled structure: the weights themselves are not in it


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Modules whose functions act on the machine, whatever they are called with.
ACTING = _words(
    "os posix nt subprocess sys shutil socket pty commands runpy importlib ctypes webbrowser platform asyncio "
    "multiprocessing threading signal pickle _pickle marshal code codeop http urllib requests tempfile bdb pdb "
    "timeit cProfile profile pip pydoc types operator functools inspect"
)
HARMLESS_BUILTINS = _words(
    "set frozenset dict list tuple int float bool complex bytes bytearray str slice range object "
    "long unicode xrange"  # Python 2's names, which today's Pythons pickle too
)
# What checkpoints hold beside tensors; `weights_only` has the last word on them.
PLAIN = _words(
    "torch torchvision numpy collections argparse pathlib datetime lightning pytorch_lightning lightning_fabric "
    "omegaconf _codecs copyreg copy_reg __builtin__ builtins yaml enum typing decimal fractions uuid"
)


@dataclass(frozen=True)
class Names:
    """The globals that a pickle asks for, as `module.name`.

    acting: those that would run something on this machine. foreign: classes of other code, of which objects would be
    made. plain: what tensors and settings are put together with.
    """

    acting: tuple[str, ...]
    foreign: tuple[str, ...]
    plain: tuple[str, ...]


def of_file(path: Path) -> Names:
    """The names in a file of torch.save (zip or older), or in a bare pickle.

    Raises:
        UserError: it is no whole pickle.
    """
    found: set[tuple[str, str]] = set()
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    if name.endswith(".pkl") and archive.getinfo(name).file_size <= LARGEST:
                        found |= _globals(io.BytesIO(archive.read(name)), 1)
        else:
            with path.open("rb") as stream:
                is_legacy = stream.read(len(LEGACY_MAGIC)) == LEGACY_MAGIC
                stream.seek(0)
                found = _globals(stream, LEGACY_PICKLES if is_legacy else 1)
    except (ValueError, zipfile.BadZipFile, EOFError, KeyError, IndexError, UnicodeDecodeError) as error:
        raise UserError(f"{path.name} is a damaged pickle ({error}): fetch it again") from None
    return _sorted(found)


def refuse(path: Path, names: Names) -> None:
    """Raise UserError if opening the pickle would run code."""
    if names.acting:
        raise UserError(
            f"{path.name} wants to run code when it is opened ({', '.join(names.acting[:4])}): it was not opened. "
            "A model's weights need none of that; take the file from its maker, as a state dict or as safetensors"
        )
    if names.foreign:
        raise UserError(
            f"{path.name} is a pickled object of other code ({', '.join(names.foreign[:4])}), which opening would run: "
            "it was not opened. In the project that made it, save model.state_dict(), or export to ONNX or TorchScript"
        )


def _sorted(found: set[tuple[str, str]]) -> Names:
    acting, foreign, plain = [], [], []
    for module, name in sorted(found):
        root = module.split(".")[0]
        is_builtin = root in ("builtins", "__builtin__")
        if root in ACTING or (is_builtin and name.split(".")[0] not in HARMLESS_BUILTINS):
            acting.append(f"{module}.{name}")
        elif root in PLAIN:
            plain.append(f"{module}.{name}")
        else:
            foreign.append(f"{module}.{name}")
    return Names(tuple(acting), tuple(foreign), tuple(plain))


def _globals(stream: io.BufferedIOBase, pickles: int) -> set[tuple[str, str]]:
    """Module and name of each global in some pickles that follow each other.

    STACK_GLOBAL takes both from the stack: the last two strings, which may come from the memo. A pickle that puts them
    there in another way hides them, and is taken for one that runs code.
    """
    found: set[tuple[str, str]] = set()
    for _ in range(pickles):
        strings: list[str | None] = []
        memo: dict[int, str | None] = {}
        for opcode, argument, _ in pickletools.genops(stream):
            name = opcode.name
            if name in ("GLOBAL", "INST"):
                module, _, attribute = argument.partition(" ")
                found.add((module, attribute))
                strings.append(None)
            elif name == "STACK_GLOBAL":
                module, attribute = strings[-2:] if len(strings) > 1 else (None, None)
                found.add((module, attribute) if module and attribute else ("os", "<a hidden name>"))
                strings.append(None)
            elif name == "MEMOIZE":
                memo[len(memo)] = strings[-1] if strings else None
            elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
                memo[argument] = strings[-1] if strings else None
            elif name in ("GET", "BINGET", "LONG_BINGET"):
                strings.append(memo.get(argument))
            elif isinstance(argument, str):
                strings.append(argument)
            elif name not in ("PROTO", "FRAME", "STOP", "MARK"):
                strings.append(None)
    return found
