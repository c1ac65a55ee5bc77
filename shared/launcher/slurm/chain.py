"""Steps as a chain of jobs: each waits in the queue until those that it needs have ended well."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from isomer.progress import say
from launcher import project
from launcher.engines import slurm
from launcher.slurm import following
from launcher.step import Step


@dataclass(frozen=True)
class Link:
    """Steps that are done one after the other.

    Attributes:
        needs: names of the links that must have ended well before.
        follows: names of those that must have ended, well or not.
    """

    name: str
    steps: Sequence[Step]
    is_done: Callable[[], bool]
    needs: tuple[str, ...] = ()
    follows: tuple[str, ...] = ()


@dataclass
class Chain:
    """What is in the queue: the jobs of each link, the last of which others wait for."""

    jobs: dict[str, list[tuple[str, Path]]] = field(default_factory=dict)

    def submit(self, links: Sequence[Link]) -> None:
        """Put links into the queue, those left out whose result holds and that need nothing which is made anew.

        Raises:
            UserError: as slurm.submit; what was submitted before is cancelled.
        """
        project.make_volume()
        for image in dict.fromkeys(step.image for link in links for step in link.steps):
            slurm.prepare(image)
        try:
            for link in links:
                self._submit(link)
        except BaseException:
            for jobs in self.jobs.values():
                for identity, _ in jobs:
                    slurm.queue.cancel(identity)
            raise

    def _submit(self, link: Link) -> None:
        waits = [name for name in (*link.needs, *link.follows) if name in self.jobs]
        if not waits and link.is_done():
            say(f"{link.name}: done already")
            return
        after = [self._last(name) for name in link.needs if name in self.jobs]
        ended = [self._last(name) for name in link.follows if name in self.jobs]
        made: list[tuple[str, Path]] = []
        for step in link.steps:
            made.append(slurm.submit(step, [made[-1][0]] if made else after, [] if made else ended))
            self.jobs[link.name] = made
        say(f"{link.name}: job {', '.join(identity for identity, _ in made)}")

    def _last(self, name: str) -> str:
        return self.jobs[name][-1][0]

    def follow(self) -> dict[str, int]:
        """Show all logs until all jobs have ended; the exit code of each link, the first that is not 0."""
        jobs = [(name, job) for name, jobs in self.jobs.items() for job in jobs]
        codes = following.follow([job for _, job in jobs], [f"[{name}] " for name, _ in jobs])
        return {
            name: next((codes[identity] for identity, _ in jobs if codes[identity]), 0)
            for name, jobs in self.jobs.items()
        }
