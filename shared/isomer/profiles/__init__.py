"""Profiles: what a client program does with a model, declared. The folder is the list. Standard library only.

A profile does not change the contract; it says which of the models that the contract allows a client can use:

    title, source      what the client is, and where it can be read
    onnxruntime        version that it runs, if it is known
    [input]            type, layout and channels that it feeds, frames (height, width) that it feeds
    [outputs]          taken "by position" or "by name"; their order; count "a list" where it indexes num_detections
    [classes]          what it takes a class id for; ids that are not listed mean nothing to it
    [client]           threshold that it applies itself, and whether it does NMS
    [export]           flags of the export that are for this client, besides the channel order and the class order
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isomer.errors import UserError

FOLDER = Path(__file__).parent
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


@dataclass(frozen=True)
class Profile:
    """A client. `frames` are (height, width), pixels; `classes` the names by id; `export` flags of an export."""

    name: str
    title: str
    source: str
    onnxruntime: str | None
    type: str
    layout: str
    channels: str
    frames: tuple[tuple[int, int], ...]
    by_position: bool
    outputs: tuple[str, ...]
    count_is_list: bool
    classes: dict[int, str]
    threshold: float
    nms: bool
    export: dict[str, Any]


def load(name: str) -> Profile:
    """The profile of a name in NAMES."""
    value = tomllib.loads((FOLDER / f"{name}.toml").read_text())
    return Profile(
        name=name,
        title=value["title"],
        source=value["source"],
        onnxruntime=value.get("onnxruntime"),
        type=value["input"]["type"],
        layout=value["input"]["layout"],
        channels=value["input"]["channels"],
        frames=tuple((height, width) for height, width in value["input"]["frames"]),
        by_position=value["outputs"]["taken"] == "by position",
        outputs=tuple(value["outputs"]["order"]),
        count_is_list=value["outputs"]["count"] == "a list",
        classes={int(number): word for number, word in value.get("classes", {}).items()},
        threshold=value["client"]["threshold"],
        nms=value["client"]["nms"],
        export=value.get("export", {}),
    )


def class_order(profile: Profile, classes: tuple[str, ...]) -> tuple[str, ...]:
    """The classes of a model in the order that the client wants: its own first, the others behind as they are.

    Upper and lower case do not count: the client knows its classes by their ids.

    Raises:
        UserError: the client asks for a class that the model does not have.
    """
    by_word = {name.casefold(): name for name in reversed(classes)}
    missing = [name for name in profile.classes.values() if name.casefold() not in by_word]
    if missing:
        looked_for = f"--profile {profile.name}: its client looks for {', '.join(missing)}; the model's classes are"
        if all(name.isdigit() for name in classes):
            raise UserError(
                f"{looked_for} not named ({', '.join(classes[:6])} are their ids): convert --classes a,b … names them"
            )
        raise UserError(
            f"{looked_for} {', '.join(classes)}. Rename it in the dataset (data-import --classes old=new), in a "
            "model made elsewhere (convert --classes), or leave --profile out"
        )
    wanted = {number: by_word[name.casefold()] for number, name in profile.classes.items()}
    others = iter([name for name in classes if name not in wanted.values()])
    return tuple(wanted.get(number) or next(others) for number in range(1, len(classes) + 1))
