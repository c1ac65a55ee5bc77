"""`./inv weights`: which published weights are wanted is decided here, the tools' image fetches them."""

from __future__ import annotations

from pathlib import Path

from isomer import answers
from isomer.catalogue import Pretrained
from isomer.errors import UserError
from isomer.flags import Fetch, to_argv
from isomer.weights import recorded_sha256
from launcher import catalogues, engines, project, steps, tables
from launcher.catalogues import Published
from launcher.exporting import TOOLS
from launcher.step import script
from launcher.verbs import Parsed


def run(given: Parsed) -> None:
    options = given.flags
    found = catalogues.published(options.framework, options.model, options.kind)
    if options.list or options.json:
        _list(found, options.json)
        return
    if not found:
        raise UserError("no such weights are published; ./inv weights --list shows those that are")
    for item in found:
        print(f"{item.framework}  {item.model.name}  {item.kind}: {item.file.file_name} ({item.file.licence})")
    urls = tuple(dict.fromkeys(address(item.file) for item in found))
    argv = to_argv(Fetch, {"url": (*options.url, *urls), "mirror": options.mirror})
    steps.run(engines.choose(options), script(TOOLS, "weights", argv, network=True))


def address(file: Pretrained) -> str:
    """A file's address with its published checksum behind it, as pip writes it: `https://…/x.pth#sha256=…`."""
    algorithm = "sha256" if file.sha256 else "md5"
    value = file.sha256 or file.md5
    return f"{file.url}#{algorithm}={value}" if value else file.url


def _list(found: list[Published], json: Path | None) -> None:
    """What there is, and what is here; files that no catalogue knows last."""
    folder = project.volume().weights
    known = {item.file.file_name for item in found}
    others = [path for path in sorted(folder.glob("*")) if _is_weights(path) and path.name not in known]
    if json:
        listed = [_as_json(item) for item in found] + [{"file": path.name, "fetched": True} for path in others]
        answers.give(json, listed)
        return
    rows = [
        (
            item.framework,
            item.model.name,
            item.kind,
            item.file.file_name,
            item.file.licence,
            f"{item.path.stat().st_size / 1e6:.1f} MB" if item.is_here else "not fetched",
            (recorded_sha256(item.path) or "")[:12],
        )
        for item in found
    ]
    rows += [
        ("", "", "", path.name, "", f"{path.stat().st_size / 1e6:.1f} MB", (recorded_sha256(path) or "")[:12])
        for path in others
    ]
    tables.show(("framework", "model", "kind", "file", "licence", "here", "sha256"), rows, right=("here",))
    print(f"in {folder}")


def _as_json(item: Published) -> dict:
    about = {"framework": item.framework, "model": item.model.name, "kind": item.kind, "file": item.file.file_name}
    about |= {"url": item.file.url, "licence": item.file.licence, "fetched": item.is_here}
    return about | {"sha256": recorded_sha256(item.path)}


def _is_weights(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".") and path.suffix not in (".sha256", ".part", ".mark")
