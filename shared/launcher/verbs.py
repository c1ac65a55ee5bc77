"""Invoke tasks made from flag dataclasses: what a script takes is what its verb takes."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from invoke import Context, Exit, Task

from isomer import answers, flags, manners
from isomer.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, GOES_ON, UserError
from launcher import process, project
from launcher.step import StepInterrupted, among, existing, name_or_path, writable
from launcher.steps import StepFailed


@dataclass(frozen=True)
class Parsed:
    """The flags of a verb.

    flags: their dataclass, defaults filled in; typed: the values of those that were typed, as words;
    argv: the command line that repeats those.
    """

    flags: Any
    typed: dict[str, Any]
    argv: list[str | Path]


def make(
    name: str,
    help_line: str,
    classes: Iterable[type],
    body: Callable,
    without: Iterable[str] = (),
    goes_on: bool = False,
) -> Task:
    """A task whose flags are those of the dataclasses.

    Args:
        help_line: what `--list` shows.
        body: called with one `Parsed` for each class, in order.
        without: flags that this verb does not offer.
        goes_on: of several steps, it goes on after Ctrl-C with the one that it was at.
    """
    classes = tuple(classes)
    hidden = set(without)
    # of a flag that two classes have, the first one's words
    items = {item.name: item for cls in classes[::-1] for item in flags.fields(cls) if item.name not in hidden}
    items = {item.name: items[item.name] for cls in classes for item in flags.fields(cls) if item.name in items}

    def run(_context: Context, /, **given: Any) -> None:
        process.terminate_like_interrupt()
        try:
            parsed = [parse(cls, name, given) for cls in classes]
            with answers.alone(next((getattr(one.flags, "json", None) for one in parsed), None)):
                body(*parsed)
        except UserError as error:
            if manners.is_verbose():
                traceback.print_exc()
            # a step has said its own error; of several it is said which one ended it all
            said = isinstance(error, StepFailed) and error.exit_code in (EXIT_FAILED, EXIT_USAGE) and not goes_on
            raise Exit(None if said else f"error: {error}", code=error.exit_code) from None
        except OSError as error:
            where = f": {error.filename}" if error.filename else ""
            raise Exit(f"error: {error.strerror or error}{where}", code=EXIT_USAGE) from None
        except KeyboardInterrupt as interrupt:
            # a step has said itself what becomes of it
            said = GOES_ON if goes_on else None if isinstance(interrupt, StepInterrupted) else "interrupted"
            raise Exit(said, code=EXIT_INTERRUPTED) from None

    run.__doc__ = help_line
    run.__signature__ = inspect.Signature(
        [
            inspect.Parameter("context", inspect.Parameter.POSITIONAL_ONLY),
            *(_parameter(key, classes) for key in items),
        ]
    )
    made = Task(
        run,
        name=name,
        positional=[key for key, item in items.items() if item.metadata["positional"]],
        optional=[key for key, item in items.items() if item.metadata["alone"] is not None],
        iterable=[key for key, item in items.items() if item.metadata["repeatable"]],
        auto_shortflags=False,
        help={key: flags.help_text(item) for key, item in items.items()},
    )
    # on the function: invoke copies tasks deeply, and fields cannot be copied
    run.flag_items = list(items.values())
    run.examples = flags.examples(classes[0], name)
    return made


def parse(cls: type, verb: str, given: dict[str, Any]) -> Parsed:
    """Check the typed words as the script would, before anything starts.

    Raises:
        UserError: a value is not allowed, or a flag is missing; the flag is named as the user typed it.
    """
    typed = {
        item.name: _typed(item, given[item.name])
        for item in flags.fields(cls)
        if given.get(item.name) not in (None, False, [])
    }
    argv: list[str | Path] = []
    for key, value in typed.items():
        words: list[str | Path] = [*flags.to_argv(cls, {key: value})]
        about = cls.__dataclass_fields__[key].metadata
        read = _reader(cls, key)
        if read is not None:
            # a repeated flag stands before each of its values
            values = slice(1, None, 2) if words[0] == flags.option(key) else slice(None)
            words[values] = [read(one) for one in (value if about["repeatable"] else [value])]
        argv += words
    parser = flags.parser(cls, verb)
    parser.error = functools.partial(_refuse, verb)
    return Parsed(cls(**flags.given(cls, parser, [str(word) for word in argv])), typed, argv)


def _typed(item: dataclasses.Field, value: Any) -> Any:
    """What stands behind a flag; of one that may stand alone, what it is then."""
    return item.metadata["alone"] if value is True and item.metadata["alone"] is not None else value


def _reader(cls: type, key: str) -> Callable[[str], str | Path] | None:
    """What makes a path of a flag's word, where it is one."""
    about = cls.__dataclass_fields__[key].metadata
    if about["output"]:
        return lambda word: word if word in about["words"] else writable(word)
    if about["name_or_path"]:
        return lambda word: name_or_path(word, project.volume(), about["words"])
    if about["among"]:
        return among
    return existing if flags.value_type(cls, key) is Path else None


def _refuse(verb: str, message: str) -> None:
    raise UserError(f"{verb}: {message.removeprefix('argument ')} (./inv {verb} --help shows the flags)")


def _parameter(name: str, classes: Iterable[type]) -> inspect.Parameter:
    """A parameter as invoke reads it: words for values, so that this module and not invoke checks them."""
    cls = next(cls for cls in classes if name in cls.__dataclass_fields__)
    item = cls.__dataclass_fields__[name]
    default: Any = None
    if item.metadata["positional"]:
        default = inspect.Parameter.empty
    elif flags.value_type(cls, name) is bool:
        default = False
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)
