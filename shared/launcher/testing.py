"""`./inv test`: style, the host's tests, and each image's tests inside the image.

A folder says where its tests run: tests/images/NAME in that image, tests/images/detectors in every image that
trains, tests/shared/isomer in the image that holds no framework, everything else on the host.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from isomer.errors import CheckFailed, UserError
from launcher import engines, process, project
from launcher.process import Command
from launcher.step import Step
from launcher.verbs import Parsed

TESTS = Path("tests")
HOST = "host"  # beside the images: style, and the tests of the launcher and the repository
NO_TESTS_CODE = 5  # pytest's, when it collects none


@dataclass(frozen=True)
class Part:
    """One line of the summary: what ran, its exit code, its time in seconds."""

    name: str
    code: int
    seconds: float


def run(given: Parsed) -> None:
    names = project.chosen("image", given.flags.image, [HOST, *project.images()])
    engine = engines.choose(given.flags)
    slow = given.flags.slow
    parts = []
    if HOST in names:
        names.remove(HOST)
        pytest = ("pytest", *pytest_options(slow), *host_folders())
        parts.append(_timed("style", lambda: _host("ruff", "check") or _host("ruff", "format", "--check")))
        parts.append(_timed("host", lambda: _host(*pytest, ISOMER_TEST_ENGINE=engine.NAME)))
    parts += [_timed(f"image {name} ({engine.NAME})", lambda name=name: _inside(engine, name, slow)) for name in names]
    print("\n" + "\n".join(f"{_verdict(part):>6}  {part.name}  {part.seconds:.0f} s" for part in parts), flush=True)
    failed = [part.name for part in parts if part.code != 0]
    if failed:
        raise CheckFailed(f"failed: {', '.join(failed)}")


def host_folders() -> list[str]:
    """The tests that run on the host: all but those of the images and of the library they carry."""
    top = [path for path in (project.ROOT / TESTS).iterdir() if path.match("test_*.py")]
    return [*sorted(str(path.relative_to(project.ROOT)) for path in top), str(TESTS / "shared" / "launcher")]


def image_folders(image: str) -> list[str]:
    """The tests that run inside an image."""
    wanted = [TESTS / "images" / image]
    wanted.append(TESTS / "images" / "detectors" if image in project.frameworks() else TESTS / "shared" / "isomer")
    return [str(path) for path in wanted if (project.ROOT / path).is_dir()]


def pytest_options(slow: bool) -> list[str]:
    return ["-q"] if slow else ["-q", "-m", "not slow"]


def step(image: str, slow: bool, web: str | None = None) -> Step:
    """The step that runs an image's tests; real cases are shown to it where this machine has them.

    Args:
        web: the folder of onnxruntime-web's files.
    """
    env: dict[str, str | Path] = {} if web is None else {"ISOMER_WEB": web}
    cases = Path(os.environ.get("ISOMER_CASES", project.ROOT.parent / "shared" / "cases")).resolve()
    if cases.is_dir():
        env["ISOMER_CASES"] = cases
    return Step(image, ("-m", "pytest", *pytest_options(slow), *image_folders(image)), env, tests=True)


def _inside(engine: ModuleType, image: str, slow: bool) -> int:
    if not image_folders(image):
        print(f"{image}: no tests")
        return 0
    project.make_volume()
    engine.prepare(image)
    return engine.run(step(image, slow, _web(engine, image)))


def _web(engine: ModuleType, image: str) -> str | None:
    """The folder of what an image has from npm; None where it has nothing, or npm reaches no registry."""
    if not (project.IMAGES / image / project.NPM_LOCK).is_file():
        return None
    try:
        return engine.web(image)
    except UserError as error:
        print(f"{image}: {error}; the tests that need it say so and are left out", flush=True)
        return None


def _host(tool: str, *arguments: str, **env: str) -> int:
    command = Command((sys.executable, "-m", tool, *arguments), env)
    process.show(command)
    return process.run(command)


def _timed(name: str, work: Callable[[], int]) -> Part:
    print(f"\n── {name}", flush=True)
    start = time.monotonic()
    code = work()
    return Part(name, 0 if code == NO_TESTS_CODE else code, time.monotonic() - start)


def _verdict(part: Part) -> str:
    return "ok" if part.code == 0 else "FAILED"
