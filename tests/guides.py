"""The guides as tests see them: pages, their links and anchors, the commands in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

FENCE = re.compile(r"^ *```(\w*)[^\n]*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")


def pages(root: Path) -> list[Path]:
    """README.md, what is in docs/, and the guide of each image."""
    return [root / "README.md", *sorted((root / "docs").rglob("*.md")), *sorted(root.glob("images/*/README.md"))]


def links(page: Path) -> list[str]:
    """Addresses that a page links to, those in code left out."""
    text = re.sub(r"`[^`\n]*`", "", FENCE.sub("", page.read_text()))
    return [one or other for one, other in LINK.findall(text)]


def anchors(page: Path) -> set[str]:
    """The names that GitHub, and the site, give a page's headings; and those that stand in it."""
    text = FENCE.sub("", page.read_text())
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return slugs | set(re.findall(r'<a name="([^"]+)">', text))


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return [body for found, body in FENCE.findall(page.read_text()) if found == language]


def titled(page: Path, title: str) -> str:
    """The fenced block of a title: the file of that name."""
    found = re.search(rf'^```\w+ title="{re.escape(title)}"\n(.*?)^```$', page.read_text(), re.MULTILINE | re.DOTALL)
    return found[1]


def commands(page: Path) -> Iterator[list[str]]:
    """The words behind ./inv of every command in a page: those that work as they stand, and those to be filled in."""
    for language, block in FENCE.findall(page.read_text()):
        for line in block.replace("\\\n", " ").splitlines() if language in ("bash", "shell") else ():
            # optional flags stand in brackets
            words = shlex.split(re.sub(r"[\[\]]", " ", line), comments=True)
            if words and words[0].endswith("/inv"):
                yield words[1:]
