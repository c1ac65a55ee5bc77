"""The docker engine for real: who a step runs as, what it may do, and how it is stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from launcher.engines import docker

IMAGE = "onnx"  # the smallest
UID = 12345
WRITES = "import pathlib; p = pathlib.Path('/data/made/by/a'); p.mkdir(parents=True); (p / 'step').touch()"


@pytest.fixture(scope="module")
def engine():
    if os.environ.get("ISOMER_TEST_ENGINE") != "docker":
        pytest.skip("the docker engine is tried by `./inv test --engine docker`")
    if reason := docker.unavailable():
        pytest.skip(reason)
    docker.prepare(IMAGE)
    return docker


@pytest.fixture
def volume(tmp_path):
    """An empty data volume that belongs to another user."""
    (tmp_path / "datasets").mkdir()
    for folder in (tmp_path, tmp_path / "datasets"):
        if os.getuid() == 0:
            os.chown(folder, UID, UID)
    return tmp_path


def compose(root: Path, volume: Path, *words: str, service: str = IMAGE, **env: str) -> subprocess.CompletedProcess:
    """What a user types by hand."""
    uid = str(UID if os.getuid() == 0 else os.getuid())
    given = {"ISOMER_UID": uid, "ISOMER_GID": uid, "ISOMER_DATA": str(volume), **env}
    clean = {key: value for key, value in os.environ.items() if not key.startswith("ISOMER_")}
    environment = {key: value for key, value in {**clean, **given}.items() if value}
    command = ["docker", "compose", "run", "--rm", "-T", service, *words]
    return subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


def test_what_a_step_writes_belongs_to_the_caller(engine, root, volume):
    done = compose(root, volume, "python", "-c", WRITES)
    assert done.returncode == 0, done.stderr
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in volume.rglob("*")}
    assert len(owners) == 1 and owners == {(volume.stat().st_uid, volume.stat().st_gid)}


def test_without_the_callers_ids_it_stops_with_a_sentence(engine, root, volume):
    done = compose(root, volume, "python", "-c", WRITES, ISOMER_UID="")
    assert done.returncode != 0 and "ISOMER_UID=$(id -u)" in done.stderr
    assert not (volume / "made").exists()


def test_a_missing_volume_is_not_made_as_root(engine, root, tmp_path):
    done = compose(root, tmp_path / "nowhere", "python", "-c", WRITES)
    assert done.returncode != 0 and "nowhere" in done.stderr
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ("the root is read-only", "open('/opt/isomer/x', 'w')"),
        ("there is no network", "import socket; socket.create_connection(('1.1.1.1', 53), 3)"),
        ("no capability is left", "import os; os.chown('/data/datasets', 1, 1)"),
    ],
)
def test_what_a_step_may_not_do(engine, root, volume, what, code):
    done = compose(root, volume, "python", "-c", code)
    assert done.returncode == 1 and "Error" in done.stderr, what


def test_what_a_step_needs(engine, root, volume):
    code = (
        "import os, pathlib, subprocess; p = pathlib.Path('/tmp/run'); p.write_text('#!/bin/sh\\necho ran'); "
        "p.chmod(0o700); print(subprocess.check_output(p), os.statvfs('/dev/shm').f_blocks * 4096 >= 2 ** 31, "
        "pathlib.Path.home(), open('/proc/self/status').read().split('NoNewPrivs:')[1].split()[0])"
    )
    done = compose(root, volume, "python", "-c", code)
    assert done.stdout.split() == ["b'ran\\n'", "True", "/tmp", "1"], done.stderr


def test_datasets_are_read_only_for_training(engine, root, volume):
    services = subprocess.run(
        ["docker", "compose", "config", "--format", "json"],
        cwd=root,
        env={**os.environ, "ISOMER_UID": "1", "ISOMER_GID": "1", "ISOMER_DATA": str(volume)},
        capture_output=True,
        text=True,
        check=True,
    )
    import json

    for name, service in json.loads(services.stdout)["services"].items():
        mounts = {item["target"]: item.get("read_only", False) for item in service["volumes"]}
        assert mounts == ({"/data": False} if "onnx" in name else {"/data": False, "/data/datasets": True})


LAUNCHER = """
import sys; sys.path.insert(0, {shared!r})
from launcher import process
from launcher.engines import docker
from launcher.step import Step
process.terminate_like_interrupt()
try:
    sys.exit(docker.run(Step({image!r}, ("-c", {code!r}))))
except KeyboardInterrupt:
    sys.exit(130)
"""


def launch(root: Path, volume: Path, code: str) -> subprocess.Popen:
    program = LAUNCHER.format(shared=str(root / "shared"), image=IMAGE, code=code)
    env = {**os.environ, "ISOMER_DATA": str(volume)}
    return subprocess.Popen([sys.executable, "-c", program], env=env, stdout=subprocess.PIPE, text=True)


def test_the_exit_code_of_a_step_comes_back(engine, root, tmp_path):
    assert launch(root, tmp_path / "volume", "import sys; sys.exit(7)").wait(60) == 7


UP = "import pathlib, time; print('up', flush=True); "
SAVES = """
try:
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(2)
    pathlib.Path("/data/saved").touch()
"""


@pytest.mark.parametrize(
    ("code", "saves"),
    [(UP + SAVES, True), (f"import signal; signal.signal(2, signal.SIG_IGN); {UP}time.sleep(60)", False)],
)
def test_an_interrupt_lets_the_step_save_and_leaves_no_container(engine, root, tmp_path, code, saves):
    started = launch(root, tmp_path / "volume", code)
    lines = []
    while "up\n" not in lines:
        lines.append(started.stdout.readline())
    name = "".join(lines).split("--name ")[1].split()[0]
    before = time.monotonic()
    started.send_signal(signal.SIGINT)
    assert started.wait(20) == 130
    assert time.monotonic() - before < 10
    assert (tmp_path / "volume" / "saved").exists() == saves
    command = ["docker", "ps", "-aq", "--filter", f"name={name}"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == ""
