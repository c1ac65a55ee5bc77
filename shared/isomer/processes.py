"""Several processes of one run on this machine: started, asked to stop, and ended together."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from isomer.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_LOST

SUPERVISED = "ISOMER_SUPERVISED"  # set for the processes that are started here
SPEAK_SECONDS = 3.0
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_SIOCGIFADDR = 0x8915  # <linux/sockios.h>


def run_together(environments: Sequence[Mapping[str, str]]) -> int:
    """Run this very command once for each of these additions to the environment; the exit code of all.

    SIGINT and SIGTERM are handed on. When a process dies the others, which wait for it, are ended too, and what
    happened is said; EXIT_LOST where it was killed.
    """
    command = [sys.executable, *sys.orig_argv[1:]]
    children = [
        # a process group of its own: Ctrl-C reaches it once, from here
        subprocess.Popen(command, env={**os.environ, **extra, SUPERVISED: str(os.getpid())}, process_group=0)
        for extra in environments
    ]

    def hand_on(number: int, _) -> None:
        for child in children:
            if child.poll() is None:
                child.send_signal(number)

    before = {number: signal.signal(number, hand_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return _wait(children)
    finally:
        for child in children:
            child.kill()
            child.wait()
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait(children: Sequence[subprocess.Popen]) -> int:
    """The first exit code that is no success, or 0; a stop that was asked for is waited out."""
    running = {child.pid: rank for rank, child in enumerate(children)}
    codes: list[int] = []
    while running:
        # in the order in which they end: the others end of the first one's death
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        rank = running.pop(ended.si_pid)
        code = children[rank].wait()
        if code not in (0, EXIT_INTERRUPTED):
            _let_speak([children[rank] for rank in running.values()])
            how = f"was killed ({signal.Signals(-code).name})" if code < 0 else f"ended with exit code {code}"
            others = "" if len(children) < 2 else ", so the others were ended too"
            print(
                f"error: process {rank} of {len(children)} {how}{others}: the same command goes on from the last "
                "checkpoint",
                file=sys.stderr,
                flush=True,
            )
            return code if code > 0 else EXIT_LOST
        codes.append(code)
    return max(codes)


def _let_speak(others: Sequence[subprocess.Popen]) -> None:
    """Give the others a moment to notice, and the first of them to say what was wrong with all."""
    deadline = time.monotonic() + SPEAK_SECONDS
    for child in others:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(max(deadline - time.monotonic(), 0))


def end_with_supervisor() -> None:
    """In a process started by `run_together`: die with it, even if it is killed."""
    if SUPERVISED not in os.environ:
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(os.environ[SUPERVISED]):
        sys.exit(EXIT_FAILED)


def leave_words_to_the_first() -> None:
    """In the other processes: say nothing but errors."""
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 (for as long as the process lives)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def interface_of(address: str) -> str | None:
    """The network interface of this machine that has an IPv4 address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            with contextlib.suppress(OSError):  # it has none
                answer = fcntl.ioctl(probe, _SIOCGIFADDR, struct.pack("256s", name.encode()))
                if socket.inet_ntoa(answer[20:24]) == address:
                    return name
    return None


def supervised() -> bool:
    """Whether this process was started by `run_together`."""
    return SUPERVISED in os.environ
