"""What `./inv lock` compiles, and how."""

from __future__ import annotations

import re
import subprocess

import pytest

from isomer.errors import UserError
from launcher import locks, project


def test_every_image_and_the_host(root):
    found = {str(path.relative_to(root)) for path in locks.locked()}
    assert {"requirements.in", "images/uv.in", "images/torch/requirements.in", "images/tf/requirements.cpu.in"} <= found
    locks_there = {
        str(path.relative_to(root))
        for pattern in ("*.lock", "docs/**/*.lock", "images/**/*.lock")
        for path in root.glob(pattern)
    }
    assert {name.replace(".in", ".lock") for name in found} == locks_there


def test_a_lock_has_hashes_and_tells_nothing_of_the_machine(root):
    argv = locks.command(root / "images" / "tf" / "requirements.in").argv
    assert {"--generate-hashes", "--no-emit-index-url", "--no-emit-find-links"} <= set(argv)
    assert argv[-3:] == ("images/tf/requirements.in", "-o", "images/tf/requirements.lock")


@pytest.fixture
def dockerfile(tmp_path, monkeypatch):
    path = tmp_path / "one" / "Dockerfile"
    path.parent.mkdir()
    path.write_text(f"# base\nARG BASE_IMAGE=debian:bookworm-slim@sha256:{'0' * 64}\nFROM ${{BASE_IMAGE}}\n")
    monkeypatch.setattr(project, "IMAGES", tmp_path)
    return path


def answer(monkeypatch, code: int, digest: str) -> None:
    done = subprocess.CompletedProcess([], code, digest, "dial tcp: no such host")
    monkeypatch.setattr(locks.subprocess, "run", lambda *_, **__: done)


def test_the_base_images_newest_digest(dockerfile, monkeypatch):
    answer(monkeypatch, 0, f"sha256:{'1' * 64}\n")
    locks.renew_base()
    assert re.findall("^ARG.*", dockerfile.read_text(), re.M) == [
        f"ARG BASE_IMAGE=debian:bookworm-slim@sha256:{'1' * 64}"
    ]


def test_without_a_registry_the_digest_stays(dockerfile, monkeypatch):
    before = dockerfile.read_text()
    answer(monkeypatch, 1, "")
    with pytest.raises(UserError, match=r"stays as it is.*no such host"):
        locks.renew_base()
    assert dockerfile.read_text() == before
