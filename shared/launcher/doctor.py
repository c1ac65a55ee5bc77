"""`./inv doctor`: what a verb would use on this machine, and what stands between it and a good run."""

from __future__ import annotations

import dataclasses
import getpass
import json
import os
import platform
import socket
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

from isomer import answers, files
from isomer.errors import CheckFailed, UserError
from launcher import checkup, engines, project
from launcher.checkup import ERROR, Finding, World
from launcher.checkup.folders import free
from launcher.options import Doctor
from launcher.verbs import Parsed

STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}
RUNS = 5  # whose records a bug report holds


def run(given: Parsed) -> None:
    options = given.flags
    name, known = _engine(options)
    findings = checkup.examine(World(name))
    if options.bundle:
        write_bundle(options.bundle, known, findings)
        print(
            f"wrote {options.bundle}: no path, user or host name of this machine is in it; read it before you send it"
        )
    answers.give(options.json, report(known, findings))
    if not options.bundle and not options.json:
        show(known, findings)
    errors = [finding.code for finding in findings if finding.level == ERROR]
    if errors:
        raise CheckFailed(f"a run would fail here: {', '.join(errors)}")


def _engine(flags: Doctor) -> tuple[str, dict[str, str]]:
    """The engine that a verb would use, and the facts; one that was asked for and cannot be used has none."""
    try:
        engine = engines.choose(flags)
        return engine.NAME, dict(facts(engine))
    except UserError as error:
        name = flags.engine or os.environ["ISOMER_ENGINE"]
        if name not in engines.NAMES:
            raise
        return name, {"engine": str(error)}


def facts(engine: ModuleType) -> list[tuple[str, str]]:
    """What there is, as pairs of a heading and words."""
    others = [engines.load(name) for name in engines.NAMES if name != engine.NAME]
    revision, dirty = project.git_state()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return [
        ("engine", f"{engine.NAME}: {engine.version()}"),
        *((f"engine {other.NAME}", other.unavailable() or "can be used, too") for other in others),
        ("GPU", engine.gpu() or "none: training and export on the CPU"),
        ("computer", f"{len(os.sched_getaffinity(0))} cores, {memory:.0f} GB memory, {platform.machine()}"),
        ("data volume", f"{project.volume().root}, {free(project.volume().root):.0f} GB free"),
        (f"disk of the {engine.NAME} engine", f"{engine.place()}, {free(engine.place()):.0f} GB free"),
        *((f"image {name}", engine.describe(name)) for name in project.images()),
        ("base image", os.environ.get("ISOMER_BASE_IMAGE") or "as the Dockerfiles say"),
        ("revision", f"{revision}{', changed since' if dirty == 'true' else ''}"),
    ]


def show(known: dict[str, str], findings: list[Finding]) -> None:
    """The facts as a table, and a line and a command for each finding."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    table = Table(show_header=False)
    for row in known.items():
        table.add_row(*row)
    console.print(table)
    for finding in findings:
        console.print(f"[{STYLES[finding.level]}]{finding.level}[/] [bold]{finding.code}[/]: ", end="")
        console.print(finding.sentence, markup=False, soft_wrap=True)
        console.print(f"    {finding.cure}", markup=False, soft_wrap=True)
    if not findings:
        console.print("nothing stands in the way")


def report(known: dict[str, str], findings: list[Finding]) -> dict[str, Any]:
    """What --json prints."""
    return {"facts": known, "findings": [dataclasses.asdict(finding) for finding in findings]}


def write_bundle(path: Path, known: dict[str, str], findings: list[Finding]) -> None:
    """A zip archive for a bug report: facts, findings, packages, and the records of the last runs, made anonymous."""
    packages = _output(sys.executable, "-m", "pip", "list", "--format=freeze")
    members = {
        "doctor.json": json.dumps(report(known, findings), indent=2),
        "host-packages.txt": packages,
        "changes.txt": _output("git", "-C", str(project.ROOT), "status", "--short"),
        "docker.txt": _output("docker", "version"),
        "nvidia-smi.txt": _output("nvidia-smi"),
    }
    records = sorted(project.volume().runs.glob("*/run.json"), key=lambda found: found.stat().st_mtime)
    for record in records[-RUNS:]:
        for found in (record, record.with_name("config.json"), record.with_name("gate.json")):
            if found.is_file():
                members[f"runs/{found.parent.name}/{found.name}"] = found.read_text(errors="replace")
    with files.replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(anonymous(name), anonymous(text))


def anonymous(text: str) -> str:
    """Text without the paths of this machine, the user's name and the host's."""
    home, user, host = str(Path.home()), _user(), socket.gethostname()
    words = {str(project.volume().root): "DATA", str(project.ROOT): "ISOMER", home: "HOME", user: "USER", host: "HOST"}
    for word in sorted(words, key=len, reverse=True):
        if len(word) > 2:  # "/" is the home of some users
            text = text.replace(word, f"<{words[word]}>")
    return text


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a uid without a name
        return ""


def _output(*argv: str) -> str:
    """What a command says, or why it says nothing."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{argv[0]}: {error}\n"
    return done.stdout + done.stderr
