"""What `llmzip --help` shows, on one screen, and `llmzip --long-help`, where all of it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from textwrap import fill
from typing import Any

import click

from llmzip.cli.files import ReaderGoneError
from llmzip.cli.grammar import VERB_FLAGS
from llmzip.cli.options import OPTIONS
from llmzip.compressor import DEFAULT_LEVEL
from llmzip.descriptors import NAMES

_Lines = list[tuple[str, str]]

_WIDTH = 80
_USAGE = """\
Usage: llmzip [OPTION]... [FILE]...            compress each FILE to FILE.llmz
       llmzip -d [OPTION]... [FILE]...         decompress each FILE.llmz to FILE
       llmzip COMMAND [OPTION]... [FILE]...    the same, and more, in words
       ... | llmzip > x.llmz; llmzip -d < x.llmz | ...; tar -I llmzip -cf ...

Compress text losslessly with a language model that computes exactly.
Without FILE, or where it is -, from standard input to standard output.
"""
_LEVELS = (
    "-1 ... -9",
    f"Level: 1 is fast, 9 small whatever it takes. [default: {DEFAULT_LEVEL}]",
)
_END = """\
Exit status: 0 done; 1 an error; 2 done, but with a warning.

`llmzip COMMAND --help` shows what a command takes, `--long-help` (-H) all.
"""
_LONG_END = """\
Options stand anywhere, in bundles too (-dkf, -9c); -- ends them. Of flags that
say what to do the last counts. The first word that is no option may be a
command, unless such a flag stands before it: `llmzip -z list` compresses a
file that is called list.

Environment: LLMZIP_OPT holds options that come before all others, LLMZIP_LEVEL,
LLMZIP_MODEL and LLMZIP_DEVICE defaults; LLMZIP_HOME says where models are kept.

Exit status: 0 done; 1 an error, a line on standard error, and no output left
behind; 2 done, with a warning: something was skipped, kept or left out. Of
several files the rest are still dealt with, and the worst is returned.
"""


@contextmanager
def _readers() -> Iterator[None]:
    """Say ReaderGoneError where whoever reads standard output has gone: click would just exit."""
    try:
        yield
    except BrokenPipeError as exc:
        raise ReaderGoneError(NAMES[1]) from exc


class Program(click.Group):
    """The command line as a whole; its help is made from the table of options."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Do what click does, which may be to print a page. Raises ReaderGoneError."""
        with _readers():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. Raises ReaderGoneError."""
        with _readers():
            return super().invoke(ctx)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the page with what is used every day."""
        common = [(_names(one), _first_sentence(one.help or "")) for one in OPTIONS if one.common]
        formatter.write(_page(self.commands, {"Options": [_LEVELS, *common]}, _END))

    def long_help(self, ctx: click.Context) -> str:
        """Return the page with everything."""
        sections: dict[str, _Lines] = {}
        for option in OPTIONS:
            record = option.get_help_record(ctx)
            assert record is not None, "no option of the table is hidden"
            title = fill(f"Options of {', '.join(option.verbs)}", _WIDTH - 1)
            sections.setdefault(title, []).append(record)
        return _page(self.commands, sections, _LONG_END)


def _page(commands: Mapping[str, click.Command], sections: Mapping[str, _Lines], end: str) -> str:
    formatter = click.HelpFormatter(width=_WIDTH)
    formatter.write(_USAGE)
    commands_lines = [_command_line(*item) for item in commands.items()]
    for title, lines in {"Commands": commands_lines, **sections}.items():
        with formatter.section(title):
            formatter.write_dl(lines)
    formatter.write_paragraph()
    formatter.write(end)
    return formatter.getvalue().rstrip("\n")


def _command_line(name: str, command: click.Command) -> tuple[str, str]:
    """Return the command, after its flag if it has one, and what it does in a few words."""
    flags = [flag for flag, verb in VERB_FLAGS.items() if verb == name]
    flag = f"{flags[0]}, " if flags else "    "
    return f"{flag}{name}", _first_sentence((command.help or "").partition(";")[0])


def _names(option: click.Option) -> str:
    """Return the short and the first long name, and what stands for a value."""
    ways = [name for name in option.opts if not name.startswith("--")]
    ways += [name for name in option.opts if name.startswith("--")][:1]
    value = f" {option.metavar}" if option.metavar else ""
    return ", ".join(ways) + value


def _first_sentence(text: str) -> str:
    return f"{' '.join(text.split()).partition('. ')[0].removesuffix('.')}."
