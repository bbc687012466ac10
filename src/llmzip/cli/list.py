"""`llmzip list`: what .llmz files hold, without decompressing them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from llmzip.cli.files import STDIO, stdin_stream
from llmzip.cli.messages import Messages, describe, one_line
from llmzip.errors import LlmzipError, TrailingError
from llmzip.looking import inspect

if TYPE_CHECKING:
    from llmzip.container import Summary

_HEADINGS = ("COMPRESSED", "ORIGINAL", "BITS/BYTE", "CHUNKS", "GROUPS", "MODEL", "FILE")
_MOST_MODELS = 8  # that are named: more of them is not what a person reads


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
            rows.append(_row(path, _sums(path, messages)))
        except (LlmzipError, OSError) as exc:
            named = isinstance(exc, OSError) and exc.filename is not None
            messages.error(describe(exc) if named else f"{path}: {describe(exc)}")
    if len(rows) > 1:
        for line in _columns(rows):
            click.echo(line)


@dataclass
class _Sums:
    """What the members of a file come to: a file may have millions, so none of them is kept."""

    n_compressed: int = 0
    n_bytes: int = 0
    n_chunks: int = 0
    n_groups: int = 0
    models: set[str] = field(default_factory=set)

    def add(self, member: Summary) -> None:
        self.n_compressed += member.n_compressed
        self.n_bytes += member.n_bytes
        self.n_chunks += sum(member.n_chunks.values())
        self.n_groups += member.n_groups
        if len(self.models) < _MOST_MODELS:
            self.models.update(_models(member))

    @property
    def names(self) -> str:
        """The models, in order; of too many just the first."""
        names = sorted(self.models)
        return ", ".join([*names, "..."] if len(names) >= _MOST_MODELS else names) or "-"


def _sums(path: Path, messages: Messages) -> _Sums:
    if path == STDIO:
        return _sums_of(stdin_stream(), path, messages)
    with path.open("rb") as file:
        return _sums_of(file, path, messages)


def _sums_of(source: BinaryIO, path: Path, messages: Messages) -> _Sums:
    """Return what `source` holds; data after its end is no reason not to."""
    sums = _Sums()
    try:
        for member in inspect(source):
            sums.add(member)
    except TrailingError as exc:
        messages.warning(f"{path}: {exc}")
    return sums


def _row(path: Path, sums: _Sums) -> tuple[str, ...]:
    """Return one line of the table."""
    return (
        f"{sums.n_compressed:,}",
        f"{sums.n_bytes:,}",
        f"{8 * sums.n_compressed / sums.n_bytes:.3f}" if sums.n_bytes else "-",
        f"{sums.n_chunks:,}",
        f"{sums.n_groups:,}",
        sums.names,
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
