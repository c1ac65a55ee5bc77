"""What the guides quote from the code: the tables of known messages and of findings in docs/when-it-goes-wrong.md.

Such a part stands between `<!-- part: NAME -->` and `<!-- end of part -->`, and is written by `./inv docs`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from isomer import files
from isomer.converting import failures_tf, failures_torch
from isomer.converting.failures import Failure
from isomer.dataset.checks.findings import CODES
from launcher import project

PAGE = project.ROOT / "docs" / "when-it-goes-wrong.md"
PART = re.compile(r"(<!-- part: (\S+) -->\n).*?(<!-- end of part -->)", re.DOTALL)


def messages(table: Iterable[Failure]) -> str:
    """A table of what a converter says, why, and what to do."""
    rows = []
    for entry in table:
        match = entry.match(entry.says[0])
        words = {key: value or "?" for key, value in match.groupdict().items()} if match else {}
        cells = (entry.cause.format(**words), entry.cure.format(**words))
        rows.append(("; ".join(map(_code, entry.says)), *cells))
    return _table(("what it says", "why", "what to do"), rows)


def findings() -> str:
    """A table of everything that data-check can find."""
    rows = [(f"`{name}`", code.severity, code.what, code.advice) for name, code in CODES.items()]
    return _table(("code", "severity", "what was found", "what to do"), rows)


PARTS: dict[str, Callable[[], str]] = {
    "tf2onnx": lambda: messages(failures_tf.TABLE),
    "torch.onnx": lambda: messages(failures_torch.TABLE),
    "data-check": findings,
}


def renewed(text: str) -> str:
    """A page with its parts as the code has them now."""
    return PART.sub(lambda match: f"{match[1]}\n{PARTS[match[2]]()}\n\n{match[3]}", text)


def renew(page: Path = PAGE) -> None:
    """Write a page's parts anew where the code has changed."""
    before = page.read_text()
    after = renewed(before)
    if after != before:
        files.write_text(page, after)
        print(f"{page.relative_to(project.ROOT)}: its tables are as the code has them now", flush=True)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([cell.replace("|", r"\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _code(message: str) -> str:
    return f"`{message}`"
