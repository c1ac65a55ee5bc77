"""infer on videos: every frame in and out, cut-off files, numbered objects, streams of a host, a screen, Ctrl-C."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import av
import following
import infer
import numpy as np
import pytest
import rtsp
from conftest import Bench
from PIL import Image
from recording import Recording
from video import Video

from isomer.errors import EXIT_INTERRUPTED, EXIT_TERMINATED, CheckFailed, UserError
from isomer.native import Detections

RATE, WIDTH, HEIGHT = 25, 160, 120


@pytest.fixture(scope="module")
def volume(exported, tmp_path_factory):
    """A data volume with the toy detector as a published model."""
    root = tmp_path_factory.mktemp("video") / "volume"
    shutil.copytree(exported, root)
    with pytest.MonkeyPatch.context() as patch:
        bench = Bench(root, patch)
        bench.assemble("--score-threshold", "0.95")
        bench.published.parent.mkdir()
        shutil.copy(bench.run.assembled_onnx, bench.published)
    return root


@pytest.fixture
def run(volume, monkeypatch):
    monkeypatch.setenv("ISOMER_DATA", str(volume))
    shutil.rmtree(volume / "predictions", ignore_errors=True)

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["infer", "--model", "toy-run", "--name", "out", *map(str, words)])
        infer.main()
        return volume / "predictions" / "out"

    return call


def pictures(count):
    """Noise under a square that moves; the same each time."""
    ground = np.random.default_rng(3).integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    for number in range(count):
        picture = ground.copy()
        picture[40:80, number % 120 : number % 120 + 40] = (220, 40, 40)
        yield Image.fromarray(picture)


def write(path, count):
    """A video as any recorder would write it, its index wherever the container puts it."""
    with av.open(str(path), "w", options={"movflags": "faststart"} if path.suffix == ".mp4" else {}) as container:
        stream = container.add_stream("mjpeg" if path.suffix == ".avi" else "libx264", RATE)
        stream.width, stream.height = WIDTH, HEIGHT
        stream.pix_fmt = "yuvj420p" if path.suffix == ".avi" else "yuv420p"
        for picture in pictures(count):
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode(None))
    return path


def counted(path):
    """Frames that decode, and the seconds that the file says."""
    with av.open(str(path)) as container:
        frames = [frame.pts for frame in container.decode(video=0)]
        assert frames == sorted(set(frames))
        return len(frames), container.duration / av.time_base


def found(folder):
    return json.loads((folder / "detections.json").read_text())


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_every_frame_comes_out_at_its_time(run, tmp_path, suffix):
    folder = run("--source", write(tmp_path / f"street{suffix}", 60))
    frames, seconds = counted(folder / "street.mp4")
    assert frames == 60 and seconds == pytest.approx(60 / RATE, abs=0.1)
    rows = found(folder)["frames"]
    assert [row["frame"] for row in rows] == list(range(60))
    assert [row["seconds"] for row in rows] == pytest.approx([number / RATE for number in range(60)], abs=2e-3)
    assert rows[0]["detections"] and found(folder)["summary"]["problems"] == []


def test_frames_are_turned_as_the_phone_was_held(tmp_path):
    recording = Recording(tmp_path / "flat.mp4", RATE)
    picture = Image.new("RGB", (64, 32))
    picture.paste((255, 0, 0), (0, 0, 16, 16))
    recording.add(picture, 0)
    recording.close()
    data = bytearray((tmp_path / "flat.mp4").read_bytes())
    # the track's matrix, ISO/IEC 14496-12: shown turned by 90 degrees clockwise
    place = data.index(b"tkhd") + 4 + 40
    data[place : place + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 32 << 16, 0, 1 << 30)
    (tmp_path / "turned.mp4").write_bytes(data)
    (frame,) = Video(str(tmp_path / "turned.mp4"), "turned.mp4")
    assert frame.pixels.shape == (64, 32, 3)
    assert frame.pixels[4, 28, 0] > 200 and frame.pixels[4, 4, 0] < 60


def test_a_video_of_odd_size_and_of_uneven_time(tmp_path):
    recording = Recording(tmp_path / "odd.mp4", 10)
    for seconds in (0, 0.1, 0.1, 0.35, 0.2):  # a clock that stands still, and one that goes back
        recording.add(Image.new("RGB", (101, 51), "red"), seconds)
    recording.close()
    frames, seconds = counted(tmp_path / "odd.mp4")
    assert frames == 5 and seconds == pytest.approx(0.45, abs=0.02)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_a_video_that_ends_in_the_middle(run, volume, tmp_path, suffix):
    whole = write(tmp_path / f"whole{suffix}", 100)
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    with pytest.raises(CheckFailed, match=rf"cut\{suffix}.*(ends after|broke off|could not be decoded)"):
        run("--source", cut)
    frames, _ = counted(volume / "predictions" / "out" / "cut.mp4")
    assert 20 < frames < 100
    report = found(volume / "predictions" / "out")
    assert len(report["frames"]) == frames and report["summary"]["problems"]


def test_a_video_without_its_index_leaves_nothing(run, volume, tmp_path):
    recording = Recording(tmp_path / "whole.mp4", RATE)
    for number, picture in enumerate(pictures(20)):
        recording.add(picture, number / RATE)
    recording.close()
    (tmp_path / "street.mp4").write_bytes((tmp_path / "whole.mp4").read_bytes()[:-2000])
    with pytest.raises(UserError, match=r"cannot open street\.mp4.*cut off before its index"):
        run("--source", tmp_path / "street.mp4")
    assert not (volume / "predictions").exists()


def detections(*boxes):
    """Boxes of x, y and class in a picture of 100 x 100, each 20 x 20, as a model reports them."""
    corners = [[y / 100, x / 100, (y + 20) / 100, (x + 20) / 100] for x, y, _ in boxes]
    classes = np.array([category for *_, category in boxes], np.int64)
    return Detections(np.array(corners, np.float32).reshape(-1, 4), classes, np.full(len(boxes), 0.9, np.float32))


def test_objects_keep_their_numbers():
    tracker = following.Following((1, 2), rate=10)
    seen = []
    for step in range(30):
        boxes = [(2 * step, 10, 1), (70 - 2 * step, 60, 1), (2 * step, 12, 2)]
        # found in another order, one of them not at all for a while, and nothing at all once
        boxes = boxes[::-1] if step % 2 else boxes
        boxes = [] if step == 20 else [box for box in boxes if not (box[1] == 60 and 8 <= step < 11)]
        numbers = tracker.numbers(detections(*boxes), 100, 100)
        seen.append({(box[1], box[2]): int(number) for box, number in zip(boxes, numbers, strict=True)})
    for place in ((10, 1), (60, 1), (12, 2)):
        assert len({row[place] for row in seen if place in row}) == 1
    assert len(set(seen[0].values())) == 3


def test_who_is_gone_for_long_gets_a_new_number():
    tracker = following.Following((1,), rate=10)
    first = tracker.numbers(detections((10, 10, 1)), 100, 100)
    for _ in range(15):
        assert len(tracker.numbers(detections(), 100, 100)) == 0
    assert tracker.numbers(detections((10, 10, 1)), 100, 100) != first


def test_tracks_are_in_every_file(run, tmp_path):
    folder = run("--source", write(tmp_path / "street.mp4", 10), "--track", "--format", "json,coco,csv", "--crops")
    rows = [row for frame in found(folder)["frames"] for row in frame["detections"]]
    annotations = json.loads((folder / "coco.json").read_text())["annotations"]
    assert [one["track_id"] for one in annotations] == [row["track_id"] for row in rows] and min(
        row["track_id"] for row in rows
    ) == 1
    last = [line.rsplit(",", 1)[1] for line in (folder / "detections.csv").read_text().splitlines()[1:]]
    assert last == [str(row["track_id"]) for row in rows]
    objects = {path.parent.name for path in (folder / "crops").rglob("*.jpg")}
    assert objects == {str(row["track_id"]) for row in rows}


class Served(BaseHTTPRequestHandler):
    """A picture, a file, and a camera that sends JPEGs for ever."""

    def do_GET(self):
        if self.path == "/live":
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            with contextlib.suppress(OSError):
                for picture in pictures(self.server.frames):
                    data = io.BytesIO()
                    picture.save(data, "JPEG")
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {data.tell()}\r\n\r\n"
                    self.wfile.write(head.encode() + data.getvalue() + b"\r\n")
                    time.sleep(0.02)
            return
        kind, data = self.server.files.get(self.path.removeprefix("/cut"), ("text/plain", None))
        self.send_response(200 if data else 404)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        # a connection that is lost on the way
        self.wfile.write((data or b"")[: len(data or b"") // 2 if self.path.startswith("/cut") else None])

    def log_message(self, *_):
        pass


@pytest.fixture
def site(tmp_path):
    """A host with a picture at /a.png, a video at /street.mp4, and a live stream at /live."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Served)
    picture = io.BytesIO()
    next(pictures(1)).save(picture, "PNG")
    video = write(tmp_path / "street.mp4", 30).read_bytes()
    server.files = {"/a.png": ("image/png", picture.getvalue()), "/street.mp4": ("video/mp4", video)}
    server.frames = 40
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.address = f"http://127.0.0.1:{server.server_port}"
    yield server
    server.shutdown()


