"""What stands between this machine and a good run: each module here looks at one subject, and the folder is the list.

A check is a public generator `find_…(world)` of findings. It changes nothing, answers within seconds, and is silent
where all is well.
"""

from __future__ import annotations

import inspect
import os
import pkgutil
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType

from launcher import engines, project

SECONDS = 6.0  # the most that all checks take together
ASK_SECONDS = 5.0  # that a program has to answer
NO_ANSWER = 124  # exit code, as of timeout(1)
ERROR, WARNING, NOTE = LEVELS = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be.

    code: a name for it that stays the same; level: error (a run here would fail), warning (it may, or is slow) or note;
    sentence: what was seen; cure: a command.
    """

    code: str
    level: str
    sentence: str
    cure: str


@dataclass(frozen=True)
class World:
    """Where the checks look; tests show them other worlds."""

    engine: str = "venv"  # that a verb would use here
    env: Mapping[str, str] = field(default_factory=lambda: os.environ)
    proc: Path = Path("/proc")
    sys: Path = Path("/sys")
    shm: Path = Path("/dev/shm")
    data: Path = field(default_factory=lambda: project.volume().root)
    root: Path = project.ROOT

    @property
    def module(self) -> ModuleType:
        return engines.load(self.engine)

    @property
    def is_usable(self) -> bool:
        """Whether the engine that would be used answers at all."""
        return self.module.unavailable() is None

    def which(self, program: str) -> str | None:
        """Where a program is."""
        return shutil.which(program, path=self.env.get("PATH"))

    def ask(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """What a program answers; one that takes too long has exit code NO_ANSWER."""
        try:
            return subprocess.run(
                argv, capture_output=True, text=True, check=False, env=dict(self.env), timeout=ASK_SECONDS
            )
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(argv, NO_ANSWER, "", f"no answer in {ASK_SECONDS:g} s")

    def failure(self, code: str, sentence: str, cure: str, of: str | None = None) -> Finding:
        """An error, or a warning where it is another engine (`of`) than the one that would be used that has it."""
        return Finding(code, ERROR if of in (None, self.engine) else WARNING, sentence, cure)


def checks() -> list[Callable[[World], Iterator[Finding]]]:
    """Every check of every module in this folder."""
    modules = [import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
    functions = [item for module in modules for item in inspect.getmembers(module, inspect.isfunction)]
    return [function for name, function in functions if name.startswith("find_")]


def examine(world: World, seconds: float = SECONDS) -> list[Finding]:
    """All findings, the worst first; a check that has no answer in time is one itself."""
    pool = futures.ThreadPoolExecutor(max_workers=16)
    running = {check.__name__: pool.submit(lambda check=check: list(check(world))) for check in checks()}
    pool.shutdown(wait=False)
    found, ends = [], _deadline(seconds)
    for name, answer in running.items():
        try:
            found += answer.result(timeout=ends())
        except futures.TimeoutError:
            words = name.removeprefix("find_").replace("_", " ")
            sentence = f"no answer in {seconds:g} s to: {words}"
            found.append(Finding("no-answer", WARNING, sentence, "./inv doctor    # once more"))
    return sorted(set(found), key=lambda finding: (LEVELS.index(finding.level), finding.code))


def _deadline(seconds: float) -> Callable[[], float]:
    from time import monotonic

    end = monotonic() + seconds
    return lambda: max(0.0, end - monotonic())
