"""Levels: points on the curve of size against speed. Only `options` is written into the file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from llmzip.container import ADAPTIVE_OPTIONS, DEFAULT_OPTIONS, DICTIONARY_OPTIONS, Options
from llmzip.container.limits import MAX_CHUNK_TOKENS

FROZEN_LEVEL = 2
"""The highest level that learns nothing: what predictors that cannot learn are used with."""


class Copies(Enum):
    """Where a text's groups copy from."""

    NONE = "nowhere"
    WITHIN = "themselves"
    ACROSS = "all that was before"


@dataclass(frozen=True)
class Level:
    """How a group is laid out, and how the model sees it.

    group_bytes: what is compressed together: the unit of memory, damage and random access.
    n_lanes: how many chunks of a group advance together at most.
    target_tokens: shorter chunks are not made for the sake of more lanes; nor longer ones where
        chunks share nothing.
    copies: where repeats are looked for.
    """

    options: Options
    group_bytes: int
    n_lanes: int
    target_tokens: int
    copies: Copies = Copies.NONE

    def independent(self) -> Level:
        """Return the same for groups that copy nothing from each other."""
        is_across = self.copies is Copies.ACROSS
        return replace(self, copies=Copies.WITHIN) if is_across else self

    def with_chunks(self, chunk_tokens: int) -> Level:
        """Return the same with shorter or longer chunks. Raises ValueError if out of range."""
        options = replace(self.options, chunk_tokens=chunk_tokens)
        return replace(self, options=options, target_tokens=chunk_tokens)

    def roomy(self) -> Level:
        """Return the same for a dictionary, half a window of which stands before each chunk."""
        if self.options.window_tokens >= DICTIONARY_OPTIONS.window_tokens:
            return self
        options = replace(DICTIONARY_OPTIONS, chunk_tokens=self.options.chunk_tokens)
        return replace(self, options=options)

    def with_dictionary(self, mark: bytes | None) -> Level:
        """Return the same for groups that begin with a dictionary. Raises ValueError if frozen."""
        return replace(self, options=replace(self.options, dictionary=mark))

    def chunk_tokens(self, n_tokens: int) -> int:
        """Return how long the chunks of a group of so many tokens, which learn, are at most."""
        n_lanes = max(1, min(self.n_lanes, -(-n_tokens // self.target_tokens)))
        return min(self.options.chunk_tokens, max(1, -(-n_tokens // n_lanes)))


def _frozen(most_chunk_tokens: int, window_tokens: int) -> Level:
    """Chunks of a window each. What is longer, by --chunk-tokens, carries an eighth of it on.

    most_chunk_tokens: what the file says; the format's own value may be left out of a small one.
    """
    options = Options(most_chunk_tokens, window_tokens, window_tokens // 8)
    return Level(options, 1 << 20, 64, window_tokens)


def _adaptive(
    window_tokens: int, carry_tokens: int, group_bytes: int, n_lanes: int, target_tokens: int
) -> Level:
    options = Options(MAX_CHUNK_TOKENS, window_tokens, carry_tokens, adaptive=True)
    return Level(options, group_bytes, n_lanes, target_tokens, Copies.ACROSS)


LEVELS = {
    1: _frozen(768, 768),
    2: _frozen(DEFAULT_OPTIONS.chunk_tokens, 896),
    3: _adaptive(768, 96, 1 << 20, 32, 1536),
    4: _adaptive(768, 96, 1 << 22, 32, 2048),
    5: Level(ADAPTIVE_OPTIONS, 1 << 22, 32, 2048, Copies.ACROSS),
    6: _adaptive(2048, 256, 1 << 22, 32, 2048),
    7: _adaptive(2048, 1024, 1 << 22, 16, 4096),
    8: _adaptive(2048, 1024, 1 << 22, 8, 8192),
    9: _adaptive(2048, 1024, 1 << 23, 4, 16384),
}
"""Level 5 is the default. 1 and 2 learn nothing: any chunk decodes without the others."""


def plain(options: Options) -> Level:
    """Return the level that cuts groups of a mebibyte into chunks as `options` say."""
    return Level(options, 1 << 20, 32, options.chunk_tokens)


def levels_with(options: Options, is_one_wave: bool = False) -> tuple[int, ...]:
    """Return the levels that write these options into a file: several share some, none has others.

    is_one_wave: whether the member is, so that the window may have been left out.
    Options with a dictionary's mark count as those of the levels that take one.
    """
    unmarked = replace(options, dictionary=None)
    return tuple(
        number
        for number, level in LEVELS.items()
        if unmarked in _written(level, options.dictionary is not None, is_one_wave)
    )


def _written(level: Level, has_mark: bool, is_one_wave: bool) -> list[Options]:
    if has_mark:
        return [level.roomy().options] if level.options.adaptive else []
    brief = [level.options.briefest(0, MAX_CHUNK_TOKENS)] if is_one_wave else []
    return [level.options, *brief]
