"""Which shortlist of a large vocabulary a group takes: the shortest that costs it next to nothing.

The head of such a model is most of its work. A list leaves out the tokens of other scripts, and a
group pays for each of its tokens that the list lacks by spelling it with others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from llmzip.codec.groups import PreparedGroup, PreparedRun
from llmzip.codec.levels import Level
from llmzip.codec.model import OpenedModel, Shortlist
from llmzip.codec.pieces import Tokens
from llmzip.container.limits import COMPACT_MAX_BYTES

LEAST_TOKENS = 100_000
"""A smaller vocabulary is used as a whole: its head is a small part of the work."""
BITS_OF_CHOICE = 8
"""What naming a list takes, once in a compact file and otherwise with each chunk."""
BITS_OF_PIECE = 12
"""What a token more costs where another is spelled: such tokens are hardly ever foreseen."""
SPARE_BITS = 0.003
"""What a token may cost in the mean, naming included: a thousandth of what the text itself takes
at least."""

Ids = NDArray[np.int32]


def by_shortlist(
    group: PreparedGroup, opened: Callable[[], OpenedModel], level: Level
) -> PreparedGroup:
    """Return a group for the model, its tokens those of the list that does for it if one does."""
    model = opened()
    if model.predictor.vocab_size < LEAST_TOKENS or not model.shortlists:
        return group
    texts = [run.tokens.result().ids for run in group.runs if run.tokens is not None]
    n_named = _n_named(len(group.data), sum(map(len, texts)), level)
    number = shortlist_for(texts, model, n_named)
    if not number:
        return group
    own = model.shortlists[number]
    listed = [_respelled(run, own, number) for run in group.runs]
    return replace(group, runs=listed, shortlist=number)


def _n_named(n_bytes: int, n_tokens: int, level: Level) -> int:
    """Return how often about a group of so much text names its list."""
    if n_bytes < level.group_bytes and n_bytes <= COMPACT_MAX_BYTES:
        return 1  # it is the last, and as a rule the only one
    is_learning = level.options.adaptive
    n_of_chunk = level.chunk_tokens(n_tokens) if is_learning else level.target_tokens
    return -(-n_tokens // n_of_chunk)


def shortlist_for(texts: Sequence[Ids], model: OpenedModel, n_named: int) -> int:
    """Return the number of the shortest list that does for texts, tokens of the whole vocabulary.

    0 stands for that. n_named: how often a list is named.
    """
    ids = np.concatenate(texts)
    spare = SPARE_BITS * ids.size - BITS_OF_CHOICE * n_named
    by_size = sorted(model.shortlists.items(), key=lambda item: len(item[1].ids))
    return next((number for number, own in by_size if _is_within(own, ids, spare)), 0)


def _is_within(own: Shortlist, ids: Ids, spare: float) -> bool:
    """Whether `ids` take but so many bits more by a list, were its tokens no better foreseen."""
    strange = own.outside(ids)
    if BITS_OF_PIECE * strange.size > spare:  # each is spelled by one piece at least
        return False
    return BITS_OF_PIECE * own.respelled(strange).size <= spare


def _respelled(run: PreparedRun, own: Shortlist, number: int) -> PreparedRun:
    if run.tokens is None:
        return run
    tokens: Future[Tokens] = Future()
    whole = run.tokens.result()
    tokens.set_result(replace(whole, ids=own.respelled(whole.ids), shortlist=number))
    return replace(run, tokens=tokens, tokenizer=own, _cut={})
