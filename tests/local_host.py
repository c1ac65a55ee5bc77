"""A host on this machine that serves real bytes, and does to them what hosts do."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from isomer.fetching.fetcher import Fetcher
from isomer.fetching.transfer import Patience

QUICK = Patience(attempts=3, connects=1, backoff=0.01, connect=2, silence=0.5, slowness=1.0, least=1000)


@dataclass
class Host:
    """files: what is served by path; faults: what is done instead, by path, given handler, bytes, and how often asked.

    ranges: whether parts are served; headers: what is said beside; asked: requests by path, with their Range.
    """

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, Callable[[BaseHTTPRequestHandler, bytes, int], None]] = field(default_factory=dict)
    ranges: bool = True
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def url(self, path: str) -> str:
        return f"{self.address}{path}"


def reply(
    handler: BaseHTTPRequestHandler, data: bytes, status: int = 200, length: int | None = None, **headers
) -> None:
    """An answer whose Content-Length may be a lie."""
    handler.send_response(status)
    for key, value in headers.items():
        handler.send_header(key.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(data) if length is None else length))
    handler.end_headers()
    handler.wfile.write(data)


def serve(handler: BaseHTTPRequestHandler, host: Host, data: bytes) -> None:
    """What a good host does."""
    tag = f'"{hashlib.sha256(data).hexdigest()[:12]}"'
    headers = {"ETag": tag, **host.headers.get(handler.path, {})}
    asked = re.match(r"bytes=(\d+)-", handler.headers.get("Range") or "")
    if not asked or not host.ranges or handler.headers.get("If-Range", tag) != tag:
        reply(handler, data, **headers)
    elif int(asked[1]) >= len(data):
        reply(handler, b"", 416, Content_Range=f"bytes */{len(data)}", **headers)
    else:
        start = int(asked[1])
        reply(handler, data[start:], 206, Content_Range=f"bytes {start}-{len(data) - 1}/{len(data)}", **headers)


def status(*codes: int) -> Callable:
    """Answers with these codes, one after the other, then as a good host."""

    def fault(handler, data, count):
        if count <= len(codes):
            reply(handler, b"no", codes[count - 1])
        else:
            serve(handler, handler.server.host, data)

    return fault


def cut(times: int, share: float = 0.5) -> Callable:
    """Promises everything, sends a share of it and hangs up, so many times."""

    def fault(handler, data, count):
        if count > times:
            serve(handler, handler.server.host, data)
            return
        asked = re.match(r"bytes=(\d+)-", handler.headers.get("Range") or "")
        start = int(asked[1]) if asked and handler.server.host.ranges else 0
        rest = data[start:]
        tag = f'"{hashlib.sha256(data).hexdigest()[:12]}"'
        part = {"Content_Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if start else {}
        reply(handler, rest[: int(len(rest) * share)], 206 if start else 200, len(rest), ETag=tag, **part)
        handler.close_connection = True

    return fault


def dribble(pause: float, piece: int = 50) -> Callable:
    """Sends a few bytes at a time."""

    def fault(handler, data, count):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        try:
            for start in range(0, len(data), piece):
                handler.wfile.write(data[start : start + piece])
                time.sleep(pause)
        except OSError:
            handler.close_connection = True

    return fault


def silence(seconds: float) -> Callable:
    """Says nothing for a while, then hangs up."""

    def fault(handler, data, count):
        time.sleep(seconds)
        handler.close_connection = True

    return fault


def chunked(times: int) -> Callable:
    """Says no length; hangs up half way, so many times."""

    def fault(handler, data, count):
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        half = len(data) // 2
        for piece in (data[:half], data[half:]):
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            if count <= times:
                handler.close_connection = True
                return
        handler.wfile.write(b"0\r\n\r\n")

    return fault


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        host = self.server.host
        path = self.path.partition("?")[0]
        host.counts[path] += 1
        host.asked.append((path, self.headers.get("Range")))
        data = host.files.get(path)
        if path in host.faults:
            host.faults[path](self, data or b"", host.counts[path])
        elif data is None:
            reply(self, b"not here", 404)
        else:
            serve(self, host, data)

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def host():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # clients hang up here
    server.host = Host(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server.host
    server.shutdown()
    server.server_close()


@pytest.fixture
def fetcher(tmp_path, host) -> Fetcher:
    return Fetcher(tmp_path / "downloads", patience=QUICK, jobs=4)
