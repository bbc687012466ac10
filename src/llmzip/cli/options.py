"""The options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from llmzip.api import DEFAULT_LEVEL
from llmzip.cli.messages import Messages
from llmzip.cli.sizes import size
from llmzip.container.limits import MAX_DICTIONARY_BYTES
from llmzip.errors import UsageError

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_FILE_OPTIONS = [
    click.argument(
        "files", nargs=-1, type=click.Path(path_type=Path, allow_dash=True, readable=False)
    ),
    click.option(
        "-o",
        "--output",
        type=click.Path(path_type=Path, allow_dash=True, readable=False),
        metavar="FILE",
        help="Write here; - is standard output.",
    ),
    click.option("-c", "--stdout", "to_stdout", is_flag=True, help="Write to standard output."),
    click.option("-f", "--force", is_flag=True, help="Replace an output file that is there."),
    click.option("-k", "--keep", is_flag=True, help="Keep the input files (the default)."),
    click.option("--rm", "remove", is_flag=True, help="Remove each input once it is done."),
    click.option(
        "--resume",
        is_flag=True,
        help="Go on where an earlier run of this command was stopped, and leave to a later one "
        "what this one gets done: kept beside the output, in .NAME.partial.",
    ),
]


def _choose_level(context: click.Context, option: click.Parameter, given: bool) -> None:
    if given:
        context.params["level"] = int(option.opts[0].removeprefix("-"))


_LEVEL_OPTIONS = [
    click.option(
        "--level",
        type=click.IntRange(1, 9),
        default=DEFAULT_LEVEL,
        show_default=True,
        is_eager=True,  # -1 to -9 come after it, and win
        help="1 is fast, 9 small whatever it takes; -1 to -9 say the same.",
    ),
    *(
        click.option(
            f"-{number}",
            f"level_{number}",
            is_flag=True,
            hidden=True,
            expose_value=False,
            callback=_choose_level,
        )
        for number in range(1, 10)
    ),
]

_DICTIONARY_OPTION = click.option(
    "--dict",
    "dictionary",
    type=click.Path(path_type=Path, readable=False),
    metavar="FILE",
    help="A text like the input, which makes small files smaller; decompressing needs it too.",
)

_HUB_OPTION = click.option(
    "--allow-hub",
    is_flag=True,
    help="Fetch whatever model of the Hugging Face hub a file names; without it, only models "
    "that `llmzip models list` shows are fetched.",
)

_SPEED_OPTIONS = [
    click.option(
        "--device",
        type=click.Choice(["auto", "cpu", "cuda"]),
        default="auto",
        envvar="LLMZIP_DEVICE",
        show_envvar=True,
        show_default=True,
        help="Where to run the model. Never changes the bytes.",
    ),
    click.option("--threads", type=click.IntRange(1), help="CPU threads. Never changes the bytes."),
    click.option(
        "--batch",
        type=click.IntRange(1),
        help="Chunks to work on side by side. Never changes the bytes.",
    ),
]

_LIMIT_OPTIONS = [
    click.option(
        "--max-output",
        type=size,
        metavar="SIZE",
        help="Refuse a file that decodes to more (64M, 2G); by default, to more than any text.",
    ),
    click.option(
        "--memlimit",
        type=size,
        metavar="SIZE",
        help="Memory to decode with, beside the model's own.",
    ),
]

_TALK_OPTIONS = [
    click.option("--stats", "show_stats", is_flag=True, help="Show sizes, model and speed."),
    click.option("-q", "--quiet", is_flag=True, help="No progress and no warnings."),
    click.option("-v", "--verbose", count=True, help="Say what was done; -vv for debugging."),
]


@dataclass(frozen=True)
class FileOptions:
    """Where to read and write, as the command line says."""

    files: tuple[Path, ...]
    output: Path | None
    to_stdout: bool
    force: bool
    remove: bool
    show_stats: bool
    resume: bool = False
    verify: bool = False


def file_options(command: Decorated) -> Decorated:
    """Add the files, and the options about where to write."""
    return _apply(_FILE_OPTIONS, command)


def level_options(command: Decorated) -> Decorated:
    """Add -1 to -9."""
    return _apply(_LEVEL_OPTIONS, command)


def dictionary_option(command: Decorated) -> Decorated:
    """Add the dictionary."""
    return _apply([_DICTIONARY_OPTION], command)


def hub_option(command: Decorated) -> Decorated:
    """Add the permission to fetch what a file names."""
    return _apply([_HUB_OPTION], command)


def read_dictionary(path: Path | None) -> bytes | None:
    """Return what --dict names. Raises OSError; UsageError if it is too long."""
    if path is None:
        return None
    with path.open("rb") as file:
        data = file.read(MAX_DICTIONARY_BYTES + 1)
    if not 1 <= len(data) <= MAX_DICTIONARY_BYTES:
        raise UsageError(f"{path}: a dictionary has 1 to {MAX_DICTIONARY_BYTES:,} bytes")
    return data


def limit_options(command: Decorated) -> Decorated:
    """Add the limits on what a file may cost."""
    return _apply(_LIMIT_OPTIONS, command)


def run_options(command: Decorated) -> Decorated:
    """Add the options about speed and about messages."""
    return _apply(_SPEED_OPTIONS + _TALK_OPTIONS, command)


def set_verbosity(messages: Messages, quiet: bool, verbose: int) -> None:
    """Make `messages` as talkative as asked."""
    messages.verbosity = -1 if quiet else verbose


def _apply(options: list[Callable[[Any], Any]], command: Decorated) -> Decorated:
    for option in reversed(options):
        command = option(command)
    return command
