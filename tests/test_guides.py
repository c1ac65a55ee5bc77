"""The guides tell the truth: links lead somewhere, commands are taken, what they quote of the code stands there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import guides
import pytest

from isomer.converting import failures, failures_tf, failures_torch
from isomer.errors import UserError
from launcher import engines
from launcher.guides import PAGE, PARTS, renewed
from launcher.program import Inv

ROOT = Path(__file__).resolve().parents[1]
PAGES = guides.pages(ROOT)
CHECKED = (
    "### Fetching",
    "### Importing",
    "## Training",
    "### Files that cannot be opened",
    "## The gate",
    "## Using a model",
    "## Notebooks",
)


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page):
    faults = []
    for address in guides.links(page):
        if re.match(r"[a-z]+:", address):
            continue
        path, _, anchor = address.partition("#")
        target = (page.parent / path).resolve() if path else page
        target = target / "README.md" if target.is_dir() else target
        if not target.is_file() or (anchor and anchor not in guides.anchors(target)):
            faults.append(address)
    assert faults == []


def flags_of(verb: str) -> list[str]:
    import tasks

    return [item.name for item in tasks.namespace[verb].body.flag_items]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_are_taken(page):
    import tasks

    faults = []
    for verb, *words in guides.commands(page):
        known = {"--help", "--quiet", "--verbose", "--version"}
        if verb in ("--list", "VERB"):
            continue
        if verb in tasks.namespace.task_names:
            known |= {f"--{flag.replace('_', '-')}" for flag in flags_of(verb)}
        else:
            faults.append(verb)
        faults += [f"{verb} {word}" for word in words if word.startswith("--") and word.split("=")[0] not in known]
    assert faults == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_values_are_taken(page, tmp_path, monkeypatch, capsys):
    """As far as flags are read, before anything is looked for or started."""
    import tasks

    def choose(*_):
        raise UserError("flags are read")

    monkeypatch.setenv("ISOMER_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(engines, "choose", choose)
    monkeypatch.chdir(tmp_path)
    faults = []
    for verb, *words in guides.commands(page):
        if verb not in tasks.namespace.task_names or "engine" not in flags_of(verb):
            continue
        for word in words:
            if not word.startswith("-"):
                (tmp_path / word).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / word).touch()
        with pytest.raises(SystemExit):
            Inv(namespace=tasks.namespace, name="inv", binary="inv", version="1").run(["inv", verb, *words])
        said = capsys.readouterr().err
        faults += [said] if "--help shows the flags" in said else []
    assert faults == []


def test_tables_are_those_of_the_code():
    text = PAGE.read_text()
    assert [part for part in PARTS if f"<!-- part: {part} -->" not in text] == []
    assert text == renewed(text), "./inv docs writes them anew"


@pytest.mark.parametrize("table", [failures_tf.TABLE, failures_torch.TABLE], ids=["tf2onnx", "torch.onnx"])
def test_every_known_message_is_shown_and_explained_by_its_own_entry(table):
    for entry in table:
        assert entry.says, entry.cause
        for message in entry.says:
            assert failures.find(message, table)[0] is entry, message


def test_every_code_of_the_doctor_is_explained():
    codes = {code for path in (ROOT / "shared/launcher/checkup").glob("*.py") for code in codes_of(path)}
    machine = PAGE.read_text().partition("## The machine")[2].partition("\n## ")[0]
    rows = [line.split(" | ") for line in machine.replace("\\|", "").splitlines() if line.startswith("| ")]
    told = {code for row in rows for code in re.findall(r"`([a-z-]+)`", row[1])}
    assert told == codes and len(codes) >= 30


def codes_of(path: Path) -> set[str]:
    """The codes of a module's findings, without the image's name at their end."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in CALLS:
            code = words_of(node.args[0]) if node.args else "…"
            found |= {code.removesuffix("-…")} if not code.startswith("…") else set()
    if path.name == "containers.py":
        found |= {"compose-missing", "buildx-missing"}  # by the plug-in's name
    return found


CALLS = ("Finding", "failure")


def test_every_sentence_quoted_is_one_of_ours():
    """What stands in backticks in the first column (of the gate's levels, in the second) is said somewhere."""
    said = [words_of(node) for path in sources() for node in ast.walk(ast.parse(path.read_text())) if is_text(node)]
    said += [path.read_text() for path in ROOT.glob("images/*/page/*.js")]
    quoted = [phrase for heading in CHECKED for row in rows(heading) for phrase in re.findall(r"`([^`]+)`", row)]
    assert len(quoted) > 60
    assert [phrase for phrase in quoted if not any(phrase.strip("… ,") in words for words in said)] == []


def rows(heading: str) -> list[str]:
    """The cells of a section's tables that quote what is said."""
    section = re.split(r"\n##+ ", PAGE.read_text().partition(f"\n{heading}\n")[2])[0]
    cells = [line.split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return [row[1] if re.match(r"\| \d$", row[0]) else row[0] for row in cells]


def sources() -> list[Path]:
    return [path for folder in ("shared", "images") for path in (ROOT / folder).rglob("*.py")]


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def words_of(node: ast.AST) -> str:
    """A text of the code as the guides quote it: … stands for a value."""
    if isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else "…" for part in node.values]
        return "".join(parts)
    return node.value if isinstance(node, ast.Constant) else "…"


def test_the_newcomers_path_is_at_most_six_commands():
    text = (ROOT / "docs" / "guide.md").read_text()
    heading, paths = re.search(
        r"^## Boxes on a picture of yours, in (\d) commands\n(.*?)\n## ", text, re.M | re.S
    ).groups()
    counts = [len(block.strip().splitlines()) for _, block in guides.FENCE.findall(paths)]
    assert counts == [int(heading), 6]
