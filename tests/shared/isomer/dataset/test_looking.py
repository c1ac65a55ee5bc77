"""Pictures are looked at alike in one process and in several, and no process outlives the one that started it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from isomer.dataset import looking
from isomer.errors import UserError

FOREVER = """
import os, sys, time
from pathlib import Path
from isomer.dataset import looking

if __name__ == "__main__":
    looking.MANY = looking.CHUNK = 1
    os.sched_getaffinity = lambda _: {0, 1}
    for _ in looking.in_processes(Path.exists, [Path("/")] * 4):
        print("looked", flush=True)
        time.sleep(60)
"""


def kill_oneself(_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def several(monkeypatch):
    """Processes even for few pictures."""
    monkeypatch.setattr(looking, "MANY", 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})


def test_several_processes_see_what_one_does(source, request):
    paths = [source.picture(f"{number}.jpg") for number in range(5)]
    paths[3].write_bytes(paths[3].read_bytes()[:500])
    alone = list(looking.look_at_all(paths))
    request.getfixturevalue("several")
    assert list(looking.look_at_all(paths)) == alone
    assert [bool(look.problem) for look in alone] == [False, False, False, True, False]


def test_a_killed_process_is_a_sentence(several):
    with pytest.raises(UserError, match="is the memory full"):
        list(looking.in_processes(kill_oneself, [Path("/")]))


def test_they_end_with_their_parent_however_it_ends(tmp_path):
    (tmp_path / "forever.py").write_text(FOREVER)
    environment = os.environ | {"PYTHONPATH": str(Path(looking.__file__).parents[2])}
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "forever.py")], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "looked\n"
    children = _children(process.pid)
    assert children
    process.kill()
    process.wait()
    deadline = time.monotonic() + 10
    while any(map(_is_running, children)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(_is_running, children))


def _children(parent: int) -> list[int]:
    return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/stat") if _parent(path) == parent]


def _parent(stat: Path) -> int | None:
    try:
        return int(stat.read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
