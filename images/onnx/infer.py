"""infer: published models on pictures, videos, cameras and streams. Boxes drawn, and all that was found in a file.

predictions/NAME/   the pictures under their own names, or NAME.mp4; detections.json, coco.json, detections.csv; crops/
"""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections.abc import Iterable, Iterator

import detector
import feed as feeds
import found
import numpy as np
import published
from detector import Detector
from feed import Feed
from following import Following
from found import Seen
from meter import Meter
from output import Output
from overlap import Ahead, Behind
from PIL import Image
from video import Frame
from window import Window

from isomer import answers, files, progress
from isomer.errors import EXIT_INTERRUPTED, CheckFailed, UserError, chosen, run_main
from isomer.flags import FOUND_FORMATS, Infer, parse
from isomer.native import Detections
from isomer.volume import Volume, check_name


def main() -> None:
    options = parse(Infer, prog="infer")
    with answers.alone(options.json):
        infer(options)


def infer(options: Infer) -> None:
    """Look at the source; write and say what is found.

    Raises:
        CheckFailed: not everything could be read.
        UserError: nothing could, or a flag names what is not there.
    """
    formats = chosen("--format", options.format, FOUND_FORMATS)
    if options.json:
        formats = list(dict.fromkeys([*formats, "json"]))
    volume = Volume.from_environment()
    models = detector.load(
        published.find(volume, options.model),
        threshold=options.threshold,
        classes=options.classes,
        device=options.device,
        threads=options.threads,
    )
    source = feeds.open_feed(options.source, volume.predictions)
    names = "-".join(feeds.plain(model.name) for model in models)
    folder = volume.predictions / check_name("--name", options.name or f"{names}-{feeds.name_of(options.source)}")
    with contextlib.ExitStack() as stack:
        window = stack.enter_context(contextlib.closing(Window(f"{names}: {source.name}"))) if options.show else None
        temporary = stack.enter_context(files.replacing_folder(folder))
        output = Output(temporary, source, models, formats, options.crops)
        look = Look(source, models, options, output, window)
        look.run()
        summary = {"source": source.name, "folder": str(folder), **look.summary()}
        output.close(summary)
    answers.give_file(options.json, folder / found.JSON_FILE)
    _say(summary, "frame" if source.is_video else "picture")
    if look.ended is not None:
        sys.exit(look.ended)
    if look.unread or source.problems:
        problems = [*look.unread, *source.problems]
        raise CheckFailed(f"{'; '.join(problems[:5])}{' …' if problems[5:] else ''}. The rest is in {folder}")


class Look:
    """One pass of a feed through the models.

    Attributes:
        unread: why pictures could not be read.
        ended: the exit code where a person or the system ended it before its end.
    """

    def __init__(
        self, source: Feed, models: list[Detector], options: Infer, output: Output, window: Window | None
    ) -> None:
        self.unread: list[str] = []
        self.ended: int | None = None
        self._source, self._models, self._output, self._window = source, models, output, window
        self._limit, self._batch = options.limit, 1 if source.live else options.batch
        self._following = [Following(model.kept, source.rate) if options.track else None for model in models]
        self._meter = Meter(models)
        self._ahead = Ahead(itertools.islice(source, options.limit), newest=source.live)

    def run(self) -> None:
        """Look at everything; Ctrl-C ends it cleanly.

        Raises:
            UserError: there was nothing that could be read.
        """
        behind = Behind()
        try:
            self._run(behind)
        except KeyboardInterrupt:
            self.ended = EXIT_INTERRUPTED
        except SystemExit as asked:  # SIGTERM
            self.ended = asked.code
        finally:
            # a reader that still waits for its source must not lose it
            if self._ahead.stop():
                self._source.close()
        behind.finish()
        self._meter.stop()
        if not self._meter.frames:
            if self.ended is not None:
                raise KeyboardInterrupt
            raise UserError("; ".join([*self.unread, *self._source.problems]) or f"{self._source.name}: no frame came")

    def _run(self, behind: Behind) -> None:
        unit = "frames" if self._source.is_video else "pictures"
        total = min(filter(None, (self._source.total, self._limit)), default=None)
        with progress.Bar("infer", total, unit) as bar:
            for group in grouped(self._ahead, self._batch):
                readable = [frame for frame in group if frame.pixels is not None]
                self._say_unread(frame for frame in group if frame.pixels is None)
                drawn = None
                for frame, seen in zip(readable, self._look(readable), strict=True):
                    drawn = behind.call(self._output.add, frame, seen)
                bar.advance(len(group))
                if self._window and drawn and not self._show(drawn.result()):
                    return

    def _look(self, frames: list[Frame]) -> list[Seen]:
        if not frames:
            return []
        pictures = np.stack([frame.pixels for frame in frames])
        by_model = [self._meter.time(number, model, pictures) for number, model in enumerate(self._models)]
        return [self._seen(frame, found) for frame, *found in zip(frames, *by_model, strict=True)]

    def _seen(self, frame: Frame, found: list[Detections]) -> Seen:
        height, width = frame.pixels.shape[:2]
        numbers = tuple(
            None if following is None else following.numbers(one, width, height)
            for following, one in zip(self._following, found, strict=True)
        )
        return Seen(frame.index, frame.name, width, height, frame.seconds, tuple(found), numbers)

    def _say_unread(self, frames: Iterable[Frame]) -> None:
        for frame in frames:
            self.unread.append(frame.problem or frame.name)
            progress.say(f"left out: {self.unread[-1]}")

    def _show(self, image: Image.Image) -> bool:
        is_open = self._window.show(image)
        return is_open and (self._source.is_video or self._window.wait())

    def summary(self) -> dict:
        """Rates, latencies, and what went wrong."""
        return {
            "frames": self._meter.frames,
            "seconds": round(self._meter.seconds, 3),
            "frames_per_s": round(self._meter.rate, 2),
            "left_out": self._ahead.left_out,
            "interrupted": self.ended is not None,
            "problems": [*self.unread, *self._source.problems],
            "models": self._meter.models(),
        }


def grouped(frames: Iterable[Frame], most: int) -> Iterator[list[Frame]]:
    """Frames that follow one another and are of one size, at most so many together; unreadable ones alone."""
    group: list[Frame] = []
    for frame in frames:
        if group and (frame.pixels is None or frame.pixels.shape != group[0].pixels.shape):
            yield group
            group = []
        if frame.pixels is None:
            yield [frame]
            continue
        group.append(frame)
        if len(group) == most:
            yield group
            group = []
    if group:
        yield group


def _say(summary: dict, unit: str) -> None:
    left_out = f", {summary['left_out']} left out to keep up" if summary["left_out"] else ""
    units = unit if summary["frames"] == 1 else f"{unit}s"
    what = f"{summary['frames']} {units} in {summary['seconds']:.1f} s, {summary['frames_per_s']:.1f}/s{left_out}"
    progress.say(f"{'ended early: ' if summary['interrupted'] else ''}{what}")
    for model in summary["models"]:
        latency = model["latency_ms"]
        progress.say(
            f"{model['name']}: {model['detections']} detections above {model['threshold']:g}, "
            f"p50 {latency['p50']:.1f} ms, p95 {latency['p95']:.1f} ms ({model['provider']})"
        )
    progress.say(summary["folder"])


if __name__ == "__main__":
    run_main(main)
