"""`./inv`: invoke, with a suggestion for a mistyped verb or flag and help in the order of the dataclasses."""

from __future__ import annotations

import os
import re
import sys

from invoke import Collection, ParseError, Program

from isomer import flags, manners
from isomer.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, known, nearest
from launcher import completion

MANNERS = {"--quiet": manners.QUIET, "--verbose": manners.VERBOSE}  # flags of every verb


class Inv(Program):
    """The project's own invoke."""

    def run(self, argv: list[str] | None = None, exit: bool = True) -> None:  # noqa: A002 (invoke's word)
        try:
            super().run(argv, exit=exit)
        except KeyboardInterrupt:
            sys.exit(EXIT_INTERRUPTED)
        except BrokenPipeError:  # `| head` has read enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end
            sys.exit(EXIT_FAILED)

    def normalize_argv(self, argv: list[str] | None) -> None:
        """Without the flags of every verb, and `VERB … --help` as `--help VERB`, or invoke took it for an argument."""
        super().normalize_argv(argv)
        for flag, variable in MANNERS.items():
            if flag in self.argv:
                self.argv = [word for word in self.argv if word != flag]
                os.environ[variable] = "1"
        wanted = next((index for index, word in enumerate(self.argv) if word in ("--help", "-h")), 0)
        verb = next((word for word in reversed(self.argv[1:wanted]) if word in self.namespace.task_names), None)
        if verb:
            self.argv = [self.argv[0], "--help", verb]

    def parse_tasks(self) -> None:
        try:
            super().parse_tasks()
        except ParseError as error:
            print(f"error: {explain(error, sorted(self.collection.task_names))}", file=sys.stderr)
            sys.exit(EXIT_USAGE)

    def print_help(self) -> None:
        print("Usage: ./inv VERB [--flag VALUE …] [VERB …]     ./inv VERB --help shows the flags of one\n")
        self.list_tasks()
        print("Every verb takes --quiet (no commands, no bars) and --verbose (where an error was raised), too.")

    def print_task_help(self, name: str) -> None:
        made = self.collection[name]
        items = made.body.flag_items
        needed = [item for item in items if item.metadata["positional"] or flags.is_required(item)]
        options = ["" if item.metadata["positional"] else f" {flags.option(item.name)}" for item in needed]
        words = "".join(f"{option} {item.name.upper()}" for option, item in zip(options, needed, strict=True))
        print(f"Usage: ./inv {name}{words} [--flag VALUE …]\n\n  {made.__doc__}\n")
        groups: dict[str, list[tuple[str, str]]] = {}
        heading = "flags"
        for item in items:
            value = "" if item.type == "bool" else f" {item.name.upper()}"
            value = f" [{value.strip()}]" if item.metadata["alone"] is not None else value
            shown = item.name.upper() if item.metadata["positional"] else flags.option(item.name) + value
            heading = item.metadata["heading"] or heading
            groups.setdefault(heading, []).append((shown, flags.help_text(item)))
        # of one width, so that the columns of all groups stand below each other
        width = max((len(shown) for rows in groups.values() for shown, _ in rows), default=0)
        for heading, rows in groups.items():
            print(f"{heading.capitalize()}:")
            self.print_columns([(shown.ljust(width), text) for shown, text in rows])
        if made.body.examples:
            print("\n  ".join(["Examples:", *made.body.examples]))


def explain(error: ParseError, verbs: list[str]) -> str:
    """What invoke's parser says, as a sentence with the nearest known name."""
    message = str(error)
    context = error.context
    unknown = re.fullmatch(r"No idea what '(.*)' is!", message)
    if unknown and unknown[1].startswith("-") and context is not None and context.name:
        choices = sorted(context.flag_names())
        near = nearest(unknown[1], choices)
        hint = f"; did you mean {near!r}?" if near else "."
        return f"{context.name} has no flag {unknown[1]!r}{hint} Its flags: {', '.join(choices)}"
    if unknown and context is not None and context.name and unknown[1] not in verbs and not nearest(unknown[1], verbs):
        return f"{context.name}: {unknown[1]!r} is one word too many; ./inv {context.name} --help shows what it takes"
    if unknown:
        return str(known("verb", unknown[1], verbs))
    missing = re.fullmatch(r"'(.*)' did not receive required positional arguments: (.*)", message)
    if missing:
        words = missing[2].replace("'", "").upper()
        return f"{missing[1]} needs {words}: ./inv {missing[1]} {words.replace(',', '')}; --help shows the flags"
    ambiguous = re.match(r"'(.*)' is ambiguous when given after an optional-value flag", message)
    if ambiguous:
        return f"{ambiguous[1]!r} after --json may be its file or not: write --json last, or --json=FILE"
    valueless = re.match(r"Flag <Argument: ([\w-]+)", message)
    if valueless:
        return f"--{valueless[1]} needs a value"
    return message


def main(namespace: Collection) -> None:
    names = completion.NAMES
    program = Inv(namespace=namespace, name="inv", binary=names[0], binary_names=names, version="1")
    program.run([names[0], *sys.argv[1:]])
