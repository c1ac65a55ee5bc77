"""What the test cluster asks of the machine it is on: networks in namespaces, and the processes that live there."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

NODES = ("n1", "n2")
LINK = "isoslurm"  # the machine's end of a cluster's network, with its number; the alias says whose it is
LOCK = Path("/run/lock/isomer-slurm.lock")
DAEMONS = ("munged", "slurmctld", "slurmdbd", "mariadbd")
PATIENCE = 30  # seconds until something is there


def path() -> str:
    """Daemons are in sbin, which not every user's PATH names."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def call(*argv: str | Path, **options) -> subprocess.CompletedProcess[str]:
    """A command of the machine; RuntimeError with what it said when it fails."""
    options = {"env": os.environ | {"PATH": path()}, "stdin": subprocess.DEVNULL} | options
    done = subprocess.run([str(part) for part in argv], capture_output=True, text=True, **options)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, argv))}: {(done.stderr or done.stdout).strip()}")
    return done


def wait(condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> object:
    """The first true value of the condition; RuntimeError that names what never came."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise RuntimeError(f"after {seconds:g} s: {what}")
        time.sleep(0.1)
    return value


def kill(pids: Collection[int]) -> None:
    """At once, as when the power fails: all are stopped before one dies, so that none can tell of another's end."""
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue


def inhabitants(space: str) -> list[int]:
    """The processes in a network namespace, as this machine numbers them."""
    return [int(pid) for pid in call("ip", "netns", "pids", space).stdout.split()]


def empty(space: str) -> None:
    """Kills what is in a network namespace, until nothing is."""

    def gone() -> bool:
        kill(inhabitants(space))
        return not inhabitants(space)

    wait(gone, f"processes of {space} do not end")


@contextmanager
def alone() -> Iterator[None]:
    """One start or stop at a time on this machine."""
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    with LOCK.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def clusters() -> dict[int, tuple[int, Path]]:
    """The clusters of this machine by number: whose they are (a process; 0: until stopped) and their folder."""
    links = json.loads(call("ip", "-json", "link", "show").stdout)
    found = {}
    for link in links:
        number = link["ifname"].removeprefix(LINK)
        if number.isdigit() and link["ifname"] != number:
            owner, _, folder = link.get("ifalias", "0 /nowhere").partition(" ")
            found[int(number)] = (int(owner), Path(folder))
    return found


def space(number: int, node: str) -> str:
    """The name of a node's network namespace."""
    return f"{LINK}{number}-{node}"


def address(number: int, node: str = "") -> str:
    """A node's address in a cluster's network; the machine's own without one."""
    return f"10.213.{number}.{11 + NODES.index(node) if node else 1}"


def connect(number: int, owner: int, folder: Path) -> None:
    """A cluster's network: a switch in a namespace of its own, out of reach of Docker's packet filter; its cables."""
    switch = space(number, "switch")
    call("ip", "link", "add", f"{LINK}{number}", "type", "veth", "peer", "name", "machine")
    call("ip", "link", "set", f"{LINK}{number}", "alias", f"{owner} {folder}")
    call("ip", "netns", "add", switch)
    call("ip", "-n", switch, "link", "add", "bridge", "type", "bridge")
    call("ip", "-n", switch, "link", "set", "bridge", "up")
    call("ip", "link", "set", "machine", "netns", switch)
    call("ip", "-n", switch, "link", "set", "machine", "master", "bridge", "up")
    call("ip", "address", "add", f"{address(number)}/24", "dev", f"{LINK}{number}")
    call("ip", "link", "set", f"{LINK}{number}", "up")
    for name in NODES:
        node = space(number, name)
        call("ip", "netns", "add", node)
        call("ip", "-n", node, "link", "set", "lo", "up")
        call("ip", "-n", switch, "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", node)
        call("ip", "-n", switch, "link", "set", name, "master", "bridge", "up")
        call("ip", "-n", node, "address", "add", f"{address(number, name)}/24", "dev", "eth0")
        call("ip", "-n", node, "link", "set", "eth0", "up")
        call("ip", "-n", node, "route", "add", "default", "via", address(number))


def disconnect(number: int) -> None:
    """Takes a cluster's network away, and ends what runs on its nodes."""
    for name in (*NODES, "switch"):
        if Path("/run/netns", space(number, name)).exists():
            empty(space(number, name))
            call("ip", "netns", "delete", space(number, name))
    if number in clusters():
        with suppress(RuntimeError):  # the kernel may have removed it by now, with its other end
            call("ip", "link", "delete", f"{LINK}{number}")


def daemons(folder: Path) -> dict[str, int]:
    """The processes that serve a cluster's folder from the machine itself, by name."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            argv = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        name = Path(argv[0]).name
        if name in DAEMONS and any(f"{folder}/" in part for part in argv[1:]):
            found[name] = int(entry.name)
    return found
