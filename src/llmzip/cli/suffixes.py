"""How a file is called before and after: by a suffix that compressing adds."""

from __future__ import annotations

from pathlib import Path

import click

from llmzip.cli.files import as_file

SUFFIX = ".llmz"


def suffix(text: str) -> str:
    """Return `text`, which can be the end of a file's name. To be given to click as a type.

    Raises click.BadParameter.
    """
    if not text or "/" in text or "\0" in text:
        raise click.BadParameter(f"{text!r} is no suffix: write one as {SUFFIX}, without a slash")
    return text


def suffix_of(source: Path, own_suffix: str) -> str | None:
    """Return the suffix of a compressed file: that which was chosen, or the usual; None if none."""
    return next((one for one in (own_suffix, SUFFIX) if source.name.endswith(one)), None)


def original_name(source: Path, own_suffix: str) -> Path | None:
    """Return `source` without its suffix; None if it has none, or is nothing else."""
    found = suffix_of(source, own_suffix)
    if found is None or found == source.name:
        return None
    return as_file(source.with_name(source.name.removesuffix(found)))
