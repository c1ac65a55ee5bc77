"""A page of blocks: its text is text, its tables sort, its charts are drawn, and it asks the network for nothing."""

from __future__ import annotations

import re

import pytest

from isomer.report.blocks import (
    GOOD,
    Bar,
    Bars,
    Cell,
    Chart,
    Charts,
    Columns,
    Legend,
    Note,
    Section,
    Series,
    Share,
    Shares,
    Table,
    Verdict,
)
from isomer.report.document import page

EVIL = "<img src=x onerror=\"document.title='evil'\">&'🐈</script><script>document.title='evil'</script>"


def everything(word: str) -> list:
    """One of every block, with a word wherever text may stand."""
    curve = Series(word, [1, 2, 4], [5.0, None, 14.0])
    table = Table([word, "AP50"], [[Cell(word, swatch=1, small=word, hint=word), 0.5], [word, None], ["a", 0.75]])
    return [
        Verdict(GOOD, word, [word]),
        Section(word, [table, Note(word, warning=True)], note=word),
        Section("Speed", [Charts([Chart(word, [curve, Series("b", [1], [3.0], 1, dash=True)], x=word)])]),
        Section("Boxes", [Columns([Bars(word, [Bar(word, word, 3)], word), Shares(word, [Share(word, 1, 0)])])]),
        Section("Marks", [Legend([(0, word), ("#ff0000", word)], (word, word))]),
    ]


def test_text_is_text_wherever_it_stands(tab):
    html = page(EVIL, everything(EVIL), lede=EVIL, kind=EVIL)
    assert "<img src=x" not in html
    assert html.count("<script>") == 1
    shown = tab(html)
    assert shown.run("document.title").startswith("<img src=x")
    assert shown.run("document.querySelector('h1').textContent") == EVIL


def test_only_the_pages_own_script_may_run(browser, tmp_path):
    html = page("a page", everything("word"))
    path = tmp_path / "page.html"
    path.write_text(html.replace("</main>", "<script>document.title = 'evil'</script></main>"))
    shown = browser.open(path.as_uri())
    assert shown.run("document.title") == "a page · Isomer"
    assert any("Content Security Policy" in said for said in shown.complaints())
    shown.close()


def test_tables_sort_by_the_column_that_is_pressed_and_unknown_comes_last(tab):
    rows = [["b", 0.5], ["a10", None], ["a9", 0.75], ["c", 12.0]]
    shown = tab(page("sort", [Section("Rows", [Table(["Name", "Value"], rows)])]))

    def order() -> list[str]:
        return shown.run("[...document.querySelectorAll('tbody th')].map((cell) => cell.textContent)")

    shown.click("th:nth-child(2) .sort")
    assert order() == ["c", "a9", "b", "a10"]
    shown.click("th:nth-child(2) .sort")
    assert order() == ["b", "a9", "c", "a10"]
    assert shown.run("document.querySelector('th:nth-child(2)').getAttribute('aria-sort')") == "ascending"
    shown.run("document.querySelector('th .sort').focus()")
    shown.press("Enter")
    assert order() == ["a9", "a10", "b", "c"]


def test_the_theme_is_the_systems_until_another_is_chosen(tab):
    ground = "getComputedStyle(document.body).backgroundColor"
    light, dark = tab(page("light", everything("word"))), tab(page("dark", everything("word")), dark=True)
    assert light.run(ground) != dark.run(ground)
    assert light.run("document.querySelectorAll('canvas').length") == 1
    light.run("document.querySelector('.theme').focus()")
    for _ in range(2):
        light.press("Enter")
    assert light.run("document.documentElement.dataset.theme") == "dark"
    assert light.run(ground) == dark.run(ground)


@pytest.mark.parametrize("dark", [False, True])
def test_text_has_contrast(tab, dark):
    shown = tab(page("contrast", everything("word")), dark=dark)
    script = """(() => {
      const probe = document.body.appendChild(document.createElement("i"));
      const rgb = (name) => {
        probe.style.color = `var(--${name})`;
        return getComputedStyle(probe).color.match(/[0-9.]+/g).slice(0, 3).map(Number);
      };
      const names = ["ground", "card", "ink", "soft", "faint", "yes", "no"];
      return Object.fromEntries(names.map((name) => [name, rgb(name)]));
    })()"""
    colours = shown.run(script)

    def luminance(name: str) -> float:
        parts = [value / 255 for value in colours[name]]
        linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for name in ("ink", "soft", "faint", "yes", "no"):
        for ground in ("ground", "card"):
            low, high = sorted((luminance(name), luminance(ground)))
            assert (high + 0.05) / (low + 0.05) >= 4.5, f"{name} on {ground}"


def test_a_phone_scrolls_down_only_and_paper_has_no_controls(tab):
    long = "a-name-without-a-place-to-break" * 4
    shown = tab(page(long, everything(long), lede=long), width=390)
    assert shown.run("document.documentElement.scrollWidth") == 390
    shown.media(printed=True)
    controls = "[...document.querySelectorAll('.theme, nav, input, select')]"
    assert shown.run(f"{controls}.length") > 0
    assert shown.run(f"{controls}.filter((control) => control.checkVisibility()).length") == 0


def test_headings_and_ids():
    html = page("p", [Section("Classes & splits", []), Section("🐈", [])])
    assert re.findall(r'<section id="([^"]*)">', html) == ["classes-splits", "section"]
