#!/usr/bin/env python
"""Writes what is installed beside the program: its man page, and completions of three shells.

    scripts/share.py            says what in share/ is not as the commands declare it
    scripts/share.py --write    makes it so

All of it is made from the declarations that `llmzip --help` is made from.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from completions import LEVELS, bash, fish, zsh  # noqa: E402

from llmzip.cli.grammar import VERB_FLAGS  # noqa: E402
from llmzip.cli.main import llmzip  # noqa: E402
from llmzip.cli.options import OPTIONS  # noqa: E402


def main() -> int:
    """Compare or write; return the exit status."""
    pages = {
        "man/man1/llmzip.1": man_page(),
        "bash-completion/completions/llmzip": bash(),
        "zsh/site-functions/_llmzip": zsh(),
        "fish/vendor_completions.d/llmzip.fish": fish(),
    }
    stale = []
    for name, text in pages.items():
        path = ROOT / "share" / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if "--write" in sys.argv[1:]:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for name in stale:
        print(f"share/{name}")
    return bool(stale) and "--write" not in sys.argv[1:]


# The man page


def man_page() -> str:
    """Return the page, as roff."""
    context = click.Context(llmzip, info_name="llmzip")
    about, *ending = prose(llmzip.long_help(context))
    lines = [
        '.\\" Made by scripts/share.py from the declarations of the commands.',
        '.TH LLMZIP 1 "" "llmzip" "User Commands"',
        ".SH NAME",
        "llmzip \\- compress text losslessly with a language model",
        ".SH SYNOPSIS",
        *synopsis(),
        ".SH DESCRIPTION",
        roff(about),
        ".SH COMMANDS",
        *command_entries(),
        ".SH OPTIONS",
        *option_entries(context),
    ]
    for paragraph in ending:
        title, _, text = paragraph.partition(": ")
        if title in ("Environment", "Exit status"):
            lines += [f".SH {title.upper()}", roff(text)]
        else:
            lines += [".PP", roff(paragraph)]
    return "\n".join([*lines, ".SH SEE ALSO", *see_also()]) + "\n"


def prose(page: str) -> list[str]:
    """Return the paragraphs of `llmzip --long-help` that are neither usage nor lists."""
    lists = ("Usage:", "Commands:", "Options of")
    return [text for text in page.strip().split("\n\n") if not text.startswith(lists)]


def synopsis() -> list[str]:
    """Return the forms in which it is called."""
    forms = ["", "\\-d ", "\\fICOMMAND\\fR "]
    lines = [f".B llmzip\n{form}[\\fIOPTION\\fR]... [\\fIFILE\\fR]..." for form in forms]
    return "\n.br\n".join(lines).split("\n")


def command_entries() -> Iterator[str]:
    """Yield an entry for each command, and for those of a group."""
    for name, command in commands():
        yield from (".TP", f"\\fB{roff(name)}\\fR")
        paragraphs = (command.help or "").strip().split("\n\n")
        yield "\n.IP\n".join(roff(text) for text in paragraphs)


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield the commands, those of a group after it."""
    for name, command in llmzip.commands.items():
        yield (
            ", ".join([name, *(flag for flag, verb in VERB_FLAGS.items() if verb == name)]),
            command,
        )
        if isinstance(command, click.Group):
            for word, one in command.commands.items():
                yield f"{name} {word}", one


def option_entries(context: click.Context) -> Iterator[str]:
    """Yield an entry for each option, under the commands that take it."""
    yield from (".TP", f"\\fB{roff(', '.join(LEVELS))}\\fR", "Level, as \\fB\\-\\-level\\fR.")
    for option in OPTIONS:
        record = option.get_help_record(context)
        assert record is not None, "no option of the table is hidden"
        names, text = record
        verbs = ", ".join(option.verbs)
        yield from (".TP", f"\\fB{roff(names)}\\fR", roff(f"{text} ({verbs})"))


def see_also() -> list[str]:
    """Return the last section."""
    return [".BR gzip (1),", ".BR xz (1),", ".BR zstd (1),", ".BR tar (1)"]


def roff(text: str) -> str:
    """Return a paragraph as roff reads it; what stands in backquotes is set in bold."""
    text = " ".join(text.split()).replace("\\", "\\e").replace("-", "\\-")
    text = re.sub(r"`([^`]*)`", r"\\fB\1\\fR", text)
    return f"\\&{text}" if text.startswith((".", "'")) else text


if __name__ == "__main__":
    sys.exit(main())
