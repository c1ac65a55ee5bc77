"""A host on this machine, and what fetches from it."""

from __future__ import annotations

import threading
from http.server import ThreadingHTTPServer

import pytest
from local_host import QUICK, Handler, Host

from isomer.dataset.download.fetching import Fetcher


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
