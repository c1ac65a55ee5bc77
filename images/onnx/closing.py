"""What an import says at its end: what was kept and left out, and what it took the place of."""

from __future__ import annotations

from pathlib import Path

from isomer import progress
from isomer.dataset import canonical
from isomer.dataset.account import Account
from isomer.dataset.canonical import Dataset


def previous(folder: Path) -> Dataset | None:
    """The dataset that is in a folder before an import into it."""
    return canonical.load(folder) if (folder / "dataset.json").is_file() else None


def tell(before: Dataset | None, dataset: Dataset, account: Account, *lines: str) -> None:
    """Say how an import went; `lines` are what else there is to say."""
    progress.say(account.text())
    for line in lines:
        progress.say(line)
    if before is not None:
        same = "holds the same as before" if before.sha256 == dataset.sha256 else "took the place of another"
        progress.say(
            f"replaced  dataset {dataset.name!r} was there, from {before.about.get('source')}; this one {same}"
        )
    progress.say(f"dataset {dataset.name!r}: {canonical.summary(dataset)} in {dataset.folder}")
