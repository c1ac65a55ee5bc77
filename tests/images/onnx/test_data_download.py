"""data-download as typed: what it says, how it ends, and what an interruption leaves."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from isomer.dataset import shapes

BOXES = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsGroupOf\n"
LIST = "ImageID,Subset,OriginalURL,OriginalLandingURL,License,AuthorProfileURL,Author,Title\n"
GOOGLE, AMAZON = "/storage.googleapis.com/openimages", "/open-images-dataset.s3.amazonaws.com"


class Copy(ThreadingHTTPServer):
    """A copy of the hosts; `pause` seconds are waited before every picture."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.pause = 0.0
        self.asked: list[str] = []
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        data = self.server.files.get(self.path)
        if self.path.endswith(".jpg"):
            time.sleep(self.server.pause)
        self.send_response(404 if data is None else 200)
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        self.wfile.write(data or b"")

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def copy():
    """Open Images' validation split, 30 pictures of a ball."""
    server = Copy()
    names = [f"{number:016x}" for number in range(30)]
    server.files = {
        f"{GOOGLE}/v7/oidv7-class-descriptions-boxable.csv": b"LabelName,DisplayName\n/m/1,Ball\n/m/2,Zebra\n",
        f"{GOOGLE}/v5/validation-annotations-bbox.csv": (
            BOXES + "".join(f"{name},xclick,/m/1,1,0.1,0.6,0.1,0.6,0\n" for name in names)
        ).encode(),
        f"{GOOGLE}/2018_04/validation/validation-images-with-rotation.csv": (
            LIST + "".join(f"{name},validation,u,p,https://creativecommons.org/by,a,Ann,t\n" for name in names)
        ).encode(),
        **{
            f"{AMAZON}/validation/{name}.jpg": shapes.draw(0, "train", number).to_jpeg()
            for number, name in enumerate(names)
        },
    }
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return os.environ | {"ISOMER_DATA": str(tmp_path / "data")}


@pytest.fixture
def command(scripts: Path, copy) -> list[str]:
    return [sys.executable, str(scripts / "data_download.py"), "--mirror", copy.address]


@pytest.fixture
def run(command, environment):
    def run_download(*arguments: object) -> subprocess.CompletedProcess:
        done = [*command, *map(str, arguments)]
        return subprocess.run(done, env=environment, capture_output=True, text=True, check=False)

    return run_download


OPEN_IMAGES = ("--source", "openimages", "--classes", "Ball", "--split", "validation", "--name", "balls")


def test_counts_close_it(run, copy, tmp_path):
    lost = f"{AMAZON}/validation/{3:016x}.jpg"
    del copy.files[lost]
    done = run(*OPEN_IMAGES)
    assert done.returncode == 0, done.stderr
    assert f"1 picture with 1 box, whose host answered 404 Not Found: validation/{3:016x}.jpg" in done.stdout
    assert "kept      29 pictures, 29 boxes" in done.stdout
    assert "credited  licence and origin of 29 pictures" in done.stdout
    about = json.loads((tmp_path / "data/datasets/balls/dataset.json").read_text())
    assert about["attribution"][f"{0:016x}.jpg"]["author"] == "Ann"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_same_command_goes_on(run, command, copy, environment, tmp_path, number):
    copy.pause = 0.2
    process = subprocess.Popen(
        [*command, *OPEN_IMAGES, "--jobs", "4"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    pictures = tmp_path / "data/downloads" / AMAZON[1:] / "validation"
    deadline = time.monotonic() + 20
    while len(list(pictures.glob("*.jpg"))) < 6 and time.monotonic() < deadline:
        time.sleep(0.02)
    sent = time.monotonic()
    process.send_signal(number)
    _, errors = process.communicate()
    assert time.monotonic() - sent < 3
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert "the same command goes on from there" in errors and "Traceback" not in errors
    assert not (tmp_path / "data/datasets/balls").exists()
    kept = len(list(pictures.glob("*.jpg")))
    assert 6 <= kept < 30
    copy.pause = 0.0
    copy.asked.clear()
    done = run(*OPEN_IMAGES)
    assert done.returncode == 0 and "kept      30 pictures" in done.stdout
    assert sum(path.endswith(".jpg") for path in copy.asked) == 30 - kept
    assert not (tmp_path / "data/downloads/.laid-out").exists()


def test_an_archive(run, copy):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as members:
        for number in range(10):
            members.writestr(f"{number}.jpg", shapes.draw(0, "train", number).to_jpeg())
            members.writestr(
                f"{number}.xml",
                "<annotation><object><name>a</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>50</xmax><ymax>50</ymax>"
                "</bndbox></object></annotation>",
            )
    copy.files["/data.example.org/set.zip"] = stream.getvalue()
    done = run("--url", "https://data.example.org/set.zip", "--name", "new")
    assert done.returncode == 0, done.stderr
    assert "kept      10 pictures, 10 boxes" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give either --source (coco, openimages, pennfudan) or --url"),
        (["--source", "coco", "--url", "http://h/a.zip"], "give either --source"),
        (["--url", "http://h/a.zip"], "--url needs --name"),
        (["--url", "nowhere", "--name", "x"], "--url nowhere: give an address"),
        (["--source", "imagenet"], "'imagenet' is not one of coco, openimages, pennfudan"),
        (["--source", "openimages"], "needs --classes"),
        (["--source", "openimages", "--classes", "Bal", "--name", "x"], "did you mean 'Ball'"),
        (["--source", "openimages", "--classes", "Ball", "--name", "x"], "answered 404 Not Found"),
        (["--source", "coco", "--sha256", "0"], "--sha256 is for --url"),
        (["--source", "coco", "--jobs", "1000"], "--jobs"),
    ],
)
def test_wrong_flags_are_a_sentence(run, tmp_path, arguments, words):
    done = run(*arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data/datasets/x").exists()
