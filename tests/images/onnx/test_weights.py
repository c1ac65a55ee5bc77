"""The verb weights as the tools' image does it, from a host on this machine: what is fetched, what is refused."""

from __future__ import annotations

import functools
import hashlib
import random
import socket
import subprocess
import sys

import pytest
from local_host import QUICK, cut, reply, status

from isomer.errors import UserError
from isomer.fetching.fetcher import Fetcher

DATA = random.Random(1).randbytes(1_200_000)
SHA256 = hashlib.sha256(DATA).hexdigest()
MD5 = hashlib.md5(DATA).hexdigest()


@pytest.fixture
def fetch(scripts, tmp_path, monkeypatch):
    """Runs the script in this process, with little patience; what it fetches is in `tmp_path`/weights."""
    import weights

    monkeypatch.setenv("ISOMER_DATA", str(tmp_path))
    monkeypatch.setattr(weights, "Fetcher", functools.partial(Fetcher, patience=QUICK))

    def run(*arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", ["weights.py", *arguments])
        weights.main()

    return run


@pytest.fixture
def url(host) -> str:
    host.files["/models/net.pth"] = DATA
    return host.url("/models/net.pth")


def here(tmp_path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "weights").iterdir())


@pytest.mark.parametrize("published", [f"sha256={SHA256}", f"sha256={SHA256[:8]}", f"md5={MD5}"])
def test_fetched_by_file_name_verified_and_recorded(fetch, url, host, tmp_path, capsys, published):
    fetch("--url", f"{url}#{published}")
    assert (tmp_path / "weights/net.pth").read_bytes() == DATA
    assert here(tmp_path) == ["net.pth", "net.pth.sha256"]
    assert f"fetched, 1.2 MB, sha256 {SHA256}, as published" in capsys.readouterr().out
    done = subprocess.run(["sha256sum", "--check", "net.pth.sha256"], cwd=tmp_path / "weights", check=False)
    assert done.returncode == 0
    fetch("--url", f"{url}#{published}")
    assert host.counts["/models/net.pth"] == 1
    assert "net.pth: was here" in capsys.readouterr().out


def test_where_nothing_is_published_the_first_is_taken_down(fetch, url, tmp_path, capsys):
    fetch("--url", url)
    assert "nothing is published to hold it against, so it is taken down now" in capsys.readouterr().out
    fetch("--url", url)
    assert "as when it was fetched first" in capsys.readouterr().out
    (tmp_path / "weights/net.pth").write_bytes(b"something else")
    with pytest.raises(UserError):
        fetch("--url", url)
    assert "remove weights/net.pth in the data volume" in capsys.readouterr().out


def test_what_was_put_there_by_hand_is_verified_and_needs_no_host(fetch, tmp_path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights/net.pth").write_bytes(DATA)
    fetch("--url", f"http://nowhere.invalid/net.pth#sha256={SHA256}")
    assert here(tmp_path) == ["net.pth", "net.pth.sha256"]


def test_another_file_is_not_kept(fetch, url, tmp_path, capsys):
    with pytest.raises(UserError, match="1 of 1 files could not be had"):
        fetch("--url", f"{url}#sha256={'0' * 64}")
    assert f"has SHA-256 {SHA256}, not {'0' * 64}: it was thrown away" in capsys.readouterr().out
    assert here(tmp_path) == []


def test_a_cut_connection_is_gone_on_with(fetch, url, host, tmp_path):
    host.faults["/models/net.pth"] = cut(2)
    fetch("--url", f"{url}#sha256={SHA256}")
    assert (tmp_path / "weights/net.pth").read_bytes() == DATA
    assert [asked for _, asked in host.asked] == [None, "bytes=600000-", "bytes=900000-"]


def test_after_a_kill_the_same_command_goes_on(fetch, url, host, tmp_path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights/net.pth.part").write_bytes(DATA[:700_000])
    fetch("--url", f"{url}#sha256={SHA256}")
    assert host.asked == [("/models/net.pth", "bytes=700000-")]
    assert here(tmp_path) == ["net.pth", "net.pth.sha256"]


def test_one_that_is_missing_does_not_keep_the_others(fetch, url, host, tmp_path, capsys):
    host.faults["/models/gone.pth"] = status(*[404] * 9)
    with pytest.raises(UserError) as stopped:
        fetch("--url", host.url("/models/gone.pth"), "--url", f"{url}#sha256={SHA256}")
    assert f"{host.url('/models/gone.pth')}  ->  weights/gone.pth" in str(stopped.value)
    assert "answered 404 Not Found" in capsys.readouterr().out
    assert here(tmp_path) == ["net.pth", "net.pth.sha256"]


def test_no_network(fetch, tmp_path, capsys):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(UserError) as stopped:
        fetch("--url", f"{address}/a.pth", "--url", f"{address}/b.pth")
    said = capsys.readouterr().out
    assert "does not answer: check the network" in said and "put it at weights/a.pth in the data volume" in said
    assert said.count("does not answer") == 1  # the host is not waited for twice
    assert f"{address}/b.pth  ->  weights/b.pth" in str(stopped.value)


def test_no_room(fetch, url, host):
    host.faults["/models/net.pth"] = lambda handler, data, _: reply(handler, data, length=10**15)
    with pytest.raises(UserError, match=r"net.pth needs 1000000000 MB more, and the data volume has room for"):
        fetch("--url", url)


def test_a_sign_in_page_is_no_weights(fetch, url, host, tmp_path, capsys):
    host.files["/models/net.pth"] = b"<!doctype html><html>sign in"
    with pytest.raises(UserError):
        fetch("--url", url)
    assert "gave a web page instead of the file" in capsys.readouterr().out
    assert here(tmp_path) == []


def test_a_mirror(fetch, host, tmp_path):
    host.files["/copy/models.example.org/v1/net.pth"] = DATA
    fetch("--url", f"https://models.example.org/v1/net.pth#sha256={SHA256[:8]}", "--mirror", host.url("/copy"))
    assert (tmp_path / "weights/net.pth").read_bytes() == DATA


@pytest.mark.parametrize(
    "word", ["net.pth", "ftp://h/net.pth", "https://h/net.pth#sha1=0", "https://h/", "http://h/.x"]
)
def test_an_address_that_is_none(fetch, word):
    with pytest.raises(UserError, match="--url"):
        fetch("--url", word)
