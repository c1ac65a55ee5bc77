"""What a run is asked to do: the flags that were given, the file of --config, and the run that it goes on with.

Everything that can be wrong with them is said here, before a framework is loaded.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import tomllib
from pathlib import Path
from typing import Any, NoReturn

from isomer import catalogue, flags, tracking
from isomer.catalogue import Model
from isomer.errors import UserError, unknown
from isomer.flags import FREE, SMALL_SIZE, Train
from isomer.pretrained import NONE
from isomer.run import SETTLED_ELSEWHERE, RunFolder
from isomer.volume import Volume, default_run

SAVED = {item.name for item in dataclasses.fields(Train)} - FREE


def settle(framework: str, models: dict[str, Model], volume: Volume, argv: list[str] | None = None) -> Train:
    """The flags of a training with nothing left open that needs no framework: model, weights and size are settled.

    A flag that was given beats the file of --config, which beats the run that is gone on with, which beats the
    defaults. What stays None (lr, warmup, weight_decay) is the recipe's.

    Raises:
        UserError: --config is unreadable or holds what is not allowed; --resume without a run; flags that contradict
            each other; an unknown model; weights that are not there.
    """
    parser = flags.parser(Train, f"train-{framework}")
    typed = flags.given(Train, parser, flags.arguments(argv))
    if typed.get("steps") and typed.get("epochs"):
        raise UserError("--steps and --epochs cannot both be given: each says how long the run is")
    if "config" in typed:
        typed = _over(typed, read(typed["config"]))
    if typed.get("resume") and typed.get("fresh"):
        raise UserError("--resume and --fresh cannot both be given")
    config = Train(**typed)
    if config.logger == "mlflow":
        tracking.check()
    run = RunFolder(volume.runs / (config.run or default_run(config.data, framework)))
    saved = {} if config.fresh or not (run.path / "config.json").is_file() else run.config()
    if saved and saved["framework"] != framework:
        raise UserError(
            f"run {run.name!r} was trained with {saved['framework']}, not with {framework}: give another --run"
        )
    if config.resume:
        if not saved:
            raise UserError(f"--resume: there is no run {run.name!r} to go on with; leave --resume out to start it")
        saved = {key: value for key, value in saved.items() if key in SAVED and value is not None}
        config = Train(**_over(typed, saved))
    open_ones = {
        key: saved[key] for key in ("model", "weights", "size") if getattr(config, key) is None and key in saved
    }
    config = dataclasses.replace(config, **open_ones)
    model = catalogue.choose(models, config.model, config.weights)
    if config.freeze:
        model.check_freeze(config.freeze)
    weights = config.weights or _fetched(model, volume)
    small = model.fitting(SMALL_SIZE)
    size = config.size or (small if weights == NONE else _size_of(weights, volume) or model.size)
    model.check_size(size)
    return dataclasses.replace(config, model=model.name, weights=weights, size=size)


def _over(upper: dict[str, Any], lower: dict[str, Any]) -> dict[str, Any]:
    """Flags over others; a length in epochs takes the place of one in steps."""
    return {key: value for key, value in lower.items() if key != "steps" or "epochs" not in upper} | upper


def _fetched(model: Model, volume: Volume) -> str:
    """The word of --weights when it is not given."""
    coco = model.weights.get("coco")
    return "coco" if coco and (volume.weights / coco.file_name).is_file() else NONE


def _size_of(weights: str, volume: Volume) -> int | None:
    """The input size of the run that --weights names, if it names one."""
    run = RunFolder(volume.runs / weights)
    return run.config()["size"] if (run.path / "config.json").is_file() else None


def read(path: Path) -> dict[str, Any]:
    """The flags in a JSON or TOML file, by name; what config.json holds beside flags is passed over.

    Raises:
        UserError: it is no such file, or one of its flags or values is not allowed; the message names both.
    """
    try:
        text = path.read_text()
        values: dict[str, Any] = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise UserError(f"--config {path}: {error}; it must be a JSON file, or a TOML file named *.toml") from None
    if not isinstance(values, dict):
        raise UserError(f'--config {path}: it must hold flags by name, like {{"epochs": 20}}')
    values = {key.replace("-", "_"): value for key, value in values.items() if value is not None}
    allowed = {item.name for item in dataclasses.fields(Train)} - {"config"}
    for key in values:
        if key not in allowed | SETTLED_ELSEWHERE:
            raise UserError(f"--config {path}: {unknown('flag', key, allowed)}")
    values = {key: value for key, value in values.items() if key in allowed}
    for key, value in values.items():
        is_switch = flags.value_type(Train, key) is bool
        if is_switch != isinstance(value, bool) or isinstance(value, dict | list):
            expected = "true or false" if is_switch else "one word or number"
            raise UserError(f"--config {path}: {flags.option(key)} is {json.dumps(value, default=str)}, not {expected}")
    parser = flags.parser(Train)
    parser.error = functools.partial(_refuse, path)
    return flags.given(Train, parser, flags.to_argv(Train, values))


def _refuse(path: Path, message: str) -> NoReturn:
    raise UserError(f"--config {path}: {message.removeprefix('argument ')}")
