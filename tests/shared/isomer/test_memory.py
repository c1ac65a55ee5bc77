"""What the kernel says of memory."""

from __future__ import annotations

import numpy as np

from isomer import memory


def _machine(root, **files: str):
    for name, text in {"proc/meminfo": "MemTotal: 9 kB\nMemAvailable:   4000000 kB\n", **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_the_machine(tmp_path):
    assert memory.available(_machine(tmp_path)) == 4_096_000_000


def test_a_container_is_smaller(tmp_path):
    groups = {"sys/fs/cgroup/memory.max": "1000000\n", "sys/fs/cgroup/memory.current": "400000\n"}
    assert memory.available(_machine(tmp_path, **groups)) == 600_000


def test_a_container_without_limit(tmp_path):
    groups = {"sys/fs/cgroup/memory.max": "max\n", "sys/fs/cgroup/memory.current": "400000\n"}
    assert memory.available(_machine(tmp_path, **groups)) == 4_096_000_000


def test_a_system_that_says_nothing(tmp_path):
    assert memory.available(tmp_path) == 0


def test_what_is_taken_is_counted():
    before = memory.resident()
    taken = np.ones(50_000_000, np.uint8)
    assert memory.resident() - before > 40_000_000
    del taken
