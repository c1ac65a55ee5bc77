"""Which files two locked sets would overwrite: on made-up wheels, and on those of torch and tf."""

from __future__ import annotations

import io
import re
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from launcher import wheels
from launcher.conflicts import collisions, versions
from launcher.wheels import Content, Wheel


def wheel(package: str, version: str = "1", **more) -> Wheel:
    return Wheel(package, version, **{"url": "", "size": 0, "sha256": package, **more})


SAME, CUDA12, CUDA13 = Content(1, 1), Content(9, 12), Content(9, 13)


def test_one_place_two_packages_other_content():
    first = [(wheel("cudnn-cu13"), {"nvidia/lib/libcudnn.so.9": CUDA13, "nvidia/__init__.py": SAME})]
    second = [(wheel("cudnn-cu12", "2"), {"nvidia/lib/libcudnn.so.9": CUDA12, "nvidia/__init__.py": SAME})]
    (found,) = collisions(first, second)
    assert found.path == "nvidia/lib/libcudnn.so.9" and found.is_library
    assert found.owners == ("cudnn-cu13 1", "cudnn-cu12 2")


def test_one_package_in_two_versions_is_named_as_such():
    first, second = wheel("absl-py", "1"), wheel("absl-py", "2")
    assert collisions([(first, {"absl/app.py": CUDA12})], [(second, {"absl/app.py": CUDA13})]) == []
    assert versions([first], [second]) == [("absl-py", "1", "2")]


@pytest.fixture
def server():
    """A web server that answers range requests for one wheel, and counts the bytes it sent."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("big/library.so", bytes(3_000_000))
        archive.writestr("x-1.data/purelib/module.py", "pass")
        archive.writestr("x-1.dist-info/RECORD", "")
    data = stream.getvalue()
    sent = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            start, end = map(int, re.findall(r"\d+", self.headers["Range"]))
            part = data[start : end + 1]
            sent.append(len(part))
            self.send_response(206)
            self.end_headers()
            self.wfile.write(part)

        def log_message(self, *_):
            pass

    serving = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{serving.server_port}/x-1.whl", len(data), sent
    serving.shutdown()


def test_a_wheel_is_read_without_downloading_it(server, tmp_path, monkeypatch):
    url, size, sent = server
    monkeypatch.setattr(wheels, "CACHE", tmp_path)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    one = wheel("x", url=url, size=size, sha256="0")
    (found,) = wheels.contents([one])
    assert sorted(found) == ["big/library.so", "module.py", "x-1.dist-info/RECORD"]
    assert found["big/library.so"].size == 3_000_000 and sum(sent) < 300_000
    before = len(sent)
    assert wheels.contents([one]) == [found] and len(sent) == before  # from the cache


@pytest.mark.slow
def test_why_torch_and_tf_are_apart():
    """Nine shared libraries of CUDA 13 and CUDA 12 stand at the same places."""
    sets = [
        [(one, found) for one, found in zip(s, wheels.contents(s), strict=True)]
        for s in map(wheels.locked, ("torch", "tf"))
    ]
    libraries = {item.path: item.owners for item in collisions(*sets) if item.is_library}
    cudnn = [path for path in libraries if re.fullmatch(r"nvidia/cudnn/lib/libcudnn\w*\.so\.9", path)]
    assert len(cudnn) == 8 and sorted(libraries) == sorted([*cudnn, "nvidia/nccl/lib/libnccl.so.2"])
    for path, (torch, tf) in libraries.items():
        library = path.split("/")[1]
        assert torch.startswith(f"nvidia-{library}-cu13 ") and tf.startswith(f"nvidia-{library}-cu12 ")
