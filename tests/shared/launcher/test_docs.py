"""The site of `./inv docs`: what is on it, whether its links lead somewhere, and that nothing comes from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from isomer.errors import CheckFailed
from launcher import docs, project
from launcher.engines import venv

MISREAD = re.compile(r"(?:[-*] |\d+\. |\| |```|#+ |&lt;!--)")
LOADED = {"script": "src", "link": "href", "img": "src", "iframe": "src"}


class Page(HTMLParser):
    """The names that a page can be entered by, where it leads, and what it loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.leads: list[str] = []
        self.loads: list[str] = []
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {key: value or "" for key, value in attrs}
        self.names |= {found[key] for key in ("id", "name") if key in found}
        if tag == "a" and "href" in found:
            self.leads.append(found["href"])
        if tag in LOADED and LOADED[tag] in found:
            self.loads.append(found[LOADED[tag]])


def contents(nav: docs.Nav) -> list[str]:
    """The pages of a table of contents."""
    found = []
    for entry in nav:
        for value in entry.values():
            found += contents(value) if isinstance(value, list) else [value]
    return found


def test_every_guide_and_every_module_has_a_page(tmp_path, root):
    listed = contents(docs.lay_out(tmp_path))
    guides = {"README.md", *(f"images/{name}/README.md" for name in project.images())}
    guides |= {str(path.relative_to(root)) for part in ("docs", "benchmarks") for path in (root / part).rglob("*.md")}
    modules = set((root / "shared" / "isomer").rglob("*.py"))
    assert guides <= set(listed) and len(set(listed) - guides) == len(modules)
    assert [page for page in listed if not (tmp_path / page).is_file()] == []
    assert (tmp_path / "docs" / "report.png").is_file(), "what a page shows goes with it"


def test_titles_are_the_headings():
    assert docs.title(project.ROOT / "docs" / "guide.md") == "The whole road"


@pytest.fixture(scope="module")
def python() -> Path:
    """The generator's environment; made where it is not there yet."""
    return venv.tool("docs", docs.LOCK) / "bin" / "python"


@pytest.fixture(scope="module")
def site(python, tmp_path_factory) -> Path:
    target = tmp_path_factory.mktemp("built") / "site"
    docs.build(python, target)
    return target


@pytest.mark.slow
def test_every_link_and_anchor_leads_somewhere(site):
    pages = {path: Page(path) for path in site.rglob("*.html") if path.name != "404.html"}
    assert len(pages) > 100
    faults = []
    for path, page in pages.items():
        for address in [*page.leads, *page.loads]:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            known = pages[target].names if target in pages else set()
            if not target.is_file() or (parts.fragment and target in pages and unquote(parts.fragment) not in known):
                faults.append(f"{path.relative_to(site)}: {address}")
    assert faults == []


@pytest.mark.slow
def test_nothing_is_loaded_from_elsewhere(site):
    loads = [address for path in site.rglob("*.html") for address in Page(path).loads]
    assert [address for address in loads if urlsplit(address).netloc] == []
    styles = [path.read_text() for path in site.rglob("*.css")]
    assert [
        word for text in styles for word in re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//\S{20}", text)
    ] == []


@pytest.mark.slow
def test_the_generator_reads_the_pages_as_they_are_meant(site):
    """A list, a table or a block that another reader of Markdown took for text."""
    faults = []
    for path in [site / "index.html", *(site / "docs").rglob("*.html"), *site.glob("images/*/*.html")]:
        for text in re.findall(r"<p>(.*?)</p>", path.read_text(), re.DOTALL):
            faults += [f"{path.relative_to(site)}: {line}" for line in text.splitlines() if MISREAD.match(line)]
    assert faults == []


@pytest.mark.slow
def test_it_is_read_and_searched_from_the_disk(site, browser):
    tab = browser.open((site / "index.html").as_uri())
    tab.click(".md-search__input")
    for letter in "GuardOnDataDependentSymNode":
        tab.press(letter, letter)
    tab.wait("document.querySelector('.md-search-result__link[href*=when-it-goes-wrong]')")
    assert tab.complaints() == []
    assert [address for address in tab.requests() if not address.startswith("file:")] == []
    tab.close()


@pytest.mark.slow
def test_a_link_that_leads_nowhere_fails_and_the_site_stays(python, tmp_path, monkeypatch, capfd):
    target = tmp_path / "site"
    target.mkdir()
    (target / "index.html").write_text("as it was")
    page = tmp_path / "README.md"
    page.write_text("# Broken: links\n\n[gone](nowhere.md) and [no such part](#nothing)\n")
    monkeypatch.setattr(docs, "pages", lambda: [page])
    monkeypatch.setattr(docs.project, "ROOT", tmp_path)
    monkeypatch.setattr(docs, "SCRIPT", page)
    monkeypatch.setattr(docs, "reference", lambda *_: [])
    with pytest.raises(CheckFailed, match="could not be built"):
        docs.build(python, target)
    said = "".join(capfd.readouterr())
    assert "nowhere.md" in said and "#nothing" in said
    assert (target / "index.html").read_text() == "as it was"
