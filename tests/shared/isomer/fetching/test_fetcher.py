"""One file, from hosts of every temper: it is whole and right, or a sentence says why not."""

from __future__ import annotations

import base64
import hashlib
import random
import socket
import threading
from dataclasses import replace

import pytest
import requests
import urllib3
from local_host import QUICK, chunked, cut, dribble, reply, silence, status

from isomer.errors import UserError
from isomer.fetching.errors import FetchError
from isomer.fetching.fetcher import Fetcher
from isomer.fetching.published import Checksum

DATA = random.Random(0).randbytes(1_500_000)
SHA256 = Checksum("sha256", hashlib.sha256(DATA).hexdigest())


@pytest.fixture
def url(host) -> str:
    host.files["/set/data.bin"] = DATA
    return host.url("/set/data.bin")


def problem(fetcher, url, **options) -> str:
    with pytest.raises(FetchError) as caught:
        fetcher.fetch(url, **options)
    return str(caught.value)


def test_a_file_is_fetched_once(host, fetcher, url):
    place = fetcher.fetch(url, SHA256)
    assert place.read_bytes() == DATA
    assert place.relative_to(fetcher.cache).parts[1:] == ("set", "data.bin")
    assert fetcher.fetch(url) == place
    assert host.counts["/set/data.bin"] == 1
    assert [path.name for path in place.parent.iterdir()] == ["data.bin"]


@pytest.mark.parametrize("code", [404, 403, 410])
def test_no_is_taken_for_an_answer(host, fetcher, url, code):
    host.faults["/set/data.bin"] = status(*[code] * 9)
    text = problem(fetcher, url)
    assert f"{url} answered {code} " in text
    assert "open it in a browser" in text and "/set/data.bin in the data volume" in text
    assert host.counts["/set/data.bin"] == 1
    assert list(fetcher.place(url).parent.iterdir()) == []


def test_500_then_fine(host, fetcher, url):
    host.faults["/set/data.bin"] = status(500, 503)
    assert fetcher.fetch(url).read_bytes() == DATA
    assert host.counts["/set/data.bin"] == 3


def test_500_for_good(host, fetcher, url):
    host.faults["/set/data.bin"] = status(*[500] * 9)
    assert "answered 500 Internal Server Error 4 times: what has come is kept" in problem(fetcher, url)


def test_a_cut_connection_is_gone_on_with(host, fetcher, url):
    host.faults["/set/data.bin"] = cut(3)
    assert fetcher.fetch(url, SHA256).read_bytes() == DATA
    assert [asked for _, asked in host.asked] == [None, "bytes=750000-", "bytes=1125000-", "bytes=1312500-"]


def test_a_host_without_parts_starts_anew(host, fetcher, url):
    host.ranges = False
    host.faults["/set/data.bin"] = cut(2)
    assert fetcher.fetch(url, SHA256).read_bytes() == DATA


def test_a_host_that_always_cuts(host, fetcher, url):
    host.ranges = False
    host.faults["/set/data.bin"] = cut(99)
    assert "cut the connection at 750000 of 1500000 bytes: what has come is kept" in problem(fetcher, url)
    assert host.counts["/set/data.bin"] == 1 + QUICK.attempts


def test_another_run_goes_on(host, fetcher, url, tmp_path):
    host.faults["/set/data.bin"] = lambda handler, data, count: (cut(1) if count == 1 else status(*[500] * 9))(
        handler, data, count
    )
    problem(fetcher, url)
    del host.faults["/set/data.bin"]
    host.asked.clear()
    assert Fetcher(tmp_path / "downloads").fetch(url, SHA256).read_bytes() == DATA
    assert host.asked == [("/set/data.bin", "bytes=750000-")]


def test_a_file_that_changed_meanwhile_is_fetched_anew(host, fetcher, url):
    host.faults["/set/data.bin"] = lambda handler, data, count: (cut(1) if count == 1 else status(*[500] * 9))(
        handler, data, count
    )
    problem(fetcher, url)
    del host.faults["/set/data.bin"]
    host.files["/set/data.bin"] = DATA[::-1]
    assert fetcher.fetch(url).read_bytes() == DATA[::-1]


