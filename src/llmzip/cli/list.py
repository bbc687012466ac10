"""`llmzip list`: what .llmz files hold, without decompressing them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from llmzip.api import inspect
from llmzip.cli.files import STDIO, stdin_stream
from llmzip.cli.messages import Messages, describe, one_line
from llmzip.errors import LlmzipError

if TYPE_CHECKING:
    from llmzip.container import Summary

_HEADINGS = ("COMPRESSED", "ORIGINAL", "BITS/BYTE", "CHUNKS", "GROUPS", "MODEL", "FILE")


@click.command(name="list")
@click.argument(
    "files",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path, allow_dash=True, readable=False),
)
@click.pass_obj
def list_files(messages: Messages, files: tuple[Path, ...]) -> None:
    """Show sizes and model of each FILE.llmz, having checked its integrity.

    Neither the model nor any decompression is needed.
    """
    rows: list[tuple[str, ...]] = [_HEADINGS]
    for path in files:
        try:
            rows.append(_row(path, _members(path)))
        except (LlmzipError, OSError) as exc:
            named = isinstance(exc, OSError) and exc.filename is not None
            messages.error(describe(exc) if named else f"{path}: {describe(exc)}")
    if len(rows) > 1:
        for line in _columns(rows):
            click.echo(line)


def _members(path: Path) -> list[Summary]:
    if path == STDIO:
        return list(inspect(stdin_stream()))
    with path.open("rb") as file:
        return list(inspect(file))


def _row(path: Path, members: Sequence[Summary]) -> tuple[str, ...]:
    """Return one line of the table: the sums over the members of a file."""
    n_bytes = sum(member.n_bytes for member in members)
    n_compressed = sum(member.n_compressed for member in members)
    names = sorted({name for member in members for name in _models(member)})
    return (
        f"{n_compressed:,}",
        f"{n_bytes:,}",
        f"{8 * n_compressed / n_bytes:.3f}" if n_bytes else "-",
        f"{sum(sum(member.n_chunks.values()) for member in members):,}",
        f"{sum(member.n_groups for member in members):,}",
        ", ".join(names) or "-",
        one_line(str(path)),
    )


def _models(member: Summary) -> list[str]:
    """Return what to call the model that a member needs, if it needs one."""
    if member.model is not None:
        return [member.model.name]
    return ["(dictionary)"] if member.n_tokens else []


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows with numbers to the right and names to the left."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    n_numbers = len(_HEADINGS) - 2
    return [
        "  ".join(
            f"{cell:>{width}}" if i < n_numbers else f"{cell:<{width}}"
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
