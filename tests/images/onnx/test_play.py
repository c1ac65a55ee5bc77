"""The page of play, driven in a headless browser: the same boxes as ONNX Runtime in Python, the controls, bad luck."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import threading
from pathlib import Path

import numpy as np
import onnxruntime
import play
import published
import pytest
from browser import NAMES, Browser, find
from PIL import Image

from isomer.volume import Volume

# a camera that films a pie, and a person who allows it
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
NEAR = 1e-3  # pixels, of a box's sides


@pytest.fixture(scope="module")
def web() -> Path:
    folder = Path(os.environ.get("ISOMER_WEB", "/opt/web"))
    if not folder.is_dir():
        pytest.skip(f"onnxruntime-web is not at {folder} (ISOMER_WEB); ./inv play fetches it")
    return folder


@pytest.fixture(scope="module")
def camera_browser(tmp_path_factory):
    program = find()
    if program is None:
        pytest.skip(f"no browser is installed ({', '.join(NAMES)})")
    with contextlib.closing(Browser(program, tmp_path_factory.mktemp("camera") / "profile", CAMERA)) as made:
        yield made


@pytest.fixture
def models(bench):
    """A model that takes RGB, and one that takes BGR; the paths."""
    bench.assemble("--channels", "bgr")
    bench.gate()
    shutil.move(bench.published, bench.root / "mirrored.onnx")
    bench.assemble()
    bench.gate()
    return ["toy-run", str(bench.root / "mirrored.onnx")]


@pytest.fixture
def serve(bench, web):
    """Serves the page of some models, and gives its address."""
    servers = []

    def start(*words: str, change=lambda answers: answers) -> str:
        found = published.find(Volume(bench.root), words)
        server = play.open_server("127.0.0.1", 0, change(play.answers(found, web)))
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return f"http://localhost:{server.server_port}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def pictures(tmp_path):
    """Pictures that are decoded to the same pixels by whoever decodes them."""
    random = np.random.default_rng(3)
    paths = []
    for number, (height, width) in enumerate(((90, 160), (64, 48))):
        small = random.integers(0, 256, (6, 8, 3), np.uint8)
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC).save(paths[-1])
    return paths


def opened(browser: Browser, address: str):
    tab = browser.open(address)
    tab.wait("document.body.dataset.state === 'ready'")
    return tab


def choose(tab, paths) -> None:
    """What the file dialogue does."""
    root = tab.call("DOM.getDocument")["root"]["nodeId"]
    node = tab.call("DOM.querySelector", nodeId=root, selector="#files")["nodeId"]
    tab.call("DOM.setFileInputFiles", files=[str(path) for path in paths], nodeId=node)


def shown(tab, width: int, height: int) -> list[dict]:
    """What the models found in a picture of this size, once they have."""
    tab.wait(f"sides.every(({{size}}) => size[0] === {width} && size[1] === {height})")
    return json.loads(tab.run("JSON.stringify(sides.map(({found}) => found))"))


def by_python(path: Path, picture: Path, bgr: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes, classes and scores of a published model as its clients get them."""
    pixels = np.asarray(Image.open(picture).convert("RGB"))
    pixels = np.ascontiguousarray(pixels[None, :, :, ::-1] if bgr else pixels[None])
    boxes, classes, scores, count = onnxruntime.InferenceSession(path).run(None, {"image": pixels})
    rows = int(count[0])
    return boxes[0, :rows], classes[0, :rows], scores[0, :rows]


def test_the_same_boxes_as_in_python_side_by_side(bench, browser, serve, models, pictures):
    tab = opened(browser, serve(*models))
    assert tab.run("crossOriginIsolated"), "no threads for WebAssembly"
    choose(tab, pictures)
    for number, picture in enumerate(pictures):
        if number:
            tab.press("ArrowRight")
        width, height = Image.open(picture).size
        both = shown(tab, width, height)
        for found, path, bgr in zip(both, (bench.published, models[1]), (False, True), strict=True):
            boxes, classes, scores = by_python(Path(path), picture, bgr)
            assert len(scores) > 5
            found = [one for one in found if one["score"] > 0.3]
            assert [one["id"] for one in found] == classes.tolist()
            assert np.abs(np.array([one["score"] for one in found]) - scores).max() < 1e-5
            gap = np.abs(np.array([one["box"] for one in found]) - boxes) * np.array([height, width] * 2)
            assert gap.max() < NEAR
    assert tab.complaints() == []
    tab.close()
