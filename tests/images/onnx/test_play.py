"""The page of play, driven in a headless browser: the same boxes as ONNX Runtime in Python, the controls, bad luck."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import threading
import urllib.error
import urllib.request
from pathlib import Path

import av
import numpy as np
import onnx
import onnxruntime
import play
import published
import pytest
import toy
from browser import NAMES, Browser, find
from PIL import Image

from isomer.errors import UserError
from isomer.volume import Volume

# a camera that films a pie, and a person who allows it
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
NEAR = 1e-3  # pixels, of a box's sides
SURE = 1e-5  # of a score
THRESHOLDS = (0.3, 0.95)  # of the two models
MOST = 100  # detections


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


@pytest.fixture(scope="module")
def volume(published_anew, tmp_path_factory):
    """A data volume with a published model that takes RGB, and one that takes BGR and says less."""
    root = tmp_path_factory.mktemp("play") / "volume"
    mirrored = published_anew(root, "--channels", "bgr", "--score-threshold", str(THRESHOLDS[1]))
    shutil.move(mirrored, root / "mirrored.onnx")
    published_anew(root)
    return root


@pytest.fixture
def models(volume) -> list[str]:
    """What --model says of the two: a name, and a file."""
    return ["toy-run", str(volume / "mirrored.onnx")]


@pytest.fixture
def serve(volume, web):
    """Serves the page of some models, and gives its address."""
    servers = []

    def start(*words: str, change=lambda answers: answers) -> str:
        found = published.find(Volume(volume), words)
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


def opened(browser: Browser, address: str, before: str = ""):
    """The page, once its models are open; before: a script that changes the browser first."""
    tab = browser.open("about:blank")
    tab.call("Page.addScriptToEvaluateOnNewDocument", source=before)
    tab.call("Page.navigate", url=address)
    tab.wait("document.body?.dataset.state === 'ready' || document.querySelector('#problem:not([hidden])')", 60)
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


def test_the_same_boxes_as_in_python_side_by_side(volume, browser, serve, models, pictures):
    tab = opened(browser, serve(*models))
    assert tab.run("crossOriginIsolated"), "no threads for WebAssembly"
    choose(tab, pictures)
    for number, picture in enumerate(pictures):
        if number:
            tab.press("ArrowRight")
        width, height = Image.open(picture).size
        both = shown(tab, width, height)
        for found, path, bgr in zip(both, (volume / "models" / "toy-run.onnx", models[1]), (False, True), strict=True):
            boxes, classes, scores = by_python(Path(path), picture, bgr)
            assert len(scores) > 5
            found = [one for one in found if one["score"] > THRESHOLDS[bgr]]
            assert len(found) == len(scores)
            ours = np.array([[one["id"], one["score"], *one["box"]] for one in found])
            for box, number, score in zip(boxes, classes, scores, strict=True):
                if len(scores) == MOST and score < scores[-1] + SURE:
                    continue  # of equals at the end either may be left out
                same = ours[(ours[:, 0] == number) & (np.abs(ours[:, 1] - score) < SURE)]
                assert np.abs((same[:, 2:] - box) * ([height, width] * 2)).max(axis=1).min() < NEAR
    assert tab.complaints() == []
    tab.close()


def test_threshold_and_classes_are_moved_by_the_reader(browser, serve, models, pictures):
    tab = opened(browser, serve(models[1]))
    choose(tab, pictures[:1])
    (found,) = shown(tab, *Image.open(pictures[0]).size)
    assert min(one["score"] for one in found) < 0.9, "those below the model's own threshold are there too"

    def listed() -> int:
        return tab.run("document.querySelectorAll('.boxes li').length")

    def drawn() -> int:
        return tab.run("document.querySelectorAll('.seen .line').length")

    assert tab.run("threshold.value") == "0.95" and 0 < listed() == drawn() < len(found)
    for threshold in (0.99, 0.9, 0.05):
        tab.run(f"threshold.value = {threshold}; threshold.dispatchEvent(new Event('input'))")
        assert listed() == drawn() == sum(one["score"] > threshold for one in found)
    tab.click("#classes .chip:nth-child(3)")
    assert drawn() == sum(one["id"] != 2 for one in found)
    tab.click("#classes .chip:first-child")
    tab.click("#classes .chip:first-child")
    assert drawn() == 0, "none"
    tab.close()


def test_dropped_files_are_looked_at_and_what_is_no_picture_is_named(browser, serve, models, tmp_path):
    Image.new("RGB", (40, 30), "orange").save(tmp_path / "dropped.png")
    (tmp_path / "notes.txt").write_text("no picture")
    tab = opened(browser, serve(models[0]))
    x, y = tab.point("#nothing")
    data = {
        "items": [],
        "files": [str(tmp_path / name) for name in ("notes.txt", "dropped.png")],
        "dragOperationsMask": 1,
    }
    for kind in ("dragEnter", "dragOver", "drop"):
        tab.call("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)
    tab.wait("problem.textContent")
    assert tab.run("problem.textContent") == "notes.txt is no picture that this browser can read."
    tab.press("ArrowRight")
    shown(tab, 40, 30)
    assert tab.run("problem.hidden")
    tab.close()


def test_the_webcam_is_followed_by_each_model_at_its_own_pace(camera_browser, serve, models):
    address = serve(*models)
    tab = opened(camera_browser, address)
    tab.click("#camera")
    shown(tab, 640, 480)
    tab.wait("sides.every((side) => side.rate > 0)")
    assert tab.run(
        "[...document.querySelectorAll('.figures')].every((line) => / ms.* frames\\/s/.test(line.textContent))"
    )
    tab.click("#camera")
    before = tab.run("document.querySelector('.figures').textContent")
    assert tab.run("camera.getAttribute('aria-pressed')") == "false"
    assert tab.run("new Promise((done) => setTimeout(() => done(document.querySelector('.figures').textContent), 700))")
    assert before == tab.run("document.querySelector('.figures').textContent"), "it goes on looking"
    assert tab.complaints() == []
    asked = [url.removeprefix("blob:") for url in tab.requests()]
    assert asked and all(url.startswith(address) for url in asked)
    tab.close()


def test_a_video_is_played_and_one_that_is_none_is_named(browser, serve, models, tmp_path):
    with av.open(tmp_path / "film.webm", "w") as film:
        stream = film.add_stream("libvpx", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for grey in range(0, 200, 20):
            film.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), grey, np.uint8))))
        film.mux(stream.encode())
    (tmp_path / "broken.webm").write_bytes(b"no video")
    tab = opened(browser, serve(models[0]))
    choose(tab, [tmp_path / "broken.webm"])
    tab.wait("problem.textContent")
    assert tab.run("problem.textContent") == "broken.webm is no video that this browser can play."
    choose(tab, [tmp_path / "film.webm"])
    shown(tab, 64, 48)
    tab.wait("sides[0].rate > 0")
    assert tab.run("problem.hidden")
    tab.close()


@pytest.mark.parametrize(
    ("error", "says"),
    [
        ("NotAllowedError", "was not allowed to use the camera"),
        ("NotFoundError", "finds no camera"),
        ("NotReadableError", "another program may be using it"),
        ("OddError", "does not open: no"),
    ],
)
def test_a_camera_that_does_not_come_is_a_sentence(browser, serve, models, error, says):
    fails = f"navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', '{error}'))"
    tab = opened(browser, serve(models[0]), fails)
    tab.click("#camera")
    tab.wait("problem.textContent")
    assert says in tab.run("problem.textContent")
    assert tab.run("camera.getAttribute('aria-pressed')") == "false"
    tab.close()


def test_a_browser_without_simd_is_told(browser, serve, models):
    tab = opened(browser, serve(models[0]), "WebAssembly.validate = () => false")
    assert "no WebAssembly SIMD" in tab.run("problem.textContent")
    assert "Firefox from 89" in tab.run("problem.textContent")
    assert tab.run("document.querySelector('.controls').hidden && !sides.length")
    tab.close()


def test_a_model_that_the_browser_cannot_run_is_named_and_the_other_goes_on(browser, serve, models, pictures):
    def spoil(answers):
        model = onnx.load_from_string(answers["/models/0.onnx"].body)
        next(node for node in model.graph.node if node.op_type == "Conv").op_type = "StringConcat"
        about = json.loads(answers["/models.json"].body)
        about[0]["precision"] = "fp16"
        return answers | {
            "/models/0.onnx": play.Answer("application/octet-stream", model.SerializeToString()),
            "/models.json": play.Answer("application/json", json.dumps(about).encode()),
        }

    tab = opened(browser, serve(*models, change=spoil))
    said = tab.run("document.querySelector('.figures').textContent")
    assert said.startswith("toy-run does not run in this browser: ") and "--precision fp32" in said
    choose(tab, pictures[:1])
    assert len(shown(tab, *Image.open(pictures[0]).size)) == 1
    tab.close()


def test_files_have_their_types_and_the_headers_that_threads_need(serve, models):
    address = serve(models[0])
    types = {
        "": "text/html",
        "play.js": "text/javascript",
        "style.css": "text/css",
        "ort/ort-wasm-simd-threaded.mjs": "text/javascript",
        "ort/ort-wasm-simd-threaded.wasm": "application/wasm",
        "ort/LICENSE": "text/plain",
    }
    for path, mime in types.items():
        with urllib.request.urlopen(address + path) as answer:
            assert answer.headers["Content-Type"].startswith(mime), path
            assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
            assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
            assert len(answer.read()) == int(answer.headers["Content-Length"]) > 0
    for path in ("../play.py", "data", "models/1.onnx"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(address + path)


def test_a_taken_port_and_a_missing_folder_are_sentences(serve, models, tmp_path):
    port = int(serve(models[0]).strip("/").rpartition(":")[2])
    with pytest.raises(UserError, match=rf"--port {port}: Address already in use"):
        play.open_server("127.0.0.1", port, {})
    with pytest.raises(UserError, match="inv play fetches it"):
        play.answers([], tmp_path / "nowhere")


def test_a_file_that_is_not_under_the_contract_is_told_what_would_mend_it(tmp_path):
    model = onnx.load_from_string(toy.core_model().SerializeToString())
    onnx.save(model, tmp_path / "bare.onnx")
    with pytest.raises(UserError, match=r"bare.onnx does not meet the contract: .*inv convert .*bare.onnx --name bare"):
        published.find(Volume(tmp_path), [str(tmp_path / "bare.onnx")])
