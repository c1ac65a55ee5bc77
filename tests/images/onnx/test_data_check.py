"""data-check as typed: names and paths, exit codes, and the file with everything."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

XML = (
    "<annotation>\n<object><name>thing</name>\n<bndbox><xmin>{}</xmin><ymin>20</ymin><xmax>110</xmax><ymax>90</ymax>"
    "</bndbox></object></annotation>"
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Sixty pictures of noise with an XML each."""
    folder = tmp_path / "labelled"
    folder.mkdir()
    for number in range(60):
        noise = np.random.default_rng(number).integers(0, 256, (100, 120, 3), np.uint8)
        Image.fromarray(noise).save(folder / f"{number}.jpg")
        (folder / f"{number}.xml").write_text(XML.format(10))
    return folder


@pytest.fixture
def run(scripts: Path, tmp_path: Path):
    def run_script(name: str, *arguments: object) -> subprocess.CompletedProcess:
        command = [sys.executable, str(scripts / f"{name}.py"), *map(str, arguments)]
        environment = os.environ | {"ISOMER_DATA": str(tmp_path / "data")}
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)

    return run_script


def test_a_path_and_then_the_dataset_made_of_it(run, source):
    done = run("data_check", source)
    assert (done.returncode, done.stderr) == (0, "")
    assert "60 pictures, 60 boxes, 1 class (voc" in done.stdout
    assert done.stdout.endswith("nothing to mend\n")
    assert run("data_import", source, "--name", "things").returncode == 0
    done = run("data_check", "things", "--size", "320")
    assert done.returncode == 0, done.stderr
    assert "split-small" in done.stdout


def test_errors_end_it_with_1_and_json_has_every_place(run, source, tmp_path):
    (source / "7.xml").write_text(XML.format(200))
    (source / "8.jpg").unlink()
    done = run("data_check", source, "--json")
    assert json.loads(done.stdout)["counts"]["error"] == 2 and "7.xml:3" in done.stderr
    done = run("data_check", source, "--json", tmp_path / "found.json")
    assert done.returncode == 1
    assert "7.xml:3 (thing: 200, 20, -90, 70 in " in done.stdout
    assert "error: 2 errors" in done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    places = {group["code"]: group["places"] for group in found["findings"]}
    assert places["box-inverted"][0]["file"] == "7.xml"
    assert places["box-inverted"][0]["line"] == 3
    assert places["image-missing"][0]["file"] == "8.xml"


def test_a_mended_copy(run, source, tmp_path):
    (source / "7.xml").write_text(XML.format(200).replace("thing", "Thing"))
    (source / "8.xml").write_text("<annotation>")
    done = run("data_check", source, "--fix", "mended")
    assert done.returncode == 0, done.stderr
    assert "mended    1 boxes of class 'Thing' named 'thing'" in done.stdout
    assert "mended    1 boxes whose corners were exchanged set right" in done.stdout
    assert "60 pictures" in done.stdout and "59 boxes" in done.stdout
    assert run("data_check", "mended", "--fix", "mended").returncode == 2
    assert [path.name for path in (tmp_path / "data/datasets").iterdir()] == ["mended"]


def test_an_archive_is_looked_into(run, source, tmp_path):
    (source / "7.xml").write_text(XML.format(200))
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", source)
    done = run("data_check", archive, "--fix", "unpacked")
    assert "7.xml:3" in done.stdout
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "data/datasets").iterdir()] == ["unpacked"]
    assert '"source": "packed.zip"' in (tmp_path / "data/datasets/unpacked/dataset.json").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing"], "unknown dataset 'nothing'"),
        (["labelled", "--format", "coco"], "--format coco"),
        (["labelled", "--size", "0"], "--size"),
        (["/nowhere/at/all"], "/nowhere/at/all"),
        ([], "what"),
    ],
)
def test_what_cannot_be_checked_is_a_sentence(run, source, arguments, words):
    done = run("data_check", *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
