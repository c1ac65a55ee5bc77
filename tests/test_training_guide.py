"""docs/training.md names flags and defaults that there are."""

from __future__ import annotations

import re

from isomer import flags
from isomer.flags import Train
from launcher.options import Reproduce, Runs

KNOWN = {flags.option(item.name): item for cls in (Runs, Reproduce, Train) for item in flags.fields(cls)}


def test_every_flag_is_one(root):
    text = (root / "docs" / "training.md").read_text()
    assert set(re.findall(r"--[a-z][a-z-]+", text)) - set(KNOWN) - {"--help", "--backend-store-uri"} == set()


def test_defaults_are_those(root):
    text = (root / "docs" / "training.md").read_text()
    rows = re.findall(r"^\| `(--[a-z-]+)` \| (\S+?),? ", text, re.MULTILINE)
    plain = {name: word.strip("`;") for name, word in rows if KNOWN[name].default is not None}
    assert len(plain) >= 6
    for name, word in plain.items():
        default = KNOWN[name].default
        assert word == (f"{default:g}" if isinstance(default, float) else str(default)), name
