"""YOLO: a text file a picture, a box a line. https://docs.ultralytics.com/datasets/detect/

    class cx cy width height [confidence]      fractions of the picture
    class x1 y1 x2 y2 x3 y3 …                  a polygon (or a turned box): the rectangle around it is taken

Class names come from Ultralytics' data.yaml, from darknet's obj.names, or from classes.txt beside the labels; splits
from data.yaml, from darknet's lists of pictures (obj.data), or from folders' names. Paths in these files are rarely
true where the data lies now (Roboflow writes `../train/images`): their last parts that exist are taken.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import yaml

from isomer.dataset.documents import decoded
from isomer.dataset.source import AnnotationError, LeftOut, Reading, SourceBox, SourcePicture, Tree, some

NAME = "yolo"
ACCEPTS = "YOLO, a .txt file a picture with lines `class cx cy width height` or polygons, data.yaml or classes.txt"
NAMES_FILE = re.compile(r"(.*\.names|_darknet\.labels|(predefined_)?classes\.txt|labels\.txt)", re.IGNORECASE)
SPLIT_KEYS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
SAMPLE = 50
LARGEST_FRACTION = 2.0  # a box may stick out of its picture; what is further off are pixels


@dataclass
class Config:
    """What data.yaml or obj.data says. names: by class id; splits: the paths behind each, as written.

    points: numbers per key point, 0 if there are none: then a line goes on behind its box.
    """

    names: dict[int, str] = field(default_factory=dict)
    splits: dict[str, list[str]] = field(default_factory=dict)
    licence: str | None = None
    points: int = 0


def evidence(tree: Tree) -> str | None:
    labels = _label_files(tree)
    heads = {name: head for name in labels[:SAMPLE] if (head := tree.head(name).strip())}
    example = next((name for name, head in heads.items() if _is_label(head)), None)
    names = [*(name for name, config in _configs(tree).items() if config.names), *_names_files(tree)]
    if example is None and (heads or not labels or not names):
        return None
    classes = f"class names in {some(names, 3)}" if names else "no class names"
    lines = f", {example} has lines of a class and fractions" if example else ", all empty"
    return f"{len(labels)} .txt files with the names of pictures{lines}; {classes}"


def read(tree: Tree) -> Reading:
    """Every label file, and the pictures that a split names without one."""
    reading = Reading()
    configs = _configs(tree)
    config = configs[min(configs, key=lambda name: name.count("/"))] if configs else Config()
    names_files = {name: parse_names(decoded(tree.read(name))) for name in _names_files(tree)}
    reading.licence = config.licence
    lists = _split_lists(tree, config, reading)
    used: Counter[int] = Counter()
    own_names: dict[str, dict[int, str]] = {}
    for name in _label_files(tree):
        place = PurePosixPath(name)
        folder = str(place.parent)
        if folder not in own_names:
            own_names[folder] = config.names or _nearest_names(names_files, place)
        names = own_names[folder]
        boxes, left_out = parse(tree.read(name), names, name, points=config.points)
        if not names:
            used.update(int(box.label.removeprefix("class_")) for box in boxes)
        reading.left_out += left_out
        reading.pictures.append(SourcePicture(name, (place.stem,), None, tuple(boxes), fractions=True))
    reading.pictures = _with_splits(tree, reading, lists)
    reading.labels = tuple(dict.fromkeys(label for names in own_names.values() for _, label in sorted(names.items())))
    if used:
        reading.notes.append("no class names found (data.yaml, obj.names, classes.txt): classes are called class_ID")
        reading.labels = tuple(f"class_{number}" for number in sorted(used))
    return reading


def parse(data: bytes, names: dict[int, str], name: str, *, points: int = 0) -> tuple[list[SourceBox], list[LeftOut]]:
    """One label file's boxes, in fractions, and what cannot be used; without any `names` a class is `class_ID`."""
    boxes, left_out = [], []
    for number, line in enumerate(data.decode("utf-8-sig", "replace").splitlines(), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        try:
            boxes.append(_box(words, names, points))
        except AnnotationError as error:
            left_out.append(LeftOut("box", str(error), f"{name}, line {number}", 1))
    return boxes, left_out


def parse_yaml(text: str) -> Config | None:
    """data.yaml, or None if it is another.

    Raises:
        AnnotationError: it is no YAML.
    """
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise AnnotationError(f"no readable YAML ({' '.join(str(error).split())})") from None
    if not isinstance(value, dict) or not isinstance(value.get("names"), list | dict):
        return None
    names = value["names"]
    pairs = names.items() if isinstance(names, dict) else enumerate(names)
    config = Config({int(number): str(label).strip() for number, label in pairs if str(number).strip().isdigit()})
    base = str(value.get("path") or "")
    for key, split in SPLIT_KEYS.items():
        entries = value.get(key)
        for entry in entries if isinstance(entries, list) else [entries] if entries else []:
            config.splits.setdefault(split, []).append(f"{base}/{entry}")
    roboflow = value.get("roboflow")
    if isinstance(roboflow, dict) and roboflow.get("license"):
        config.licence = str(roboflow["license"])
    shape = value.get("kpt_shape")
    config.points = shape[0] * shape[1] if isinstance(shape, list) and len(shape) == 2 else 0
    return config


def parse_data(text: str) -> Config:
    """Darknet's obj.data: lines `train = path`, `valid = path`, `names = path` (whose file is found by its name)."""
    config = Config()
    for line in text.splitlines():
        key, _, value = (part.strip() for part in line.partition("="))
        if key in SPLIT_KEYS and value:
            config.splits.setdefault(SPLIT_KEYS[key], []).append(value)
    return config


def parse_names(text: str) -> dict[int, str]:
    """A name a line, the first is class 0."""
    return {number: line.strip() for number, line in enumerate(text.splitlines()) if line.strip()}


def _box(words: list[str], names: dict[int, str], points: int) -> SourceBox:
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        raise AnnotationError("in a line with words where YOLO has numbers") from None
    number, *rest = numbers
    if not number.is_integer() or number < 0:
        raise AnnotationError(f"of class {words[0]}, which is no class id")
    label = names.get(int(number)) if names else f"class_{int(number)}"
    if not label:
        raise AnnotationError(f"of class {int(number)}, which has no name")
    if len(rest) in (4, 5) or (points and len(rest) >= 4 + points):
        x, y, width, height = rest[:4]
        box = SourceBox(label, x - width / 2, y - height / 2, width, height)
    elif len(rest) >= 6 and len(rest) % 2 == 0:
        box = SourceBox.around(label, zip(rest[0::2], rest[1::2], strict=True))
    else:
        raise AnnotationError(f"in a line of {len(words)} numbers: a class and 4 are a box, and 6 or more a polygon")
    if max(map(abs, rest[:4])) > LARGEST_FRACTION:
        raise AnnotationError("in other numbers than fractions of its picture")
    return box


def _is_label(data: bytes) -> bool:
    line = next(iter(data.decode("utf-8-sig", "replace").strip().splitlines()), "")
    try:
        _box(line.split(), {}, 0)
    except AnnotationError:
        return False
    return True


def _label_files(tree: Tree) -> list[str]:
    """Text files called like a picture; and those in a folder of labels, whose picture may be missing."""
    texts = [name for name in tree.with_suffix(".txt") if not NAMES_FILE.fullmatch(PurePosixPath(name).name)]
    with_picture = {name for name in texts if tree.has_picture(PurePosixPath(name).stem)}
    folders = {PurePosixPath(name).parent for name in with_picture}

    def is_orphan(name: str) -> bool:
        return PurePosixPath(name).parent in folders and _is_label(tree.head(name, 512))

    return [name for name in texts if name in with_picture or is_orphan(name)]


def _configs(tree: Tree) -> dict[str, Config]:
    """data.yaml and its like, by path; without any, darknet's obj.data."""
    found = {}
    for name in (*tree.with_suffix(".yaml"), *tree.with_suffix(".yml")):
        try:
            if config := parse_yaml(decoded(tree.read(name))):
                found[name] = config
        except AnnotationError:
            continue
    return found or {name: parse_data(decoded(tree.read(name))) for name in tree.with_suffix(".data")}


def _names_files(tree: Tree) -> list[str]:
    return [name for name in tree.files if NAMES_FILE.fullmatch(PurePosixPath(name).name)]


def _nearest_names(files: dict[str, dict[int, str]], label: PurePosixPath) -> dict[int, str]:
    """The class names for a label file: from its own folder, else the nearest above, else from anywhere."""
    for folder in label.parents:
        for name, names in files.items():
            if PurePosixPath(name).parent == folder:
                return names
    return next(iter(files.values()), {})


def _split_lists(tree: Tree, config: Config, reading: Reading) -> dict[str, str]:
    """The split of each picture that data.yaml or obj.data gives one, by a folder or by a list."""
    found: dict[str, str] = {}
    by_folder: dict[str, list[str]] = {}
    for path in tree.pictures:
        for folder in PurePosixPath(path).parents:
            by_folder.setdefault(str(folder), []).append(path)
    for split, entries in config.splits.items():
        for entry in entries:
            if PurePosixPath(entry).suffix.lower() == ".txt":
                paths = list(_listed(tree, entry))
                reading.listed = reading.listed or bool(paths)
            else:
                paths = by_folder.get(_existing(entry, by_folder) or "", [])
            fresh = [path for path in paths if path not in found]
            if len(fresh) < len(paths):
                count = len(paths) - len(fresh)
                reading.notes.append(f"{count} pictures of {split} are in another split too, where they stay ({entry})")
            found.update(dict.fromkeys(fresh, split))
    return found


def _existing(path: str, known: dict[str, list[str]]) -> str | None:
    """The longest end of a path that is known."""
    parts = [part for part in re.split(r"[\\/]+", path) if part not in ("", ".", "..")]
    ends = ("/".join(parts[start:]) for start in range(len(parts)))
    ending = next((end for end in ends if end in known), None)
    return ending or ("." if path.strip("/.") == "" and known else None)


def _listed(tree: Tree, entry: str) -> Iterator[str]:
    """The pictures that a list names, those which are there."""
    texts = {name: [] for name in tree.with_suffix(".txt")}
    name = _existing(entry, texts) or next((key for key in texts if key.endswith(PurePosixPath(entry).name)), None)
    for line in decoded(tree.read(name)).splitlines() if name else ():
        if line.strip():
            nearest = tree.find_picture(SourcePicture(name, (line.strip(),), None, ()))
            yield from nearest if len(nearest) == 1 else ()


def _with_splits(tree: Tree, reading: Reading, splits: dict[str, str]) -> list[SourcePicture]:
    """The pictures with the split that each has by list or folder; those with a split and no label file too."""
    if not splits:
        return reading.pictures
    pictures, labelled = [], set()
    for item in reading.pictures:
        nearest = tree.find_picture(item)
        labelled.update(nearest)
        split = splits.get(nearest[0]) if len(nearest) == 1 else None
        if split is None and reading.listed and nearest:
            reading.left_out.append(LeftOut("annotation", "in no list of the source", item.annotation, len(item.boxes)))
        else:
            pictures.append(SourcePicture(item.annotation, item.names, None, item.boxes, split, fractions=True))
    for path, split in splits.items():
        if path not in labelled:
            pictures.append(SourcePicture(path, (path,), None, (), split))
    reading.splits = set(splits.values())
    return pictures
