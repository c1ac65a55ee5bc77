"""What a reader does with the pictures, in a browser: the threshold, the filters, a picture enlarged."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from isomer import mistakes
from isomer.dataset.canonical import Box, Picture, Split
from isomer.report import gallery as report_gallery
from isomer.report.blocks import Section
from isomer.report.document import page
from isomer.report.gallery import Detector, detections, labels

EVIL = "<img src=x onerror=\"document.title='evil'\">&'🐈</script>"


def split_of(folder, boxes: list[tuple[Box, ...]], classes: tuple[str, ...]) -> Split:
    """Pictures of 200 × 100 pixels with these boxes."""
    (folder / "images").mkdir()
    pictures = []
    for number, own in enumerate(boxes, start=1):
        Image.new("RGB", (200, 100), (number * 20 % 255, 90, 120)).save(folder / "images" / f"{number}.png")
        pictures.append(Picture(number, f"{number}.png", 200, 100, own))
    return Split("test", folder, classes, tuple(pictures))


def found(image: int, category: int, score: float, *bbox: float) -> dict:
    return {"image_id": image, "category_id": category, "score": score, "bbox": list(bbox)}


@pytest.fixture
def split(tmp_path) -> Split:
    """Four pictures of a cat at the same place; in the last one a dog too."""
    cat, dog = Box(1, 20, 20, 40, 40), Box(2, 120, 20, 40, 40)
    return split_of(tmp_path, [(cat,), (cat,), (cat,), (cat, dog)], ("cat", "dog"))


RESULTS = [
    found(1, 1, 0.9, 20, 20, 40, 40),
    found(2, 2, 0.8, 20, 20, 40, 40),
    found(2, 1, 0.2, 20, 20, 40, 40),
    found(3, 1, 0.7, 45, 20, 40, 40),
    found(4, 1, 0.6, 20, 20, 40, 40),
    found(4, 1, 0.5, 22, 20, 40, 40),
]


@pytest.fixture
def shown(tab):
    """Opens a page of these sections."""

    def show(sections, **emulation):
        return tab(page("pictures", sections), **emulation)

    return show


def names(tab) -> list[str]:
    return tab.run("[...document.querySelectorAll('.pictures .picture')].map((one) => one.picture.name)")


def set_threshold(tab, value: float, place: int = 0) -> None:
    """As the slider does when it is moved."""
    tab.run(f"""(() => {{
        const slider = document.querySelectorAll('.threshold input')[{place}];
        slider.value = {value};
        slider.dispatchEvent(new Event('input'));
    }})()""")
    tab.wait(f"[...document.querySelectorAll('.threshold output')].every((one) => one.textContent === '{value:.2f}')")


def select(tab, key: str, text: str) -> None:
    tab.run(f"""(() => {{
        const choice = document.querySelector('select[data-key={key}]');
        choice.value = [...choice.options].find((one) => one.textContent === {text!r}).value;
        choice.dispatchEvent(new Event('change'));
    }})()""")


def test_the_threshold_moves_boxes_points_and_figures(split, shown):
    tab = shown(detections(split, [Detector("one", RESULTS)], 0.3))
    boxes = "document.querySelectorAll('.picture .frame.sure, .picture .frame.wrong').length"
    figure = "document.querySelector('[data-figure=\"0:{}\"]').textContent"
    tab.wait(f"{boxes} === 5 + 5")
    assert tab.run(figure.format("missed")) == "1"
    set_threshold(tab, 0.65)
    tab.wait(f"{boxes} === 5 + 3")
    counts = mistakes.count(split, mistakes.judge(split, RESULTS), 0.65)
    for kind, count in counts.items():
        assert tab.run(figure.format(kind)) == str(count)
    points = tab.run("JSON.parse(document.querySelector('[data-chart]').dataset.points)")
    assert points == [[pytest.approx(1 / 5), pytest.approx(1 / 3)]]
    set_threshold(tab, 0.15, place=1)
    tab.wait(f"{boxes} === 5 + 6")


def test_the_point_is_on_the_curve_at_every_threshold(split, shown):
    tab = shown(detections(split, [Detector("one", RESULTS)], 0.3))
    for value in (0.1, 0.3, 0.55, 0.65, 0.75, 0.85):
        set_threshold(tab, value)
        (point,) = tab.run("JSON.parse(document.querySelector('[data-chart]').dataset.points)")
        series = tab.run("JSON.parse(document.querySelector('[data-chart]').dataset.chart).series[0]")
        gaps = np.abs(np.array([series["x"], series["y"]]).T - point).max(axis=1)
        assert gaps.min() < 1e-3


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("wrong class", ["2.png"]),
        ("poorly placed", ["3.png"]),
        ("duplicate", ["4.png"]),
        ("missed", ["4.png"]),
        ("right", ["1.png", "4.png"]),
    ],
)
def test_pictures_by_kind_of_mistake(split, shown, kind, wanted):
    tab = shown(detections(split, [Detector("one", RESULTS)], 0.3))
    assert len(names(tab)) == 4
    tab.click(f".chip[data-kind='{kind}']")
    assert sorted(names(tab)) == wanted
    assert tab.run(f"document.querySelector(\".chip[data-kind='{kind}'] small\").textContent") == str(len(wanted))
    tab.click(f".chip[data-kind='{kind}']")
    assert len(names(tab)) == 4


def test_pictures_by_class_order_and_detector(split, shown):
    empty = Detector("blind", [], 1)
    tab = shown(detections(split, [Detector("one", RESULTS), empty], 0.3))
    select(tab, "category", "dog")
    assert sorted(names(tab)) == ["2.png", "4.png"], "in 2 it was said, in 4 it was missed"
    select(tab, "view", "blind")
    assert names(tab) == ["4.png"]
    select(tab, "category", "all")
    select(tab, "order", "by name")
    assert names(tab) == ["1.png", "2.png", "3.png", "4.png"]
    select(tab, "order", "worst first")
    select(tab, "view", "all, side by side")
    assert names(tab)[-1] == "1.png"
    assert tab.run("document.querySelectorAll('.picture:first-child .panel').length") == 3


def test_a_filter_that_nothing_passes_says_so(split, shown):
    tab = shown(detections(split, [Detector("one", RESULTS)], 0.3))
    tab.click(".chip[data-kind='duplicate']")
    set_threshold(tab, 0.95)
    tab.wait("document.querySelector('.found').textContent.includes('choose less')")
    assert names(tab) == []


def test_a_picture_is_enlarged_and_left_by_keys(split, shown):
    tab = shown(detections(split, [Detector("one", RESULTS)], 0.3))
    select(tab, "order", "by name")
    open_ = "document.querySelector('dialog').open"
    tab.run("document.querySelector('.picture').focus()")
    tab.press("Enter")
    assert tab.run(open_)
    assert tab.run("document.querySelector('dialog h2').textContent").startswith("1.png")
    tab.press("ArrowRight")
    assert tab.run("document.querySelector('dialog h2').textContent").startswith("2.png")
    assert tab.run("[...document.querySelectorAll('dialog li')].map((one) => one.textContent)") == [
        "catground truth",
        "dog0.80 · wrong class",
    ]
    tab.press("Escape")
    assert not tab.run(open_)
    tab.wait("document.activeElement.picture?.name === '2.png'")
    tab.click(".picture:nth-child(3)")
    assert tab.run(open_)
    tab.click("dialog button[aria-label=Close]")
    assert not tab.run(open_)


def test_a_box_says_its_class_and_score(split, shown):
    tab = shown(detections(split, [Detector("one", RESULTS)], 0.3))
    select(tab, "order", "by name")
    tab.wait("document.querySelectorAll('.picture:nth-child(2) .panel:nth-child(2) .line').length === 1")
    tab.hover(".picture:nth-child(2) .panel:nth-child(2) .line")
    tab.wait("!document.querySelector('.tip').hidden")
    assert tab.run("document.querySelector('.tip').textContent") == "dog 0.80 · wrong class"


def test_many_pictures_are_drawn_when_they_come_near(tmp_path, split, shown):
    boxes = [(Box(1, 20, 20, 40, 40),)] * 60
    (tmp_path / "many").mkdir()
    many = split_of(tmp_path / "many", boxes, ("cat", "dog"))
    tab = shown(detections(many, [Detector("one", [])], 0.3), width=390)
    assert len(names(tab)) == 12
    tab.click(".more")
    tab.wait("document.querySelectorAll('.pictures .picture').length >= 36")
    assert tab.run("document.querySelectorAll('.picture img').length") < 2 * 36
    assert tab.run("document.querySelector('.found').textContent").startswith("60 of 60 pictures")


def test_names_are_text_wherever_they_stand(tmp_path, shown):
    (tmp_path / "evil").mkdir()
    evil = split_of(tmp_path / "evil", [(Box(1, 20, 20, 40, 40),)] * 2, (EVIL, "constructor"))
    results = [found(1, 1, 0.9, 20, 20, 40, 40), found(2, 2, 0.9, 20, 20, 40, 40)]
    tab = shown(detections(evil, [Detector(EVIL, results)], 0.3))
    tab.click(".picture")
    assert tab.run("document.title") == "pictures · Isomer"
    assert EVIL in tab.run("document.querySelector('dialog').textContent")
    assert EVIL in tab.run("document.querySelector('select[data-key=category]').textContent")


@pytest.mark.parametrize("classes", [1, 90])
@pytest.mark.parametrize("results", [True, False])
@pytest.mark.parametrize("boxes", [True, False])
def test_whatever_there_is_and_is_not(tmp_path, shown, classes, results, boxes):
    (tmp_path / "some").mkdir()
    names_ = tuple(f"class {number}" for number in range(1, classes + 1))
    own = tuple(Box(number, number, 10, 20, 20) for number in range(1, classes + 1)) if boxes else ()
    some = split_of(tmp_path / "some", [own, ()], names_)
    made = [found(1, number, 0.9, number, 10, 20, 20) for number in range(1, classes + 1)] if results else []
    tab = shown(detections(some, [Detector("one", made)], 0.3), width=390)
    tab.wait("document.querySelectorAll('.pictures .picture').length === 2")
    assert tab.run("document.documentElement.scrollWidth") == 390
    assert tab.run("document.querySelectorAll('canvas').length") <= 13
    tab.click(".picture")
    assert tab.run("document.querySelector('dialog').open")


def test_no_picture_at_all(tmp_path, shown):
    (tmp_path / "none").mkdir()
    tab = shown(detections(split_of(tmp_path / "none", [], ("cat",)), [Detector("one", [])], 0.3))
    assert tab.run("document.querySelector('.found').textContent") == "There are no pictures."
    tab = shown([Section("Pictures", [labels(Split("test", tmp_path, ("cat",), ()))])])
    assert tab.run("document.querySelector('.found').textContent") == "There are no pictures."


def test_labels_alone_have_no_threshold(split, shown):
    tab = shown([Section("Pictures", [labels(split)])])
    assert tab.run("document.querySelectorAll('.threshold').length") == 0
    select(tab, "category", "dog")
    assert names(tab) == ["4.png"]


def test_a_phone_scrolls_down_only_and_paper_has_no_controls(split, shown):
    tab = shown(detections(split, [Detector("a detector with a long name of its own", RESULTS)], 0.3), width=390)
    assert tab.run("document.documentElement.scrollWidth") == 390
    tab.media(printed=True)
    controls = "[...document.querySelectorAll('input, select, .chip, .more, .theme')]"
    assert tab.run(f"{controls}.length") > 8
    assert tab.run(f"{controls}.filter((one) => one.checkVisibility()).length") == 0
    assert tab.run("document.querySelectorAll('.pictures img').length") > 0
    tab.media(dark=True, printed=True)
    assert tab.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_of_too_many_pictures_and_boxes_the_worst_are_kept_and_it_is_said(split, shown, monkeypatch):
    monkeypatch.setattr(report_gallery, "MOST_PICTURES", 2)
    monkeypatch.setattr(report_gallery, "MOST_BOXES", 0)
    # 2 and 3 hold nothing right; 1 is all right
    tab = shown(detections(split, [Detector("one", RESULTS)], 0.3))
    assert "2 of 4 are on this page" in tab.run("document.querySelector('#pictures .note').textContent")
    assert "3.png" in names(tab)
    assert len(names(tab)) == 2
    set_threshold(tab, 0.9)
    assert float(tab.run("document.querySelector('.threshold input').min")) > 0.05
    assert tab.run("document.querySelector('[data-figure=\"0:missed\"]').textContent") == "5", "of all pictures"
