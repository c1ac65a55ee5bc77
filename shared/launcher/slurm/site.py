"""A site's settings: `slurm.toml` in the repository's root, each overridden by the flag of the same name."""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from isomer import files
from isomer.errors import UserError, known
from launcher import project
from launcher.options import Site as Flags

NAME = "slurm.toml"
VARIABLE = "ISOMER_SLURM"  # names another file
TEMPLATE = Path(__file__).with_name("site.toml")
RUNTIMES = ("venv", "pyxis", "apptainer")
TIME = re.compile(r"\d+|\d+:\d+(:\d+)?|\d+-\d+(:\d+){0,2}")  # as sbatch's manual has it, minutes first


@dataclass(frozen=True)
class Site:
    """What a job is given.

    Attributes:
        source: the file that the settings come from.
        typed: names of those that came from flags.
        time_limit: of one start, as sbatch reads it.
        memory: of a node, as sbatch reads it.
        modules, setup: what the batch script does before the step.
        options: of sbatch, further ones.
        runtime: what the environment on the nodes is.
        archives: folder of the images' archives, for pyxis and Apptainer.
        shared: folders that all nodes see; empty: not said.
        warning_seconds: before the time limit, a training is told to save.
        restarts: how often a job goes on by itself at most.
    """

    source: Path
    typed: frozenset[str] = frozenset()
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    time_limit: str | None = None
    memory: str | None = None
    constraint: str | None = None
    cpus_per_task: int | None = None
    gpus_per_node: int | None = None
    modules: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    runtime: str = "venv"
    archives: Path | None = None
    shared: tuple[str, ...] = ()
    warning_seconds: int = 120
    restarts: int = 20

    def where(self, name: str) -> str:
        """Where a setting was given, for an error."""
        key = name.replace("_", "-")
        if name in self.typed:
            return f"--{key}"
        lines = self.source.read_text().splitlines() if self.source.is_file() else []
        found = [number for number, line in enumerate(lines, 1) if re.match(rf"\s*{key}\s*=", line)]
        return f"{key}, {self.source} line {found[0]}" if found else f"--{key}"


def place() -> Path:
    """The file that holds the settings."""
    given = os.environ.get(VARIABLE)
    return Path(given).expanduser().resolve() if given else project.ROOT / NAME


def load(flags: Flags) -> Site:
    """The settings of the file, overridden by the flags that were given; the file is made where there is none.

    Raises:
        UserError: as `read`.
    """
    source = place()
    if not source.exists():
        files.write_text(source, TEMPLATE.read_text())
        print(f"{source} is new: all settings of this cluster can be written there, each is a flag, too", flush=True)
    return read(source, flags)


def read(source: Path, flags: Flags) -> Site:
    """The settings of a file, which need not be there, overridden by the flags that were given.

    Raises:
        UserError: the file cannot be read, or a setting is unknown or of the wrong kind; the line is named.
    """
    try:
        found = tomllib.loads(source.read_text()) if source.exists() else {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"{source}: {error}") from None
    names = {item.name.replace("_", "-"): item for item in fields(Site) if item.name not in ("source", "typed")}
    values: dict[str, Any] = {}
    for key, value in found.items():
        if key not in names:
            raise UserError(f"{source}: {known('setting', key, names)}")
        values[names[key].name] = _checked(f"{source}: {key}", names[key].type, value)
    typed = {item.name: getattr(flags, item.name, None) for item in fields(Site)}
    typed = {name: value for name, value in typed.items() if value is not None}
    for name in {"modules", "shared"} & typed.keys():
        typed[name] = tuple(word for word in typed[name].split(",") if word)
    if "archives" in typed:
        typed["archives"] = Path(typed["archives"]).expanduser()
    made = Site(source, frozenset(typed), **{**values, **typed})
    if made.runtime not in RUNTIMES:
        raise UserError(f"{made.where('runtime')}: {known('runtime', made.runtime, RUNTIMES)}")
    if made.time_limit is not None and not TIME.fullmatch(made.time_limit):
        raise UserError(
            f"{made.where('time_limit')}: {made.time_limit!r} is no time; minutes, or H:MM:SS, or DAYS-HOURS"
        )
    return made


def _checked(where: str, kind: str, value: Any) -> Any:
    """A value of the file as the field wants it."""
    if kind.startswith("tuple"):
        if not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
            raise UserError(f'{where} must be a list of texts, like ["one", "two"]')
        return tuple(value)
    if kind.startswith("int"):
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise UserError(f"{where} must be a whole number, not {value!r}")
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)  # a time limit in minutes, an account that is a number
    if not isinstance(value, str):
        raise UserError(f"{where} must be a text in quotes, not {value!r}")
    return Path(value).expanduser() if kind.startswith("Path") else value
