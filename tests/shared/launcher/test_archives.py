"""Archives of an image, written by a real Docker engine and opened by what reads them: docker load, unsquashfs."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile

import pytest

from isomer.errors import UserError
from launcher import archives, build, project
from launcher.engines import docker

IMAGE = "archived"
FILES = {
    "opt/isomer/hello": b"hello",
    "opt/empty": b"",
    "etc/environment": b"OLD=1\n",
    "dev/null": b"",
    ".dockerenv": b"",
}
CHANGES = ("ENV ISOMER_DATA=/data", 'ENV WORDS="two words"', "WORKDIR /opt/isomer", "LABEL isomer.inputs=abc", "CMD sh")


@pytest.fixture
def image(tmp_path, monkeypatch):
    """An image of a few files with the tag of IMAGE, and a project that it is built from."""
    if reason := docker.unavailable():
        pytest.skip(reason)
    monkeypatch.setattr(project, "ROOT", tmp_path)
    monkeypatch.setattr(project, "IMAGES", tmp_path / "images")
    (tmp_path / "images" / IMAGE).mkdir(parents=True)
    (tmp_path / "images" / IMAGE / "requirements.lock").write_text("a==1\n")
    for name in (".dockerignore", "images/uv.lock"):
        (tmp_path / name).write_text("")
    built = []
    monkeypatch.setattr(docker, "prepare", built.append)
    changes = [word for change in CHANGES for word in ("--change", change)]
    subprocess.run(
        ["docker", "import", *changes, "-", docker.image_tag(IMAGE)], input=tree(), check=True, capture_output=True
    )
    yield built
    docker.client().images.remove(docker.image_tag(IMAGE), force=True)  # not by a command that a test may replace


def tree() -> bytes:
    """A tar archive of FILES, one of them twice (a hard link), one that a user who is not root could not read."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, data in FILES.items():
            member = tarfile.TarInfo(name)
            member.size, member.uid, member.mode = len(data), 0, 0o600 if name == "opt/empty" else 0o644
            tar.addfile(member, io.BytesIO(data))
        for name, kind in (("opt/again", tarfile.LNKTYPE), ("opt/link", tarfile.SYMTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "opt/isomer/hello" if kind == tarfile.LNKTYPE else "isomer/hello"
            tar.addfile(member)
    return stream.getvalue()


def squashed(folder, tmp_path):
    """What unsquashfs makes of the squashfs in a folder."""
    (file,) = folder.glob("*.sqsh")
    target = tmp_path / "unpacked"
    subprocess.run(["unsquashfs", "-quiet", "-no-progress", "-d", str(target), str(file)], check=True)
    return target


@pytest.fixture
def tool():
    if not shutil.which(archives.MAKE_SQUASH):
        pytest.skip("no mksquashfs here (Debian: squashfs-tools)")


def test_docker_loads_its_archive(image, tmp_path):
    before = docker.built(IMAGE)
    archives.write(IMAGE, tmp_path)
    subprocess.run(["docker", "rmi", docker.image_tag(IMAGE)], check=True, capture_output=True)
    (file,) = tmp_path.glob("*.tar")
    subprocess.run(["docker", "load", "--input", str(file)], check=True, capture_output=True)
    after = docker.built(IMAGE)
    assert after.id == before.id and after.attrs["Config"]["Env"] == before.attrs["Config"]["Env"]


def test_the_squashfs_holds_the_files_and_what_enroot_reads(image, tool, tmp_path):
    archives.write(IMAGE, tmp_path)
    root = squashed(tmp_path, tmp_path)
    for name in ("opt/isomer/hello", "opt/again", "opt/link"):
        assert (root / name).read_bytes() == b"hello"
    assert (root / "opt/empty").stat().st_size == 0
    assert (root / "opt/again").samefile(root / "opt/isomer/hello")
    lines = (root / "etc/environment").read_text().splitlines()
    assert {"ISOMER_DATA=/data", "WORDS=two words"} <= set(lines) and "OLD=1" not in lines
    assert (root / "etc/fstab").read_text() == ""
    assert not list((root / "dev").iterdir()) and not (root / ".dockerenv").exists()
    assert "# isomer.inputs abc" in (root / "etc/rc").read_text()


def test_enroots_start_script_runs_the_command_it_is_given(image, tool, tmp_path):
    """In a folder that is there on this machine, too."""
    archives.write(IMAGE, tmp_path)
    script = (squashed(tmp_path, tmp_path) / "etc/rc").read_text().replace("/opt/isomer", str(tmp_path))
    done = subprocess.run(["sh", "-c", script, "rc", "pwd"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(tmp_path)


def test_a_second_call_finds_them_there(image, tmp_path, capsys):
    archives.write(IMAGE, tmp_path)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.glob("isomer-*")}
    image.clear()
    capsys.readouterr()
    archives.write(IMAGE, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("isomer-*")} == times
    assert image == [] and "is there" in capsys.readouterr().out


def test_archives_of_other_files_are_told_apart(image, tmp_path, capsys, monkeypatch):
    archives.write(IMAGE, tmp_path)
    old = {path.name for path in tmp_path.glob("isomer-*")}
    monkeypatch.setenv("ISOMER_BASE_IMAGE", "another:base")
    assert archives.name(IMAGE, ".tar") in old, "a cluster need not know what an image was built on"
    (tmp_path / "images" / IMAGE / "requirements.lock").write_text("a==2\n")
    capsys.readouterr()
    archives.write(IMAGE, tmp_path)
    assert len(list(tmp_path.glob("isomer-*"))) == 2 * len(old)
    assert capsys.readouterr().out.count("is of other files than those here") == len(old)


def test_too_little_room_is_said_before(image, tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "free", lambda _: 0.0)
    with pytest.raises(UserError, match=r"0\.0 GB are free there.*may need \d+\.\d GB"):
        archives.write(IMAGE, tmp_path)
    assert not list(tmp_path.glob("isomer-*"))


@pytest.mark.parametrize("program", ["docker", "mksquashfs"])
def test_a_program_that_fails_leaves_nothing_behind(image, tool, tmp_path, monkeypatch, program):
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / program
    script.write_text("#!/bin/sh\nhead -c 700 /dev/zero\necho 'No space left on device' >&2\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(UserError, match=f"{program} .* failed: No space left on device"):
        archives.write(IMAGE, tmp_path)
    assert {path.suffix for path in tmp_path.iterdir() if "isomer" in path.name} <= {".tar"}
    assert docker.client().containers.list(all=True, filters={"ancestor": docker.image_tag(IMAGE)}) == []


def test_without_docker_there_is_nothing_to_write(no_docker, tmp_path):
    with pytest.raises(UserError, match="--archive needs a Docker engine, on any machine: no Docker engine answers"):
        build.archive(["onnx"], tmp_path, None)
    with pytest.raises(UserError, match="--engine venv has none"):
        build.archive(["onnx"], tmp_path, "venv")


def test_a_folder_that_cannot_be_made(docker_engine, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"--archive .*file: File exists"):
        build.archive(["onnx"], tmp_path / "file", None)
