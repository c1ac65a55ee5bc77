"""The page of an evaluation, in a browser: every model's figures, how names were matched, the pictures."""

from __future__ import annotations

import made_up
import pytest

from isomer import class_names, evaluations
from isomer.dataset import canonical
from isomer.report import evaluation_page


@pytest.fixture
def shown(full_volume, browser, tmp_path):
    dataset = canonical.load(full_volume.dataset("toys"))
    split = dataset.split("test")
    first, *others = dataset.classes
    exact = class_names.match(dataset.classes, dataset.classes, {})
    partly = class_names.match((f"{first}s".upper(), "unicorn", *others[1:]), dataset.classes, {})
    about = {"architecture": "made up", "input_size": "160"}
    evaluated = [
        evaluations.measure(about | {"name": "good"}, exact, split, made_up.guess(split, 1.0), 0.5),
        evaluations.measure(about | {"name": "<b>bad</b>"}, partly, split, made_up.guess(split, 6.0), 0.3),
    ]
    path = tmp_path / "page.html"
    path.write_text(evaluation_page.render(dataset, split, evaluated))
    tab = browser.open(path.as_uri(), width=390)
    yield tab, evaluated, others[0]
    tab.close()


def test_all_of_it_is_there(shown):
    tab, evaluated, unknown = shown
    text = tab.run("document.body.innerText")
    for one in evaluated:
        assert f"{one.metrics.mAP:.3f}" in text and one.name in text
        assert f"F1 is highest, {one.best['F1']:.3f}" in text
    assert f"Not known to <b>bad</b>, so never found: {unknown}" in text
    assert "unicorn" in text and "spelling" in text
    assert tab.run("document.querySelectorAll('#what-mistakes-cost tbody tr').length") == 2
    assert tab.run("document.querySelectorAll('#pictures .picture').length") > 0
    assert tab.complaints() == [] and tab.requests() == []


def test_nothing_is_wider_than_a_phone(shown):
    tab, *_ = shown
    assert tab.run("document.documentElement.scrollWidth <= innerWidth")
