"""`llmzip list`: what .llmz files hold, without decompressing them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from llmzip.cli.files import STDIO
from llmzip.cli.inputs import opened
from llmzip.cli.listing import HEADINGS, Listing, as_json, block, columns, row
from llmzip.cli.messages import Messages, describe, one_line
from llmzip.cli.options import verb
from llmzip.cli.settings import Settings
from llmzip.errors import LlmzipError, UsageError

Listings = list[tuple[Path, Listing]]


@verb("list")
def list_files(messages: Messages, settings: Settings) -> None:
    """Show sizes and model of each FILE.llmz. Every byte of the file is checked.

    Neither the model nor any decompression is needed. Without FILE, standard input is read.
    """
    files = settings.files or (STDIO,)
    if files.count(STDIO) > 1:
        raise UsageError("standard input can be read only once")
    found = [(path, _look_at(path, messages)) for path in files]
    if settings.wants_json:
        objects = [_object(path, listing) for path, listing in found]
        click.echo(json.dumps(objects, indent=2))
        return
    listings = [(path, one) for path, one in found if isinstance(one, Listing)]
    if listings:
        lines = _blocks(listings) if settings.verbose else _table(listings)
        click.echo("\n".join(lines))


def _look_at(path: Path, messages: Messages) -> Listing | str:
    """Return what a file holds, or else what is wrong with it, having said it."""
    try:
        with opened(path) as reading:
            if reading.stream.isatty():
                raise UsageError("compressed data is not read from a terminal")
            listing = Listing.of(reading.stream)
    except (LlmzipError, OSError) as exc:
        error = describe(exc)
        named = isinstance(exc, OSError) and exc.filename is not None
        messages.error(error if named else f"{_shown(path)}: {error}")
        return error
    if listing.trailing is not None:
        messages.warning(f"{_shown(path)}: {listing.trailing}")
    return listing


def _table(listings: Listings) -> list[str]:
    rows = [HEADINGS, *(row(one, one_line(str(path))) for path, one in listings)]
    if len(listings) > 1:
        rows.append(row(_total(listings), _n_files(listings)))
    return columns(rows)


def _blocks(listings: Listings) -> list[str]:
    lines = [line for path, one in listings for line in block(one, one_line(str(path)))]
    if len(listings) > 1:
        lines += block(_total(listings), _n_files(listings), is_total=True)
    return lines


def _total(listings: Listings) -> Listing:
    total = Listing()
    for _, listing in listings:
        total.merge(listing)
    return total


def _n_files(listings: Listings) -> str:
    return f"{len(listings):,} files"


def _object(path: Path, listing: Listing | str) -> dict[str, Any]:
    """Return a file's object: an error has but a name and a message."""
    if isinstance(listing, str):
        return {"file": str(path), "error": listing}
    return as_json(listing, str(path))


def _shown(path: Path) -> str:
    return "standard input" if path == STDIO else str(path)
