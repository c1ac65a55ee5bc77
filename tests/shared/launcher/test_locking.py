"""One process at a time: on one machine, on several, after one that was killed; and the environments made under it."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from launcher import locking, project

PACKAGE = "isomer_tiny"
# adds a line when it is inside, and one when it leaves; the first one inside is slow
WORK = """
import sys, time
from pathlib import Path
from launcher import locking
lock, log = Path(sys.argv[1]), Path(sys.argv[2])
with locking.only_one(lock, "works"):
    with log.open("a") as stream: stream.write("in\\n")
    time.sleep(0.3)
    with log.open("a") as stream: stream.write("out\\n")
"""
PREPARE = """
import sys
from pathlib import Path
from launcher import project
project.ROOT = Path(sys.argv[1])
project.IMAGES, project.STATE = project.ROOT / "images", project.ROOT / ".isomer"
from launcher.engines import venv
venv.VENVS, venv.gpu = project.STATE / "venvs", lambda: None
venv.prepare("one")
print("ready", venv.is_ready("one"))
"""


@pytest.fixture
def lock(tmp_path, monkeypatch):
    monkeypatch.setattr(locking, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(locking, "SETTLE_SECONDS", 0.05)
    return tmp_path / "shared" / ".lock"


def start(code: str, *arguments: object, **env: str) -> subprocess.Popen:
    environment = os.environ | {"PYTHONPATH": str(project.ROOT / "shared")} | env
    words = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_of_many_processes_one_is_inside_at_a_time(lock, tmp_path):
    log = tmp_path / "log"
    started = [start(WORK, lock, log) for _ in range(8)]
    assert [process.wait(60) for process in started] == [0] * 8
    assert log.read_text().split() == ["in", "out"] * 8
    assert list(lock.parent.iterdir()) == [], "nothing is left"


def test_of_processes_on_two_nodes_one_is_inside_at_a_time(lock, slurm, tmp_path):
    log = tmp_path / "log"
    start_all = ["srun", "--nodes=2", "--ntasks-per-node=3", f"--export=ALL,PYTHONPATH={project.ROOT / 'shared'}"]
    done = slurm.run([*start_all, sys.executable, "-c", WORK, str(lock), str(log)])
    assert done.returncode == 0, done.stderr
    assert log.read_text().split() == ["in", "out"] * 6
    assert re.search(r"waiting for another launcher that works \(n[12]\)", done.stdout)


def test_a_killed_one_of_this_machine_is_followed_at_once(lock, capsys):
    killed = start(
        "import time\n" + WORK.replace("time.sleep(0.3)", "time.sleep(60)"), lock, lock.parent.parent / "log"
    )
    while not lock.exists():
        time.sleep(0.02)
    killed.kill()
    killed.wait()
    begin = time.monotonic()
    with locking.only_one(lock, "works"):
        assert time.monotonic() - begin < 5
        assert str(os.getpid()) in lock.read_text()


def test_one_of_another_machine_is_followed_when_it_shows_no_sign_of_life(lock, monkeypatch, capsys):
    monkeypatch.setattr(locking, "DEAD_SECONDS", 0.5)
    lock.parent.mkdir()
    lock.write_text("othernode 1 4711 1 1")
    begin = time.monotonic()
    with locking.only_one(lock, "makes it"):
        assert 0.5 < time.monotonic() - begin < 5
    assert "waiting for another launcher that makes it (othernode)" in capsys.readouterr().out


def test_one_of_another_machine_that_lives_is_waited_for(lock, tmp_path, monkeypatch):
    monkeypatch.setattr(locking, "DEAD_SECONDS", 0.5)
    lock.parent.mkdir()
    lock.write_text("othernode 1 4711 1 1")
    alive = subprocess.Popen(
        ["sh", "-c", 'for i in 1 2 3 4 5 6 7 8; do touch "$0"; sleep 0.2; done; rm "$0"', str(lock)]
    )
    begin = time.monotonic()
    with locking.only_one(lock, "works"):
        assert time.monotonic() - begin > 1.4
    alive.wait()


def test_its_own_sign_of_life_keeps_others_away(lock, monkeypatch):
    monkeypatch.setattr(locking, "BEAT_SECONDS", 0.1)
    with locking.only_one(lock, "works"):
        first = lock.stat().st_mtime_ns
        time.sleep(0.5)
        assert lock.stat().st_mtime_ns > first


def test_a_file_system_without_hard_links(lock, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with locking.only_one(lock, "works"):
        assert str(os.getpid()) in lock.read_text()
    assert list(lock.parent.iterdir()) == []


def test_an_error_inside_gives_the_lock_back(lock):
    with pytest.raises(ValueError, match="inside"), locking.only_one(lock, "works"):
        raise ValueError("inside")
    assert not lock.exists()


@pytest.fixture
def tiny(tmp_path):
    """A project with one image, whose lock asks for one tiny package; the variables by which uv finds that."""
    wheels, image = tmp_path / "wheels", tmp_path / "project" / "images" / "one"
    wheels.mkdir()
    image.mkdir(parents=True)
    wheel = wheels / f"{PACKAGE}-1.0-py3-none-any.whl"
    info = f"{PACKAGE}-1.0.dist-info"
    contents = {
        f"{PACKAGE}.py": "it_is = 'here'\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        record = ""
        for name, text in contents.items():
            archive.writestr(name, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
            record += f"{name},sha256={digest},{len(text)}\n"
        archive.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (image / "requirements.lock").write_text(f"{PACKAGE}==1.0 --hash=sha256:{sha256}\n")
    offline = {"UV_NO_INDEX": "1", "UV_FIND_LINKS": str(wheels), "UV_CACHE_DIR": str(tmp_path / "cache")}
    return tmp_path / "project", offline


@pytest.mark.slow
def test_twenty_that_want_an_environment_at_once_make_it_once(tiny):
    root, offline = tiny
    started = [start(PREPARE, root, **offline) for _ in range(20)]
    said = [process.communicate(timeout=120)[0] for process in started]
    assert all(text.endswith("ready True\n") for text in said), said
    assert sum("uv pip install" in text for text in said) == 1
    (made,) = Path(root / ".isomer" / "venvs").glob("one-*")
    done = subprocess.run(
        [made / "bin" / "python", "-c", f"import {PACKAGE}; print({PACKAGE}.it_is)"], capture_output=True, text=True
    )
    assert done.stdout == "here\n"
