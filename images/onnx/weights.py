"""weights: published weights come into the data volume, each held against the checksum that is published with it."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urldefrag, urlsplit

from isomer import weights
from isomer.errors import UserError, run_main
from isomer.fetching import published
from isomer.fetching.errors import FetchError, shown
from isomer.fetching.fetcher import Fetcher, check_address
from isomer.fetching.published import Checksum
from isomer.files import sha256_of_file
from isomer.flags import Fetch, parse
from isomer.progress import say
from isomer.volume import Volume, check_name


def main() -> None:
    options = parse(Fetch, prog="weights")
    wanted = [_address(url) for url in options.url]
    if not wanted:
        raise UserError("nothing to fetch: no weights are published for what was asked for")
    volume = Volume.from_environment()
    fetcher = Fetcher(volume.downloads, options.mirror)
    problems: dict[str, FetchError] = {}
    for url, checksum in wanted:
        if _is_away(urlsplit(url).hostname, problems):
            problems[url] = problems[next(reversed(problems))]
            continue
        try:
            fetch(fetcher, url, checksum, volume.weights / file_name(url))
        except FetchError as error:
            problems[url] = error
            say(f"{file_name(url)}: {error}")
    if problems:
        lines = [f"  {shown(url)}  ->  weights/{file_name(url)}" for url in problems]
        raise UserError(
            f"{len(problems)} of {len(wanted)} files could not be had (see above). The same command fetches what is "
            "missing; or fetch by hand, and put into the data volume:\n" + "\n".join(lines)
        )


def fetch(fetcher: Fetcher, url: str, checksum: Checksum | None, place: Path) -> None:
    """One file, fetched if it is not here, verified either way, its SHA-256 recorded.

    Raises:
        FetchError: it cannot be had, or is not what was published, or not what was recorded before.
    """
    was_here = place.is_file()
    recorded = weights.recorded_sha256(place)
    fetcher.fetch(url, checksum, place=place)
    found = sha256_of_file(place)
    if recorded and recorded != found:
        published.check(url, place, place, Checksum("sha256", recorded))
    weights.record(place, found)
    if checksum:
        held = f"as published ({checksum.algorithm})"
    elif recorded:
        held = "as when it was fetched first"
    else:
        held = "nothing is published to hold it against, so it is taken down now"
    size = f"{place.stat().st_size / 1e6:.1f} MB"
    say(f"{place.name}: {'was here' if was_here else 'fetched'}, {size}, sha256 {found}, {held}")


def file_name(url: str) -> str:
    return urlsplit(url).path.rpartition("/")[2]


def _address(word: str) -> tuple[str, Checksum | None]:
    """An address and its checksum, from `https://…/x.pth#sha256=…`."""
    url, fragment = urldefrag(word)
    check_address("--url", url)
    check_name("--url: the file", file_name(url))
    if not fragment:
        return url, None
    found = re.fullmatch(r"(sha256|md5)=([0-9a-f]{8,64})", fragment)
    if not found:
        raise UserError(f"--url {word}: what stands behind # must be sha256= or md5= and at least 8 hexadecimal digits")
    return url, Checksum(found[1], found[2])


def _is_away(host: str | None, problems: dict[str, FetchError]) -> bool:
    """Whether a host was not reached a moment ago: it is not waited for again."""
    return any(error.problem.kind == "away" and urlsplit(url).hostname == host for url, error in problems.items())


if __name__ == "__main__":
    run_main(main, goes_on=True)
