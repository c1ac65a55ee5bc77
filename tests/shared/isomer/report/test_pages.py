"""What holds for every page: read on a phone, in the dark, on paper, by keyboard and by ear."""

from __future__ import annotations

import pytest

from isomer import mistakes
from isomer.dataset import canonical
from isomer.dataset.checks import check
from isomer.dataset.checks.subject import examine_dataset
from isomer.report import comparison_page, dataset_page, run_page
from isomer.report.collect import collect
from isomer.report.statistics import statistics


def comparison(volume) -> str:
    collected = collect(volume, "toys")
    judged = [mistakes.judge(collected.split, detector.results) for detector in collected.detectors]
    return comparison_page.render(collected, judged)


def dataset(volume) -> str:
    found = canonical.load(volume.dataset("toys"))
    splits = [found.split(name) for name in canonical.SPLITS]
    findings = check(examine_dataset(found, size=160, deep=False))
    return dataset_page.render(found, splits, statistics(splits), findings)


def run(volume) -> str:
    return run_page.render(run_page.read(volume, "toys-torch"))


every_page = pytest.mark.parametrize("make", [comparison, dataset, run])


@every_page
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [360, 800, 1600])
def test_nothing_is_wider_than_the_screen(full_volume, tab, make, dark, width):
    shown = tab(make(full_volume), width=width, dark=dark)
    shown.wait("document.querySelectorAll('.pictures .picture').length")
    assert shown.run("document.documentElement.scrollWidth") == width


@every_page
def test_paper_has_no_controls_and_is_white(full_volume, tab, make):
    shown = tab(make(full_volume), dark=True)
    shown.media(dark=True, printed=True)
    controls = "[...document.querySelectorAll('input, select, nav, .chip, .press, .theme')]"
    assert shown.run(f"{controls}.length") > 0
    assert shown.run(f"{controls}.filter((one) => one.checkVisibility()).length") == 0
    assert shown.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert len(shown.call("Page.printToPDF")["data"]) > 10_000


@every_page
def test_who_takes_a_picture_of_the_whole_page_sees_all_of_it(full_volume, tab, make):
    shown = tab(make(full_volume))
    shown.wait("[...document.querySelectorAll('[data-chart]')].every((chart) => chart.querySelector('canvas'))", 10)
    filled = (
        "[...document.querySelectorAll('.pictures .panel')].every((panel) => panel.querySelector('img, .unreadable'))"
    )
    shown.wait(filled, 10)
    assert shown.run("scrollY") == 0


@every_page
def test_everything_has_a_name_and_every_heading_its_place(full_volume, tab, make):
    shown = tab(make(full_volume))
    shown.wait("document.querySelectorAll('.pictures .picture').length")
    unnamed = """[...document.querySelectorAll("img, button, input, select, [role=img], [role=button]")].filter((one) =>
        !(one.alt || one.getAttribute("aria-label") || one.textContent.trim() || one.labels?.length)).length"""
    assert shown.run(unnamed) == 0
    assert shown.run("document.querySelectorAll('h1').length") == 1
    assert shown.run("new Set([...document.querySelectorAll('[id]')].map((one) => one.id)).size") == shown.run(
        "document.querySelectorAll('[id]').length"
    )
    links = shown.run("[...document.querySelectorAll('nav a')].map((one) => one.getAttribute('href').slice(1))")
    assert all(shown.run(f"Boolean(document.getElementById({link!r}))") for link in links)


@every_page
def test_the_keyboard_reaches_a_picture_and_opens_it(full_volume, tab, make):
    shown = tab(make(full_volume))
    shown.wait("document.querySelectorAll('.pictures .picture').length")
    shown.run("document.querySelector('.controls select').focus()")
    for _ in range(20):
        shown.press("Tab")
        if shown.run("document.activeElement.matches('.picture')"):
            break
    shown.press(" ")
    assert shown.run("document.querySelector('dialog').open")
    shown.press("Escape")
    assert not shown.run("document.querySelector('dialog').open")
