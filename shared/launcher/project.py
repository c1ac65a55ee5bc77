"""What the repository holds: the images, their scripts and locks, the revision. The folder is the list."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from isomer.errors import UserError, known
from isomer.files import sha256_of_file
from isomer.volume import Volume

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "images"
STATE = ROOT / ".isomer"  # what the launcher makes for itself: environments
WANTED = "requirements.in"
LOCK = "requirements.lock"
CPU_LOCK = "requirements.cpu.lock"
NPM_PACKAGES = "package.json"  # what an image has from npm
NPM_LOCK = "package-lock.json"
NODE_LOCK = "node.lock"  # of npm itself, which is needed only to fetch that


def images() -> list[str]:
    return sorted(path.parent.name for path in IMAGES.glob("*/Dockerfile"))


def frameworks() -> list[str]:
    """The images that train."""
    return images_with("train")


def images_with(script: str) -> list[str]:
    return [name for name in images() if (IMAGES / name / f"{script}.py").is_file()]


def check_image(name: str) -> str:
    if name not in images():
        raise known("image", name, images())
    return name


def lock_of(image: str, cpu: bool = False) -> Path:
    """The locked set of an image; with `cpu` the smaller one where there is one."""
    smaller = IMAGES / image / CPU_LOCK
    return smaller if cpu and smaller.is_file() else IMAGES / image / LOCK


def extra_locks(image: str) -> dict[str, Path]:
    """Further locked sets of an image: each is an environment of that name inside the image's own."""
    names = {path: path.name.split(".")[1] for path in sorted((IMAGES / image).glob("requirements.*.lock"))}
    return {name: path for path, name in names.items() if path.name != CPU_LOCK and path.name != LOCK}


def inputs_sha256(image: str, base: str | None = None) -> str:
    """One hash of everything an image is built from, so that a stale image is known without building.

    Args:
        base: the image it starts from; None: the one that this machine builds with.
    """
    paths = [ROOT / ".dockerignore", IMAGES / "uv.lock", *_code(image)]
    return _sha256_of(paths, f"{os.environ.get('ISOMER_BASE_IMAGE', '') if base is None else base}\n")


def code_sha256(image: str) -> str:
    """One hash of the code that runs in an image, committed or not."""
    return _sha256_of(path for path in _code(image) if path.suffix != ".lock")


def _code(image: str) -> list[Path]:
    """What of the repository is in an image."""
    folders = (IMAGES / image, ROOT / "shared" / "isomer")
    return [path for folder in folders for path in folder.rglob("*") if path.is_file() and _is_built_in(path)]


def _sha256_of(paths: Iterable[Path], first: str = "") -> str:
    lines = [f"{path.relative_to(ROOT)} {sha256_of_file(path)}\n" for path in sorted(paths)]
    return hashlib.sha256("".join([first, *lines]).encode()).hexdigest()


def _is_built_in(path: Path) -> bool:
    """Whether .dockerignore lets the file in."""
    return "__pycache__" not in path.parts and path.suffix not in (".md", ".in")


@cache
def git_state() -> tuple[str, str]:
    """The revision and whether the tree differs from it ("true", "false"); "unknown" outside a git checkout."""
    try:
        revision = _git("rev-parse", "HEAD").strip()
        return revision, str(bool(_git("status", "--porcelain").strip())).lower()
    except (OSError, subprocess.CalledProcessError):
        return "unknown", "unknown"


def changed_since(revision: str, paths: Iterable[str]) -> list[str] | None:
    """The files below `paths` that differ from a revision, or are new; None where it is not known.

    Guides are left out, and locks, whose hashes tell more.
    """
    paths = list(paths)
    try:
        lines = _git("diff", "--name-only", revision, "--", *paths).splitlines()
        lines += _git("ls-files", "--others", "--exclude-standard", "--", *paths).splitlines()
    except (OSError, subprocess.CalledProcessError):
        return None
    return sorted(line for line in lines if _is_built_in(Path(line)) and not line.endswith(".lock"))


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def volume() -> Volume:
    """The data volume of this command: `$ISOMER_DATA`, else `data` in the repository."""
    given = os.environ.get("ISOMER_DATA")
    return Volume(Path(given).resolve() if given else ROOT / "data")


def make_volume() -> Volume:
    """The data volume, with the folders that containers see made as the caller's own.

    Raises:
        UserError: a folder cannot be made.
    """
    made = volume()
    try:
        made.datasets.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the data volume {made.root}: {error.strerror}; set ISOMER_DATA") from None
    return made


def chosen(what: str, words: str | Iterable[str] | None, choices: list[str]) -> list[str]:
    """Names given with commas, checked against those known; all of them when none is given."""
    if not words:
        return choices
    names = words.split(",") if isinstance(words, str) else list(words)
    for name in names:
        if name not in choices:
            raise known(what, name, choices)
    return list(dict.fromkeys(names))