def test_all_was_here_but_for_the_last_step(host, fetcher, url):
    place = fetcher.place(url)
    place.parent.mkdir(parents=True)
    place.with_name("data.bin.part").write_bytes(DATA)
    assert fetcher.fetch(url, SHA256).read_bytes() == DATA


def test_less_than_was_said(host, fetcher, url):
    host.faults["/set/data.bin"] = lambda handler, data, _: (
        reply(handler, data, length=len(data) + 10),
        setattr(handler, "close_connection", True),
    )
    assert "cut the connection at 1500000 of 1500010 bytes" in problem(fetcher, url)


@pytest.mark.parametrize("value", [SHA256, Checksum("md5", hashlib.md5(DATA).hexdigest())])
def test_a_wrong_checksum_throws_it_away(host, fetcher, url, value):
    host.files["/set/data.bin"] = DATA[:-1] + b"x"
    text = problem(fetcher, url, checksum=value)
    assert f", not {value.value}: it was thrown away" in text
    assert list(fetcher.place(url).parent.iterdir()) == []


def test_what_is_here_already_is_held_against_the_checksum(fetcher, url):
    fetcher.fetch(url)
    assert "remove " in problem(fetcher, url, checksum=Checksum("sha256", "0" * 64))
    assert fetcher.place(url).is_file()


@pytest.mark.parametrize("good", [True, False])
def test_checksums_of_storage_hosts_are_heeded(host, fetcher, url, good):
    md5 = hashlib.md5(DATA if good else b"").digest()
    google = {"x-goog-hash": f"crc32c=AAAAAA==, md5={base64.b64encode(md5).decode()}"}
    host.headers["/set/data.bin"] = google
    if good:
        assert fetcher.fetch(url).read_bytes() == DATA
    else:
        assert "it was thrown away" in problem(fetcher, url)


def test_a_web_page_is_no_data(host, fetcher, url):
    host.files["/set/data.bin"] = b"\n<!DOCTYPE html><html><body>Please sign in</body></html>"
    assert "gave a web page instead of the file: a sign-in, a proxy" in problem(fetcher, url)
    host.files["/set/data.bin"] = DATA
    assert fetcher.fetch(url).read_bytes() == DATA


def test_an_empty_file(host, fetcher, url):
    host.files["/set/data.bin"] = b""
    assert "is empty" in problem(fetcher, url)


def test_a_host_that_says_nothing(host, fetcher, url):
    host.faults["/set/data.bin"] = silence(3)
    assert "sent nothing for 0.5 s: check the network" in problem(fetcher, url)


def test_a_host_that_dribbles(host, fetcher, url):
    host.faults["/set/data.bin"] = dribble(0.1)
    text = problem(Fetcher(fetcher.cache, patience=replace(QUICK, attempts=0)), url)
    assert "bytes in 1 s: what has come is kept" in text


def test_a_pause_is_gone_on_after(host, fetcher, url):
    host.faults["/set/data.bin"] = lambda handler, data, count: (dribble(2, 700_000) if count == 1 else status())(
        handler, data, count
    )
    assert fetcher.fetch(url, SHA256).read_bytes() == DATA


@pytest.mark.parametrize("times", [0, 2])
def test_a_host_that_says_no_length(host, fetcher, url, times):
    host.faults["/set/data.bin"] = chunked(times)
    assert fetcher.fetch(url, SHA256).read_bytes() == DATA


def test_a_file_that_has_moved(host, fetcher, url):
    host.faults["/old.bin"] = lambda handler, data, _: reply(handler, b"", 302, Location="/set/data.bin")
    assert fetcher.fetch(host.url("/old.bin"), SHA256) == fetcher.place(host.url("/old.bin"))


def test_a_network_that_comes_back(host, fetcher, url, monkeypatch, capsys):
    """Half of a file has come, then the host is not reached for a moment."""
    host.faults["/set/data.bin"] = cut(1)
    ask, asked = fetcher._session.get, []

    def get(*arguments, **options):
        asked.append(arguments)
        if len(asked) in (2, 3):
            raise requests.ConnectionError(urllib3.exceptions.NewConnectionError(None, "down"))
        return ask(*arguments, **options)

    monkeypatch.setattr(fetcher._session, "get", get)
    assert fetcher.fetch(url, SHA256).read_bytes() == DATA
    assert "does not answer; asking again in" in capsys.readouterr().out


