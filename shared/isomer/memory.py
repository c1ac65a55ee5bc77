"""How much memory there is for this process: the machine's, or what its container or job may use. Standard library."""

from __future__ import annotations

import re
from pathlib import Path

GROUPS = (  # limit and use of a control group, version 2 and 1
    ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory.current"),
    ("sys/fs/cgroup/memory/memory.limit_in_bytes", "sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def available(root: Path = Path("/")) -> int:
    """Bytes that can still be taken without swapping, as far as the kernel says; 0 where it says nothing."""
    found = re.search(r"^MemAvailable:\s+(\d+) kB", _text(root / "proc/meminfo"), re.MULTILINE)
    free = int(found[1]) * 1024 if found else 0
    for limit, use in GROUPS:
        allowed, used = _text(root / limit).strip(), _text(root / use).strip()
        if allowed.isdecimal() and used.isdecimal():
            free = min(free, max(int(allowed) - int(used), 0))
    return free


def resident() -> int:
    """Bytes that this process holds; 0 where the kernel does not say."""
    return _own("VmRSS")


def peak() -> int:
    """The most bytes that this process ever held; 0 where the kernel does not say.

    getrusage would say what the process that started this one held, if that is more.
    """
    return _own("VmHWM")


def _own(key: str) -> int:
    found = re.search(rf"^{key}:\s+(\d+) kB", _text(Path("/proc/self/status")), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
