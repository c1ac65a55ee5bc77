"""Every kind of finding is found where it is, and in nothing else."""

from __future__ import annotations

import json

import broken_boxes  # noqa: F401 (each adds its cases to CASES)
import broken_classes  # noqa: F401
import broken_records  # noqa: F401
import pytest
from PIL import Image
from sources import CASES, coco, picture, table, voc, yolo

from isomer.dataset import canonical
from isomer.dataset.checks import check
from isomer.dataset.checks.findings import CODES, ERROR, Finding, Findings
from isomer.dataset.checks.images import look_at
from isomer.dataset.checks.subject import examine, examine_dataset
from isomer.dataset.importing import import_source


def found_in(root, **options) -> Findings:
    return check(examine(root, **({"format_name": None, "size": 160, "deep": False} | options)))


@pytest.mark.parametrize("base", [voc, coco, yolo, table])
def test_nothing_is_found_where_nothing_is_wrong(base, tmp_path):
    base(tmp_path)
    assert found_in(tmp_path, deep=True).found == []


@pytest.mark.parametrize("broken", CASES, ids=lambda broken: broken.name)
def test_a_broken_source(broken, tmp_path):
    broken.base(tmp_path)
    broken.make(tmp_path)
    findings = found_in(tmp_path)
    assert {item.code for item in findings.found} == broken.codes
    assert any(broken.place in item.place for item in findings.found), [item.place for item in findings.found]


def test_there_are_more_than_25_kinds():
    assert len({code for broken in CASES for code in broken.codes}) >= 50


def test_damage_inside_a_picture_is_found_by_a_deep_look_alone(tmp_path):
    voc(tmp_path)
    path = tmp_path / "JPEGImages/0.jpg"
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 2] = b"\xff\xc0"
    path.write_bytes(data)
    assert {item.code for item in found_in(tmp_path, deep=True).found} <= {"image-unreadable", "image-truncated"}


def test_near_copies_across_splits_are_found_by_a_deep_look(tmp_path):
    coco(tmp_path)
    scene = Image.linear_gradient("L").resize((64, 48)).rotate(30)
    scene.convert("RGB").save(tmp_path / "train/1.png")
    scene.convert("RGB").resize((32, 24)).resize((64, 48)).save(tmp_path / "test/1.png")
    assert found_in(tmp_path).found == []
    (finding,) = found_in(tmp_path, deep=True).found
    assert finding.code == "leakage-near"


@pytest.mark.parametrize("tail", [b"\0" * 10_000, b"trailing words"])
def test_bytes_behind_a_whole_jpeg_are_no_truncation(tmp_path, tail):
    picture(tmp_path / "a.jpg", 1)
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.jpg").read_bytes() + tail)
    assert look_at(tmp_path / "a.jpg").problem == ""


def test_a_dataset_of_the_volume(tmp_path):
    coco(tmp_path / "source")
    options = {"format_name": None, "shares_text": None, "seed": 0, "link": False}
    dataset, _ = import_source(tmp_path / "source", tmp_path / "made", **options)

    def codes() -> set[str]:
        return {item.code for item in check(examine_dataset(canonical.load(dataset.folder), size=160, deep=True)).found}

    assert codes() == set()
    picture(dataset.folder / "images/stray.png", 12345)
    assert codes() == {"image-unused"}
    (dataset.folder / "images/stray.png").unlink()
    value = json.loads((dataset.folder / "train.json").read_text())
    value["annotations"].pop()
    (dataset.folder / "train.json").write_text(json.dumps(value))
    assert codes() == {"dataset-counts", "dataset-changed"}


def test_the_answer_fits_a_screen_and_json_has_all_of_it():
    many = [Finding(code, f"folder/file {number}.xml", "value " * 30) for code in CODES for number in range(40)]
    findings = Findings("everything", many)
    lines = findings.text(100).split("\n")
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 100
    assert lines[1].startswith(ERROR)
    assert "more kinds of finding" in lines[-1]
    value = json.loads(json.dumps(findings.to_json()))
    assert sum(len(group["places"]) for group in value["findings"]) == len(many) == sum(value["counts"].values())
    few = Findings("little", many[:80]).text(100).split("\n")
    assert len(few) == 5
    assert "folder/file 0.xml" in few[2]
    assert "and 3" in few[2]
