"""The commands there are, each imported when it is wanted: all together take as long as a model.

What the grammar asks of a command, its options, the table of options knows without it.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from importlib import import_module

import click

from llmzip.cli.options import parameters_of

_VERBS = {
    "compress": "compress",
    "decompress": "decompress",
    "test": "test",
    "list": "list_files",
    "cat": "cat",
    "score": "score",
    "explain": "explain",
    "bench": "bench",
    "train": "train",
    "sample": "sample",
    "unsample": "unsample",
    "doctor": "doctor",
}
"""Those whose options are in the table, and what they are called in their modules."""

_GROUPS = ("message", "profile", "models")
"""Those that have commands of their own."""

NAMES = (
    *("compress", "decompress", "test", "list", "cat"),
    *("message", "profile", "score", "explain", "bench", "train", "sample", "unsample"),
    *("models", "doctor"),
)
"""All of them, in the order in which help shows them."""


class Commands(MutableMapping[str, click.Command]):
    """All commands by name, and what is added to them."""

    def __init__(self) -> None:
        self._there: dict[str, click.Command | None] = dict.fromkeys(NAMES)

    def __getitem__(self, name: str) -> click.Command:
        command = self._there[name]
        if command is None:
            module = import_module(f"llmzip.cli.{name}")
            command = self._there[name] = getattr(module, _VERBS.get(name, name))
        return command

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._there[name] = command

    def __delitem__(self, name: str) -> None:
        del self._there[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._there)

    def __len__(self) -> int:
        return len(self._there)


def stand_ins() -> dict[str, click.Command]:
    """What stands for each command where only its options matter, and whether it is a group."""
    return {
        name: click.Group(name)
        if name in _GROUPS
        else click.Command(name, params=parameters_of(name))
        for name in NAMES
    }
