"""`./inv lock`: every requirements*.in that is installed, compiled to its lock with hashes; the base image's digest."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from isomer import files
from isomer.errors import UserError
from launcher import process, project
from launcher.engines import venv
from launcher.process import Command
from launcher.verbs import Parsed


def locked() -> list[Path]:
    """The files to compile: the host's, uv's, the site's, each image's; what others only include has no lock itself."""
    found = [
        project.ROOT / "requirements.in",
        project.IMAGES / "uv.in",
        *(project.ROOT / "docs").rglob("requirements.in"),
    ]
    for name in project.images():
        found += [project.IMAGES / name / lock for lock in ("requirements.in", "requirements.cpu.in")]
        found.append((project.IMAGES / name / project.NODE_LOCK).with_suffix(".in"))
        found += [lock.with_suffix(".in") for lock in project.extra_locks(name).values()]
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
    for name in project.images():
        if (project.IMAGES / name / project.NPM_PACKAGES).is_file():
            lock_npm(name, given.flags.upgrade)
    if given.flags.upgrade:
        renew_base()


def lock_npm(image: str, upgrade: bool = False) -> None:
    """Renew the lock of what an image has from npm, with hashes and without addresses.

    Raises:
        UserError: npm could not; the old lock is unchanged.
    """
    with venv.npm(image) as python:
        made = Command((str(python), str(project.IMAGES / image / "web.py"), "update" if upgrade else "lock"))
        process.show(made)
        if process.run(made) != 0:
            raise UserError(f"could not lock {image}'s {project.NPM_PACKAGES} (see above); its old lock is unchanged")


BASE = re.compile(r"^(ARG BASE_IMAGE=)([^@\s]+)@(sha256:[0-9a-f]{64})$", re.MULTILINE)


def renew_base() -> None:
    """Write the digest that the base image's tag has now into every Dockerfile.

    Raises:
        UserError: the registry does not answer; nothing is changed.
    """
    dockerfiles = [project.IMAGES / name / "Dockerfile" for name in project.images()]
    tag = BASE.search(dockerfiles[0].read_text())[2]
    made = Command(("docker", "buildx", "imagetools", "inspect", tag, "--format", "{{.Manifest.Digest}}"))
    process.show(made)
    try:
        done = subprocess.run(made.argv, capture_output=True, text=True, check=False)
    except OSError as error:
        raise UserError(f"the base image's digest stays as it is: {error}") from None
    digest = done.stdout.strip()
    if done.returncode != 0 or not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        raise UserError(f"the base image's digest stays as it is, no registry answers: {done.stderr.strip()}")
    for path in dockerfiles:
        files.write_text(path, BASE.sub(rf"\g<1>{tag}@{digest}", path.read_text()))
    print(f"{tag} is {digest}")
