"""What can go wrong with a file on its way, in words for the person who wanted it."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import requests
import urllib3

from isomer.errors import UserError
from isomer.volume import DOWNLOADS, WEIGHTS

BY_HAND = "if you get the file there, put it at {place} in the data volume"
ADVICE = {
    "away": "check the network, and HTTPS_PROXY if there is a proxy; or fetch it on another machine, put it at {place} "
    "in the data volume, and give the same command again",
    "refused": f"open it in a browser to see whether it has moved or wants a sign-in; {BY_HAND}",
    "page": f"a sign-in, a proxy, or a page about it? Open it in a browser; {BY_HAND}",
    "damaged": "it was thrown away, the same command fetches it anew",
    "other file": "remove {place} in the data volume, and the same command fetches it anew",
    "later": "what has come is kept; try again later, the same command goes on from there",
}


@dataclass(frozen=True)
class Problem:
    """Why a file could not be had, as a predicate of its address: `answered 404 Not Found`; kind: a key of `ADVICE`."""

    reason: str
    kind: str = "later"


class FetchError(UserError):
    """A file that could not be had; `problem` is why, in a few words."""

    def __init__(self, url: str, place: Path, problem: Problem) -> None:
        self.problem = problem
        super().__init__(f"{shown(url)} {problem.reason}: {ADVICE[problem.kind].format(place=_seen(place))}")


def shown(url: str) -> str:
    """An address without what may be secret in it: a password, a key in its query."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def of_status(response: requests.Response) -> Problem:
    """What an answer's status says."""
    code = response.status_code
    try:
        phrase = f" {HTTPStatus(code).phrase}"
    except ValueError:
        phrase = ""
    asked = len(response.raw.retries.history) + 1
    times = f" {asked} times" if asked > 1 else ""
    return Problem(f"answered {code}{phrase}{times}", "refused" if 400 <= code < 500 else "later")


def of_request(url: str, error: Exception, silence: float, have: int = 0, total: int | None = None) -> Problem:
    """What an error of the network says; have, total: bytes, where some have come."""
    causes = _chain(error)
    host = urlsplit(url).hostname
    at = f" at {have} of {total} bytes" if total else f" at {have} bytes" if have else ""
    kind = "later" if at else "away"

    def any_is(*kinds: type) -> bool:
        return any(isinstance(item, kinds) for item in causes)

    if any_is(urllib3.exceptions.ReadTimeoutError):
        return Problem(f"sent nothing for {silence:g} s{at}", kind)
    if any_is(urllib3.exceptions.SSLError):
        return Problem(f"has no certificate that can be trusted ({causes[-1]})", "away")
    if any_is(urllib3.exceptions.NameResolutionError):
        return Problem(f"cannot be reached, {host} is not known here", "away")
    if any_is(requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, urllib3.exceptions.LocationParseError):
        return Problem("is no address that can be asked", "refused")
    if any_is(requests.exceptions.TooManyRedirects):
        return Problem("leads in a circle", "refused")
    if any_is(urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError):
        return Problem(f"cannot be reached, {host} does not answer", "away")
    return Problem(f"cut the connection{at}", kind)


def _seen(place: Path) -> str:
    """A place as it is called in the data volume, wherever that is mounted."""
    parts = place.parts
    folder = next((name for name in (DOWNLOADS, WEIGHTS) if name in parts), None)
    return "/".join(parts[parts.index(folder) :]) if folder else str(place)


def _chain(error: BaseException) -> list[BaseException]:
    """An error, what it was made of, and so on: urllib3 and requests wrap what went wrong several times."""
    found: list[BaseException] = []
    queue: list[object] = [error]
    while queue:
        item = queue.pop(0)
        if isinstance(item, BaseException) and item not in found:
            found.append(item)
            queue += [*item.args, getattr(item, "reason", None), item.__cause__, item.__context__]
    return found
