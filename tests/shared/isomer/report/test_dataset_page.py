"""The page about the data: its numbers are the dataset's, and it needs nothing from outside."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from made_up import gallery, text
from PIL import Image

from isomer.dataset import canonical
from isomer.dataset.canonical import Box, Picture, Split
from isomer.dataset.checks import check
from isomer.dataset.checks.findings import Finding
from isomer.dataset.checks.subject import examine_dataset
from isomer.report.dataset_page import heat_map, render
from isomer.report.sheet import choose
from isomer.report.statistics import GRID, heat, statistics


def page(volume) -> str:
    dataset = canonical.load(volume.dataset("toys"))
    splits = [dataset.split(name) for name in canonical.SPLITS]
    findings = check(examine_dataset(dataset, size=160, deep=False))
    return render(dataset, splits, statistics(splits), findings)


def split(*pictures: tuple[Box, ...], name: str = "train", classes: tuple[str, ...] = ("cat", "dog")) -> Split:
    made = [Picture(number, f"{number}.jpg", 100, 50, boxes) for number, boxes in enumerate(pictures, start=1)]
    return Split(name, None, classes, tuple(made))


def test_statistics_of_a_dataset_counted_by_hand(tmp_path):
    train = split((Box(1, 0, 0, 50, 50), Box(2, 0, 0, 10, 5)), (Box(1, 80, 40, 20, 10),), ())
    counted = statistics([train, split((Box(2, 10, 10, 40, 10),), name="test")])
    assert [(row.name, row.boxes, row.pictures) for row in counted.classes] == [
        ("cat", {"train": 2, "test": 0}, 2),
        ("dog", {"train": 1, "test": 1}, 2),
    ]
    assert counted.classes[0].side == pytest.approx(100 * (0.5**0.5 + 0.2) / 2)
    rows = [(row.name, row.pictures, row.boxes, row.negatives) for row in counted.splits]
    assert rows == [("train", 3, 3, 1), ("test", 1, 1, 0)]
    sides, aspects, per_picture = (
        {bar.label: bar.count for bar in chart.bars if bar.count} for chart in counted.histograms
    )
    assert sides == {
        f"{edges} % of the picture's side": 1 for edges in ("8 to 12", "16 to 24", "24 to 32", "64 to 100")
    }
    edges = {"1:1.25 to 1.25:1": 1, "2:1 to 3:1": 2, "4:1 to 6:1": 1}
    assert aspects == {f"width : height from {words}": count for words, count in edges.items()}
    assert per_picture == {"0 boxes": 1, "1 boxes": 2, "2 boxes": 1}
    assert counted.sizes == [("100×50", 4)]


def test_a_dataset_without_boxes_has_statistics_too():
    counted = statistics([split((), ())])
    assert [row.total for row in counted.classes] == [0, 0]
    assert counted.heat.max() == 0
    assert [chart.aside for chart in counted.histograms] == ["–", "–", "median 0"]


def test_heat_has_its_rows_from_the_top():
    shares = heat(np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 0.0]]))
    assert (shares[0, 0], shares[0, GRID - 1], shares.sum()) == (0.5, 1, 1.5)
    data = heat_map(shares, "#ff0000").removeprefix("data:image/png;base64,")
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    assert pixels[0, GRID - 1].tolist() == [255, 0, 0, 255]
    assert 0 < pixels[0, 0, 3] < 255


def test_every_class_is_on_the_sheet_however_rare():
    boxes = [(Box(number % 300 // 299 + 1, 0, 0, 9, 9),) for number in range(1200)]
    chosen = choose(split(*boxes), 20)
    assert len({picture.id for picture in chosen}) == 20
    assert sum(box.category == 2 for picture in chosen for box in picture.boxes) >= 3
    assert chosen == choose(split(*boxes), 20)


def test_the_page_has_the_numbers_and_the_pictures(volume):
    html = page(volume)
    seen = text(html)
    dataset = canonical.load(volume.dataset("toys"))
    for item in dataset.about["classes"]:
        assert f"{item['name']} {item['boxes']}" in seen
    counts = dataset.about["splits"]
    pictures = gallery(html)["pictures"]
    assert {name: sum(one["split"] == name for one in pictures) for name in counts} == {
        name: count["images"] for name, count in counts.items()
    }
    assert sum(len(one["truth"]) for one in pictures) == sum(count["boxes"] for count in counts.values())
    assert dataset.sha256 in seen
    assert "few-pictures" in seen, "what data-check says"


def test_the_page_is_self_contained(volume):
    html = page(volume)
    loaded = re.findall(r"""(?:src|href|action)\s*=\s*["']([^"']*)|url\(([^)]*)\)|@import""", html)
    targets = {target for pair in loaded for target in pair if target}
    assert targets
    assert all(target.startswith(("#", "data:")) for target in targets)
    assert len(html) < 5e6


def test_errors_come_first_and_damaged_pictures_do_not_stop_it(volume):
    picture = canonical.load(volume.dataset("toys")).split("test").pictures[0]
    path = volume.datasets / "toys" / "images" / picture.file_name
    path.write_bytes(path.read_bytes()[:500])
    html = page(volume)
    assert "1 error to mend" in text(html)
    assert "image-truncated" in html
    assert [one["name"] for one in gallery(html)["pictures"] if not one["data"]] == [picture.file_name]


def test_names_are_text_not_html(volume):
    for name in ("dataset.json", *(f"{name}.json" for name in canonical.SPLITS)):
        path = volume.datasets / "toys" / name
        path.write_text(path.read_text().replace('"circle"', '"</script><b>1.x"'))
    html = page(volume)
    assert "<b>1.x" not in html
    assert "&lt;b&gt;1.x" in html


def test_many_classes_and_findings(volume):
    dataset = canonical.load(volume.datasets / "toys")
    splits = {name: dataset.split(name).pictures for name in canonical.SPLITS}
    dataset = canonical.write(dataset.folder, (*dataset.classes, *(f"class {n}" for n in range(90))), splits, {})
    shown = [dataset.split(name) for name in canonical.SPLITS]
    findings = check(examine_dataset(dataset, size=160, deep=False))
    findings.found += [Finding("box-outside", "train.json", "cat 1, 2") for _ in range(1000)]
    html = render(dataset, shown, statistics(shown), findings)
    assert "The 60 classes with most boxes of 93" in text(html)
    assert "and 999 more" in text(html)
