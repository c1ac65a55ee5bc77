"""Archives are unpacked within their folder and their limits, or not at all."""

import io
import stat
import tarfile
import zipfile

import pytest

from isomer.dataset import archives
from isomer.errors import UserError

FILES = {"set/a.jpg": b"picture", "set/deep/ä b.txt": b"text"}


def make_zip(path, files=FILES, **options):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data, **options)
    return path


def make_tar(path, files=FILES, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            item = tarfile.TarInfo(name)
            item.size = len(data)
            archive.addfile(item, io.BytesIO(data))
    return path


def unpacked(path, tmp_path):
    left_out = archives.unpack(path, tmp_path / "out")
    found = {
        file.relative_to(tmp_path / "out").as_posix(): file.read_bytes()
        for file in (tmp_path / "out").rglob("*")
        if file.is_file()
    }
    return found, left_out


@pytest.mark.parametrize(
    ("name", "mode"),
    [("a.tar", "w"), ("a.tar.gz", "w:gz"), ("A.TGZ", "w:gz"), ("a.tar.bz2", "w:bz2"), ("a.txz", "w:xz")],
)
def test_tar_archives(tmp_path, name, mode):
    path = make_tar(tmp_path / name, mode=mode)
    assert archives.is_archive(path)
    assert unpacked(path, tmp_path) == (FILES, [])


def test_zip_archives(tmp_path):
    assert unpacked(make_zip(tmp_path / "a.zip"), tmp_path) == (FILES, [])


@pytest.mark.parametrize("name", ["../a.jpg", "/etc/a.jpg", "set/../../a.jpg", "..\\a.jpg", "C:\\a.jpg", "\\a.jpg"])
@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_what_leads_outside_is_refused(tmp_path, make, name):
    path = make(tmp_path / ("a.zip" if make is make_zip else "a.tar.gz"), {name: b"x"})
    with pytest.raises(UserError, match="not safe to unpack"):
        archives.unpack(path, tmp_path / "one" / "out")
    assert not list((tmp_path / "one" / "out").iterdir())
    assert not (tmp_path / "a.jpg").exists()


def test_links_and_special_files_in_a_tar_are_left_out(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, kind in (("soft", tarfile.SYMTYPE), ("hard", tarfile.LNKTYPE), ("pipe", tarfile.FIFOTYPE)):
            item = tarfile.TarInfo(name)
            item.type, item.linkname = kind, "/etc/hostname"
            archive.addfile(item)
    found, left_out = unpacked(tmp_path / "a.tar", tmp_path)
    assert found == {}
    assert [(item.name, item.reason) for item in left_out] == [
        ("soft", "is a link"),
        ("hard", "is a link"),
        ("pipe", "is a special file"),
    ]


def test_links_in_a_zip_are_left_out(tmp_path):
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(link, "/etc/hostname")
    found, left_out = unpacked(tmp_path / "a.zip", tmp_path)
    assert (found, [item.reason for item in left_out]) == ({}, ["is a link"])


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_bombs_are_refused_before_they_fill_the_disk(tmp_path, make):
    path = make(tmp_path / ("a.zip" if make is make_zip else "a.tar.gz"), {"zeros": bytes(64 << 20)})
    with pytest.raises(UserError, match="more than 200 times its size"):
        archives.unpack(path, tmp_path / "out")
    assert (tmp_path / "out" / "zeros").stat().st_size <= archives.FREE_OF_RATIO


def test_too_many_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MOST_FILES", 1)
    with pytest.raises(UserError, match="more than 1 files"):
        archives.unpack(make_zip(tmp_path / "a.zip"), tmp_path / "out")


def test_more_than_the_disk_has_room_for_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "LEAST_FREE", 1 << 60)
    with pytest.raises(UserError, match="room for"):
        archives.unpack(make_zip(tmp_path / "a.zip"), tmp_path / "out")


@pytest.mark.parametrize(("name", "kept"), [("a.zip", 0.9), ("a.tar.gz", 0.9), ("a.tar.xz", 0.9), ("a.tar", 0.06)])
def test_an_archive_that_was_cut_is_a_sentence(tmp_path, name, kept):
    mode = {"a.tar": "w", "a.tar.gz": "w:gz", "a.tar.xz": "w:xz"}.get(name)
    path = make_tar(tmp_path / name, mode=mode) if mode else make_zip(tmp_path / name)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(UserError, match="cannot be unpacked"):
        archives.unpack(path, tmp_path / "out")


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])
def test_what_is_no_archive_is_a_sentence(tmp_path, name):
    (tmp_path / name).write_bytes(b"something else")
    with pytest.raises(UserError, match="cannot be unpacked"):
        archives.unpack(tmp_path / name, tmp_path / "out")


@pytest.mark.parametrize("files", [{"a": b"1", "a/b": b"2"}, {"x" * 300: b"1"}])
def test_names_that_no_file_system_can_hold(tmp_path, files):
    with pytest.raises(UserError, match="cannot be unpacked"):
        archives.unpack(make_zip(tmp_path / "a.zip", files), tmp_path / "out")
