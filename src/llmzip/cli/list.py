"""`llmzip list`: what .llmz files hold, without decompressing them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from llmzip.cli.inputs import opened, refuse_terminal
from llmzip.cli.listing import HEADINGS, Listing, as_json, block, columns, row
from llmzip.cli.messages import Messages, describe, located, shown
from llmzip.cli.options import verb
from llmzip.cli.settings import Settings
from llmzip.cli.sources import Search, named
from llmzip.cli.suffixes import suffix_of
from llmzip.errors import LlmzipError
from llmzip.escaping import one_line

Listings = list[tuple[Path, Listing]]


@verb("list")
def list_files(messages: Messages, settings: Settings) -> None:
    """Show sizes and model of each FILE.llmz. Every byte of the file is checked.

    Neither the model nor any decompression is needed. Without FILE, standard input is read.

    For example `llmzip list -v notes.txt.llmz`.
    """
    found = list(_all_looked_at(settings, messages))
    if settings.wants_json:
        objects = [_object(path, listing) for path, listing in found]
        click.echo(json.dumps(objects, indent=2))
        return
    listings = [(path, one) for path, one in found if isinstance(one, Listing)]
    if listings:
        lines = _blocks(listings) if settings.verbose else _table(listings)
        click.echo("\n".join(lines))


def _all_looked_at(settings: Settings, messages: Messages) -> Iterator[tuple[Path, Listing | str]]:
    """Yield the files that are meant, and of each what it holds or else what is wrong with it."""
    search = Search(settings, lambda path: suffix_of(path, settings.suffix) is not None, messages)
    for path in named(settings):
        try:
            for source in search.files_of(path):
                yield source.path, _look_at(source.path, messages)
        except (LlmzipError, OSError) as exc:
            messages.error(located(path, exc))
            yield path, describe(exc)


def _look_at(path: Path, messages: Messages) -> Listing | str:
    """Return what a file holds, or else what is wrong with it, having said it."""
    try:
        with opened(path) as reading:
            refuse_terminal(reading.stream)
            listing = Listing.of(reading.stream)
    except (LlmzipError, OSError) as exc:
        messages.error(located(path, exc))
        return describe(exc)
    if listing.trailing is not None:
        messages.warning(f"{shown(path)}: {listing.trailing}")
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