def test_two_at_the_same_file(host, fetcher, url, tmp_path):
    host.faults["/set/data.bin"] = dribble(0.01, 100_000)
    others = [threading.Thread(target=Fetcher(tmp_path / "downloads").fetch, args=(url, SHA256)) for _ in range(3)]
    for other in others:
        other.start()
    for other in others:
        other.join()
    assert host.counts["/set/data.bin"] == 1
    assert [path.name for path in fetcher.place(url).parent.iterdir()] == ["data.bin"]


def test_no_host(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    text = problem(Fetcher(tmp_path / "downloads", patience=QUICK), f"http://127.0.0.1:{port}/data.zip")
    assert "cannot be reached, 127.0.0.1 does not answer" in text
    assert f"put it at downloads/127.0.0.1_{port}/data.zip in the data volume" in text


def test_no_such_name(tmp_path):
    text = problem(Fetcher(tmp_path / "downloads", patience=QUICK), "http://nowhere.invalid/data.zip")
    assert "nowhere.invalid is not known here: check the network" in text


def test_no_room_on_the_disk(host, fetcher, url):
    host.faults["/set/data.bin"] = lambda handler, data, _: reply(handler, data, length=10**15)
    with pytest.raises(UserError, match="needs 1000000000 MB more, and the data volume has room for"):
        fetcher.fetch(url)


def test_a_key_in_an_address_is_not_said(host, fetcher):
    text = problem(fetcher, host.url("/a.zip?key=SECRET"))
    assert "SECRET" not in text
    assert fetcher.place(host.url("/a.zip?key=1")) != fetcher.place(host.url("/a.zip?key=2"))


def test_a_place_is_inside_the_cache(fetcher):
    for url in ("http://h/../../x.zip", "http://h/%2e%2e/x.zip", "http://user:pw@h:8/./x.zip", "http://h"):
        place = fetcher.place(url)
        assert place.resolve().is_relative_to(fetcher.cache.resolve()) and "pw" not in str(place)


def test_a_mirror_is_asked_instead(host, tmp_path):
    host.files["/copy/data.example.org/a/b.zip"] = DATA
    fetcher = Fetcher(tmp_path, mirror=host.url("/copy/"), patience=QUICK)
    assert fetcher.fetch("https://data.example.org/a/b.zip").read_bytes() == DATA


LINES = [f"line {number:07}" for number in range(200_000)]


@pytest.fixture
def text_url(host) -> str:
    host.files["/lines.csv"] = "\n".join(LINES).encode()
    return host.url("/lines.csv")


def test_lines_are_read_as_they_come(host, fetcher, text_url):
    assert list(fetcher.lines(text_url)) == LINES
    assert list(fetcher.lines(text_url)) == LINES
    assert host.counts["/lines.csv"] == 1


def test_who_has_enough_stops(host, fetcher, text_url):
    for line in fetcher.lines(text_url):
        if line == LINES[1000]:
            break
    part = fetcher.place(text_url).with_name("lines.csv.part")
    assert 0 < part.stat().st_size < len(host.files["/lines.csv"])
    assert list(fetcher.lines(text_url)) == LINES
    assert host.asked[1][1].startswith("bytes=")


@pytest.mark.parametrize("ranges", [True, False])
def test_lines_over_cuts(host, fetcher, text_url, ranges):
    host.ranges = ranges
    host.faults["/lines.csv"] = cut(2)
    assert list(fetcher.lines(text_url)) == LINES


def test_lines_of_two_versions_are_not_mixed(host, fetcher, text_url):
    host.faults["/lines.csv"] = cut(1)
    lines = fetcher.lines(text_url)
    next(lines)
    host.files["/lines.csv"] = "\n".join(LINES[::-1]).encode()
    with pytest.raises(FetchError, match="changed while it was read"):
        list(lines)
    assert list(fetcher.lines(text_url)) == LINES[::-1]
