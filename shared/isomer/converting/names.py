"""What the classes of a model made elsewhere are called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from isomer.dataset import label_maps
from isomer.dataset.formats.yolo import parse_yaml
from isomer.errors import UserError
from isomer.progress import say

BACKGROUND = re.compile(r"_*(background|bg|none|void)_*|\?+", re.IGNORECASE)
# Files beside a model that are there for nothing else.
FILES = re.compile(
    r"(.*labels?([-_]?map)?|.*classes|.*class[-_]names|.*\.names|obj|data)\.(txt|pbtxt|names|ya?ml)|.*\.names",
    re.IGNORECASE,
)
LARGEST = 200_000  # bytes of a list of names


def _names(words: str) -> tuple[str, ...]:
    """Names with commas between them."""
    return tuple(name.strip() for name in words.split(",") if name.strip())


COCO = _names(
    "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,parking meter,"
    "bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,umbrella,handbag,tie,suitcase,frisbee,"
    "skis,snowboard,sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,tennis racket,bottle,wine glass,"
    "cup,fork,knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,"
    "potted plant,bed,dining table,toilet,tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,toaster,sink,"
    "refrigerator,book,clock,vase,scissors,teddy bear,hair drier,toothbrush"
)
_COCO_UNUSED = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)  # of the ids 1 to 90
VOC = _names(
    "aeroplane,bicycle,bird,boat,bottle,bus,car,cat,chair,cow,diningtable,dog,horse,motorbike,person,pottedplant,"
    "sheep,sofa,train,tvmonitor"
)


def coco(count: int) -> tuple[str, ...]:
    """COCO's names for a model of 80 classes, or of the 90 ids of which ten are in no picture."""
    if count != 90:
        return COCO
    left = iter(COCO)
    return tuple(str(number) if number in _COCO_UNUSED else next(left) for number in range(1, 91))


def settle(
    given: str | None, count: int | None, found: Sequence[str] | None, beside: Path | None, where: str = "the model"
) -> tuple[str, ...]:
    """The names, in the order of the model's classes, without a background.

    Args:
        given: --classes: names with commas, a file of names, `coco` or `voc`.
        count: of the model's classes; None where it does not tell.
        found: names that the model itself holds.
        beside: folder where files with names are looked for.

    Raises:
        UserError: the names given are not as many as the classes, or one is there twice; a model without classes.
    """
    if count is not None and count < 1:
        raise UserError(f"{where} has no class: nothing that it could find")
    if given:
        names = _given(given, count)
        return _fitting(names, count, f"--classes {given}")
    if found:
        return _fitting(tuple(found), count, where)
    for path in sorted(beside.iterdir()) if beside is not None and beside.is_dir() else ():
        if path.is_file() and FILES.fullmatch(path.name) and path.stat().st_size <= LARGEST:
            names = _without_background(parse(path), count)
            if names and (count is None or len(names) == count) and len(set(names)) == len(names):
                say(f"class names from {path.name} beside it: {_some(names)}")
                return names
    if count is None:
        raise UserError(f"{where} does not tell how many classes it has: name them with --classes a,b (or coco, voc)")
    hint = {80: ", or --classes coco", 90: ", or --classes coco", 20: ", or --classes voc"}.get(count, "")
    say(f"no class names found: the ids 1 to {count} are the names. --classes a,b … gives them{hint}")
    return tuple(str(number) for number in range(1, count + 1))


def parse(path: Path) -> tuple[str, ...]:
    """The names in a file: one a line (also as `0 name` or `0: name`), a label map, or a data.yaml; else none."""
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    if path.suffix.lower() == ".pbtxt":
        return _by_id(label_maps.parse(text))
    if path.suffix.lower() in (".yaml", ".yml"):
        config = parse_yaml(text)
        return _by_id(config.names) if config is not None else ()
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if len(lines) == 1 and "," in lines[0]:
        return _names(lines[0])
    numbered = [re.fullmatch(r"(\d+)\s*[:,\t ]\s*(.+)", line) for line in lines]
    if lines and all(numbered):
        return _by_id({int(match[1]): match[2].strip() for match in numbered if match})
    return tuple(lines)


def _by_id(names: dict[int, str]) -> tuple[str, ...]:
    """Names in the order of their ids, which begin at 0 or 1; an id between them without a name is its own name."""
    if not names or max(names) > 10_000:
        return ()
    return tuple(names.get(number, str(number)) for number in range(min(1, *names), max(names) + 1))


def _given(words: str, count: int | None) -> tuple[str, ...]:
    if words == "coco":
        return coco(count or len(COCO))
    if words == "voc":
        return VOC
    path = Path(words)
    if path.is_file():
        names = parse(path)
        if not names:
            raise UserError(f"--classes {words}: no names in it; one a line, a label map (.pbtxt) or a data.yaml")
        return names
    return _names(words)


def _without_background(names: tuple[str, ...], count: int | None) -> tuple[str, ...]:
    if names and BACKGROUND.fullmatch(names[0]) and (count is None or len(names) == count + 1):
        return names[1:]
    return names


def _fitting(names: tuple[str, ...], count: int | None, where: str) -> tuple[str, ...]:
    names = _without_background(names, count)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"{where}: {', '.join(twice)} twice; each class has a name of its own")
    if count is not None and len(names) != count:
        raise UserError(
            f"{where}: {len(names)} names ({_some(names)}) for a model of {count} classes (background not counted)"
        )
    return names


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
