"""Running one command: shown before it starts, stopped cleanly when the launcher is."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from isomer import answers
from isomer.errors import EXIT_TERMINATED
from isomer.manners import is_quiet
from launcher.project import ROOT

GRACE_SECONDS = 7.0  # between asking a step to stop and killing it
_running: set[subprocess.Popen] = set()


@dataclass(frozen=True)
class Command:
    """An argument list, what its environment has besides the caller's, and where it runs."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path = ROOT

    def line(self) -> str:
        """The command as one line that can be pasted into a shell."""
        words = [f"{key}={shlex.quote(value)}" for key, value in self.env.items() if os.environ.get(key) != value]
        line = " ".join([*words, shlex.join(self.argv)])
        return line if self.cwd == Path.cwd() else f"cd {shlex.quote(str(self.cwd))} && {line}"

    def environment(self) -> dict[str, str]:
        return {**os.environ, **self.env}


def show(command: Command) -> None:
    if not is_quiet():
        print(f"$ {command.line()}", flush=True)


def run(
    command: Command,
    *,
    foreground: bool = False,
    answers_here: bool = False,
    ask_to_stop: Callable[[], bool] | None = None,
    on_stop: Callable[[], None] | None = None,
) -> int:
    """Run a command to its end and give its exit code.

    Args:
        foreground: leave it the terminal (a shell, a container with a TTY); else it reads nothing and has a
            process group of its own, so that Ctrl-C reaches the step once, from here.
        answers_here: what --json asks for comes from it; what else prints, is for people.
        ask_to_stop: asks what the command stands for (a container); false when there is nothing to ask yet.
        on_stop: called when the command was asked to stop and did not, or may have left something behind.
    """
    child = subprocess.Popen(
        command.argv,
        env=command.environment(),
        cwd=command.cwd,
        stdin=None if foreground else subprocess.DEVNULL,
        stdout=sys.stderr if answers.is_alone() and not answers_here else None,
        process_group=None if foreground else 0,
    )
    _running.add(child)
    try:
        code = child.wait()
    except BaseException:
        stop(child, own_group=not foreground, ask=ask_to_stop)
        if on_stop:
            on_stop()
        raise
    finally:
        _running.discard(child)
    return code if code >= 0 else 128 - code


def stop(child: subprocess.Popen, own_group: bool = True, ask: Callable[[], bool] | None = None) -> None:
    """Ask a process to stop as Ctrl-C would; kill it and its group when it does not in time."""
    if ask is None or not ask():
        with suppress(ProcessLookupError):
            child.send_signal(signal.SIGINT)
    deadline = time.monotonic() + GRACE_SECONDS
    with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
        child.wait(deadline - time.monotonic())
    with suppress(ProcessLookupError, PermissionError):
        if own_group:
            os.killpg(child.pid, signal.SIGKILL)  # workers that the step left behind, too
        else:
            child.kill()
    child.wait()


def stop_all() -> None:
    """Stop what other threads run: an interrupt reaches the main thread alone."""
    for child in list(_running):
        stop(child)


def terminate_like_interrupt() -> None:
    """Let SIGTERM end the launcher through its `finally` blocks, so that steps are stopped with it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_TERMINATED))
