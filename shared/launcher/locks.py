"""`./inv lock`: every requirements*.in that is installed, compiled to its lock with hashes."""

from __future__ import annotations

import sys
from pathlib import Path

from isomer.errors import UserError
from launcher import process, project
from launcher.process import Command
from launcher.verbs import Parsed


def locked() -> list[Path]:
    """The files to compile: the host's, uv's, and each image's; what others only include has no lock of its own."""
    found = [project.ROOT / "requirements.in", project.IMAGES / "uv.in"]
    for name in project.images():
        found += [project.IMAGES / name / lock for lock in ("requirements.in", "requirements.cpu.in")]
    return [path for path in found if path.is_file()]


def command(source: Path, upgrade: bool = False) -> Command:
    """The command that renews one lock; it leaves no index address and no path of this machine in the file."""
    argv = [str(Path(sys.executable).parent / "uv"), "pip", "compile", "--quiet"]
    argv += ["--generate-hashes", "--no-emit-index-url", "--no-emit-find-links", "--python-version", "3.11"]
    argv += ["--custom-compile-command", "invoke lock", *(["--upgrade"] if upgrade else [])]
    source = source.relative_to(project.ROOT)
    return Command((*argv, str(source), "-o", str(source.with_suffix(".lock"))))


def run(given: Parsed) -> None:
    for source in locked():
        made = command(source, given.flags.upgrade)
        process.show(made)
        if process.run(made) != 0:
            raise UserError(f"could not lock {source.relative_to(project.ROOT)} (see above); its old lock is unchanged")
