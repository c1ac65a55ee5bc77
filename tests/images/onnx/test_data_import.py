"""data-import as typed: what it says, how it ends, and what a kill leaves."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from isomer.dataset import shapes

XML = (
    "<annotation><object><name>{}</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox>"
    "</object></annotation>"
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Thirty drawn pictures with an XML each."""
    folder = tmp_path / "labelled"
    folder.mkdir()
    for number in range(30):
        drawing = shapes.draw(0, "train", number)
        (folder / f"{number}.jpg").write_bytes(drawing.to_jpeg())
        (folder / f"{number}.xml").write_text(XML.format("thing", 10, 20, 110, 90))
    return folder


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return os.environ | {"ISOMER_DATA": str(tmp_path / "data")}


@pytest.fixture
def run(scripts: Path, environment):
    def run_import(*arguments: object) -> subprocess.CompletedProcess:
        command = [sys.executable, str(scripts / "data_import.py"), *map(str, arguments)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return run_import


def test_the_account_closes_it(run, source):
    (source / "0.jpg").unlink()
    done = run(source, "--name", "things")
    assert done.returncode == 0
    assert "30 .xml files" in done.stdout
    assert "left out  1 annotation with 1 box, without its picture: 0.xml" in done.stdout
    assert "train 23 images 23 boxes, val 3 images 3 boxes, test 3 images 3 boxes; 1 class (thing)" in done.stdout


def test_replacing_is_said(run, source):
    assert "replaced" not in run(source, "--name", "things").stdout
    assert "holds the same as before" in run(source, "--name", "things").stdout
    assert "took the place of another" in run(source, "--name", "things", "--seed", "1").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--name", "a/b"], "dataset 'a/b'"),
        (["--name", "x", "--format", "yolo9000"], "unknown format"),
        (["--name", "x", "--format", "coco"], "--format coco"),
        (["--name", "x", "--split", "0.9,0.1,0"], "--split 0.9,0.1,0"),
        ([], "--name"),
    ],
)
def test_wrong_flags_are_a_sentence(run, source, tmp_path, arguments, words):
    done = run(source, *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data/datasets/x").exists()


def test_an_archive_and_options(run, source, tmp_path):
    packed = shutil.make_archive(str(tmp_path / "things"), "zip", source)
    command = [packed, "--name", "things", "--classes", "thing=object", "--limit", "10", "--min-area", "4"]
    done = run(*command)
    assert done.returncode == 0, done.stderr
    assert "unpacking things.zip" in done.stdout
    assert "unasked   20 pictures with 20 boxes beyond --limit 10" in done.stdout
    assert "1 class (object)" in done.stdout
    assert "holds the same as before" in run(*command).stdout


def test_a_bomb_is_a_sentence_and_leaves_nothing(run, tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.json", bytes(64 << 20))
    done = run(tmp_path / "bomb.zip", "--name", "x")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "200 times its size" in done.stderr
    assert not list((tmp_path / "data/datasets").iterdir())


def test_a_killed_import_leaves_the_old_dataset_or_the_new_one(run, scripts, environment, source, tmp_path):
    """Kill a second import of other annotations at ever later moments; what is there is always whole."""
    assert run(source, "--name", "things").returncode == 0
    dataset = tmp_path / "data/datasets/things/dataset.json"
    old = dataset.read_bytes()
    (source / "0.xml").write_text(XML.format("other", 10, 20, 110, 90))
    new = None
    for delay in (0.0, 0.02, 0.05, 0.1, 0.2):
        command = [sys.executable, str(scripts / "data_import.py"), str(source), "--name", "things"]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline().startswith("format voc")
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        found = dataset.read_bytes()
        new = new or (found if found != old else None)
        assert found in (old, new)
        assert len(list((dataset.parent / "images").iterdir())) == 30
    assert run(source, "--name", "things").returncode == 0
    assert new in (None, dataset.read_bytes())
    assert [path.name for path in dataset.parents[1].iterdir()] == ["things"]
