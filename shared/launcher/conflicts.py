"""Why the frameworks are apart: the files that two locked sets would both put at one place.

An installer lays wheels over each other without a word; whichever comes last wins.
"""

from __future__ import annotations

from dataclasses import dataclass

from isomer.errors import UserError
from launcher import project, wheels
from launcher.verbs import Parsed
from launcher.wheels import Content, Wheel


@dataclass(frozen=True)
class Collision:
    """A path that two packages install with different content; `owners` are "package version"."""

    path: str
    owners: tuple[str, str]

    @property
    def is_library(self) -> bool:
        return ".so" in self.path.rsplit("/", 1)[-1]


def run(given: Parsed) -> None:
    names = project.chosen("image", given.flags.image, project.images())
    if len(names) != 2:
        raise UserError(f"--image {given.flags.image}: name two images, with a comma")
    sets = [wheels.locked(name) for name in names]
    found = collisions(*(list(zip(one, wheels.contents(one), strict=True)) for one in sets))
    if not found:
        print(f"no file of {names[0]}'s locked set would be overwritten by {names[1]}'s")
    else:
        libraries = sum(item.is_library for item in found)
        print(
            f"{names[0]} and {names[1]} in one environment: {len(found)} files at one place with different content, "
            f"{libraries} of them shared libraries. The wheel that is installed last wins, without a word."
        )
    for owners in dict.fromkeys(item.owners for item in found):
        mine = sorted((item for item in found if item.owners == owners), key=lambda item: not item.is_library)
        print(f"\n{owners[0]} ({names[0]}) and {owners[1]} ({names[1]}): {len(mine)} files")
        print("\n".join(f"  {item.path}" for item in mine))
    differing = versions(*sets)
    if differing:
        print(f"\nlocked to different versions: {len(differing)} packages")
    for name, one, other in differing:
        print(f"  {name} {one} ({names[0]}) and {other} ({names[1]})")


Contents = list[tuple[Wheel, dict[str, Content]]]


def collisions(first: Contents, second: Contents) -> list[Collision]:
    """Paths of different content in both sets, owned by two packages; one package in two versions is another matter."""
    owners = {path: (wheel, content) for wheel, paths in first for path, content in paths.items()}
    found = []
    for wheel, paths in second:
        for path, content in paths.items():
            other, other_content = owners.get(path, (wheel, content))
            if other.package != wheel.package and other_content != content:
                found.append(Collision(path, (other.name, wheel.name)))
    return sorted(found, key=lambda item: item.path)


def versions(first: list[Wheel], second: list[Wheel]) -> list[tuple[str, str, str]]:
    """Packages that both sets lock, to different versions: name, version in the first, in the second."""
    known = {wheel.package: wheel.version for wheel in first}
    return [
        (wheel.package, known[wheel.package], wheel.version)
        for wheel in second
        if known.get(wheel.package, wheel.version) != wheel.version
    ]