def test_addresses(run, site):
    (frame,) = found(run("--source", f"{site.address}/a.png"))["frames"]
    assert (frame["file_name"], frame["width"], frame["height"]) == ("a.png", WIDTH, HEIGHT)
    assert len(found(run("--source", f"{site.address}/street.mp4"))["frames"]) == 30
    with pytest.raises(UserError, match="answered 404 Not Found"):
        run("--source", f"{site.address}/nothing")


def test_a_video_of_a_host_that_sends_no_parts_though_its_index_comes_last(run, volume, site):
    path = volume / "last.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", RATE)
        stream.width, stream.height = WIDTH, HEIGHT
        for picture in pictures(30):
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode(None))
    data = path.read_bytes()
    assert data.index(b"mdat") < data.index(b"moov")
    site.files |= {"/last.mp4": ("video/mp4", data), "/page": ("text/html", b"<html>")}
    folder = run("--source", f"{site.address}/last.mp4")
    assert len(found(folder)["frames"]) == 30 and (folder / "last.mp4").is_file()
    assert [path.name for path in (volume / "predictions").iterdir()] == ["out"]
    with pytest.raises(UserError, match=r"last\.mp4: no video that can be read, or cut off before its index"):
        run("--source", f"{site.address}/cut/last.mp4")
    with pytest.raises((CheckFailed, UserError), match="ends after"):
        run("--source", f"{site.address}/cut/street.mp4")
    with pytest.raises(UserError, match="is a web page"):
        run("--source", f"{site.address}/page")


