"""The venv engine: a virtual environment an image, made by uv from the image's own lock.

.isomer/venvs/IMAGE-HASH/   HASH is the lock's; the file `complete` is written last
    …/SET/                  an environment of its own for each further requirements.SET.lock of the image
.isomer/venvs/TOOL-HASH/    for a tool that the host needs seldom
.isomer/venvs/web-IMAGE-HASH/   what browsers run models with; HASH is that of the npm packages' lock and npm's own
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from isomer.errors import UserError
from isomer.files import sha256_of_file
from launcher import locking, process, project
from launcher.process import Command
from launcher.step import Step, provenance

NAME = "venv"
LISTEN = "127.0.0.1"
IN_BACKGROUND = True  # uv says little, and downloads more than it works
VENVS = project.STATE / "venvs"
MARKER = "complete"
PYTHON = "3.11"  # what the locks are made for


def unavailable() -> str | None:
    return None


@cache
def gpu() -> str | None:
    """The names of the GPUs, as nvidia-smi tells them."""
    if not shutil.which("nvidia-smi"):
        return None
    asked = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    return "; ".join(done.stdout.split("\n")).strip("; ") or None if done.returncode == 0 else None


def version() -> str:
    return "environments made by uv"


def place() -> Path:
    """Where the environments lie."""
    return VENVS


def lock_of(image: str, device: str = "auto") -> Path:
    # --device gpu where there is none is for other machines, which see this one's environments
    return project.lock_of(image, cpu=device == "cpu" or (device == "auto" and gpu() is None))


def folder(image: str, device: str = "auto") -> Path:
    locks = [lock_of(image, device), *project.extra_locks(image).values()]
    return VENVS / f"{image}-{_hash(locks)}"


def _hash(files: Iterable[Path]) -> str:
    return hashlib.sha256("".join(map(sha256_of_file, files)).encode()).hexdigest()[:12]


def is_ready(image: str, device: str = "auto") -> bool:
    return (folder(image, device) / MARKER).is_file()


def prepare(image: str, device: str = "auto") -> None:
    """Make the environment of an image if it is not there whole; two at once wait for each other.

    Raises:
        UserError: uv could not make it.
    """
    target = folder(image, device)
    if is_ready(image, device):
        return
    with _only_one(target):
        if is_ready(image, device):
            return
        shutil.rmtree(target, ignore_errors=True)
        lock = lock_of(image, device)
        _fill(image, target, lock)
        for name, extra in project.extra_locks(image).items():
            _fill(image, target / name, extra)
        (target / MARKER).write_text(f"{lock.relative_to(project.ROOT)}\n")


def _fill(image: str, target: Path, lock: Path) -> None:
    uv = str(Path(sys.executable).parent / "uv")
    made = (uv, "venv", "--quiet", "--python", PYTHON, str(target))
    source = str(lock.relative_to(project.ROOT))
    filled = (uv, "pip", "install", "--quiet", "--python", str(target), "--require-hashes", "-r", source)
    # Large wheels over a slow line take longer than uv's 30 s between two packets
    for command in (Command(made), Command(filled, {"UV_HTTP_TIMEOUT": "300"})):
        _make(command, f"make the environment of {image}")


def tool(name: str, lock: Path) -> Path:
    """The folder of an environment of the host's for one tool, made when it is asked for first.

    Raises:
        UserError: uv could not make it.
    """
    target = VENVS / f"{name}-{_hash([lock])}"
    if not (target / MARKER).is_file():
        with _only_one(target):
            if not (target / MARKER).is_file():
                shutil.rmtree(target, ignore_errors=True)
                _fill(name, target, lock)
                (target / MARKER).write_text(f"{lock.relative_to(project.ROOT)}\n")
    return target


def web(image: str) -> str:
    """The folder of onnxruntime-web's files, fetched when it is asked for first; two at once wait for each other.

    Raises:
        UserError: npm could not fetch them.
    """
    scripts = project.IMAGES / image
    sources = [scripts / name for name in (project.NODE_LOCK, project.NPM_LOCK, "web.py")]
    target = VENVS / f"web-{image}-{_hash(sources)}"
    if not target.is_dir():
        with _only_one(target):
            if not target.is_dir():
                with npm(image) as python:
                    fetched = (str(python), str(scripts / "web.py"), "fetch", str(target))
                    _make(Command(fetched), "fetch onnxruntime-web by npm")
    return str(target)


@contextlib.contextmanager
def npm(image: str) -> Iterator[Path]:
    """The Python of an environment with npm as an image's lock has it: 200 MB, needed only inside the block."""
    VENVS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".npm.", dir=VENVS) as folder:
        home = Path(folder) / "npm"
        _fill("npm", home, project.IMAGES / image / project.NODE_LOCK)
        yield home / "bin" / "python"


def _make(command: Command, what: str) -> None:
    process.show(command)
    if process.run(command) != 0:
        raise UserError(f"could not {what} (see above); call again to try again")


build = prepare  # an environment is made from its lock alone: there when whole, never stale


def describe(image: str) -> str:
    """Where the environment is."""
    what = f"{folder(image).relative_to(project.ROOT)} from {lock_of(image).name}"
    return what if is_ready(image) else "no environment yet"


def _only_one(target: Path) -> contextlib.AbstractContextManager[None]:
    return locking.only_one(target.parent / f".{target.name}.lock", f"makes {target.name}")


def command(step: Step) -> Command:
    """The command that runs a step, from the repository's root as in a container from /opt/isomer."""
    home = folder(step.image, step.device)
    scripts = project.IMAGES / step.image
    program = str(home / "bin" / "python") if step.program == "python" else step.program
    argv = [str(item) for item in step.argv]
    if argv and not step.tests and step.program == "python":
        argv[0] = str((scripts / argv[0]).relative_to(project.ROOT))
    extra = {key: str(value) for key, value in step.env.items()}
    if step.tests:
        extra["ISOMER_SCRIPTS"] = str(scripts)
    if step.program != "python":
        extra["PATH"] = f"{home / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return Command(
        (program, *argv),
        {
            **provenance(step.image, NAME, home.name, lock_of(step.image, step.device)),
            "ISOMER_DATA": str(project.volume().root),
            "PYTHONNOUSERSITE": "1",
            "PYTHONPATH": str(project.ROOT / "shared"),
            "PYTHONUNBUFFERED": "1",
            **extra,
        },
    )


def shown(step: Step) -> str:
    """The command of a step, for --dry-run."""
    return command(step).line()


def run(step: Step) -> int:
    made = command(step)
    process.show(made)
    return process.run(made, foreground=step.program != "python", answers_here=step.is_answer)