def test_a_camera_that_sends_by_udp_alone(run, volume):
    with rtsp.camera(8) as (address, asked):
        folder = run("--source", address, "--limit", "30")
    report = found(folder)
    assert ["TCP" in transport for transport in asked] == [True, False]
    assert len(report["frames"]) + report["summary"]["left_out"] == 30
    assert (report["frames"][0]["width"], report["frames"][0]["height"]) == (rtsp.WIDTH, rtsp.HEIGHT)


def test_a_live_stream_has_every_frame_that_there_is_time_for(run, volume, site):
    with pytest.raises(CheckFailed, match=r"live broke off after .* frames: the connection was lost"):
        run("--source", f"{site.address}/live")
    report = found(volume / "predictions" / "out")
    frames = report["frames"]
    assert 0 < len(frames) and len(frames) + report["summary"]["left_out"] == pytest.approx(40, abs=2)
    assert [row["seconds"] for row in frames] == sorted(row["seconds"] for row in frames)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, EXIT_INTERRUPTED), (signal.SIGTERM, EXIT_TERMINATED)])
def test_interrupted_streams_are_whole(volume, site, scripts, number, code):
    site.frames = 100_000
    words = ["--model", "toy-run", "--source", f"{site.address}/live", "--name", "live"]
    environment = {**os.environ, "ISOMER_DATA": str(volume)}
    shutil.rmtree(volume / "predictions", ignore_errors=True)
    child = subprocess.Popen([sys.executable, str(scripts / "infer.py"), *words], env=environment)
    deadline = time.monotonic() + 60
    while not list(volume.glob("predictions/.live*/*.json")) and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(2)
    assert not (volume / "predictions" / "live").exists()
    child.send_signal(number)
    assert child.wait(20) == code
    report = found(volume / "predictions" / "live")
    (video,) = (volume / "predictions" / "live").glob("*.mp4")
    assert counted(video)[0] == len(report["frames"]) > 0 and report["summary"]["interrupted"]


@pytest.fixture
def screen(monkeypatch, tmp_path):
    """An X server in memory."""
    if not shutil.which("Xvfb"):
        pytest.skip("no Xvfb is installed")
    with (tmp_path / "number").open("w+") as stream:
        words = ["Xvfb", "-displayfd", str(stream.fileno()), "-screen", "0", "800x600x24", "-nolisten", "tcp"]
        server = subprocess.Popen(words, pass_fds=[stream.fileno()], stderr=subprocess.DEVNULL)
        while not (tmp_path / "number").read_text().endswith("\n"):
            assert server.poll() is None
            time.sleep(0.05)
    monkeypatch.setenv("DISPLAY", ":" + (tmp_path / "number").read_text().strip())
    yield
    server.terminate()
    server.wait()


def test_a_window_shows_the_frames_and_q_closes_it(run, tmp_path, screen, monkeypatch):
    import pygame
    from window import Window

    shown = []

    def show(self, image, original=Window.show):
        shown.append(image.size)
        if len(shown) == 5:
            pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_q))
        return original(self, image)

    monkeypatch.setattr(Window, "show", show)
    folder = run("--source", write(tmp_path / "street.mp4", 30), "--show")
    assert len(shown) == 5 and counted(folder / "street.mp4")[0] == 5


def test_a_screen_that_does_not_answer(run, tmp_path, monkeypatch):
    monkeypatch.setenv("DISPLAY", ":4321")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(UserError, match="--show: the screen cannot be used"):
        run("--source", write(tmp_path / "street.mp4", 3), "--show")
