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
from llmzip.codec.model import OpenedModel, Shortlist
from llmzip.codec.pieces import Tokens

LEAST_TOKENS = 100_000
"""A smaller vocabulary is used as a whole: its head is a small part of the work."""
BITS_OF_CHOICE = 8
"""What naming a list takes, at least."""
BITS_OF_PIECE = 12
"""What a token more costs where another is spelled: such tokens are hardly ever foreseen."""
SPARE_BITS = 0.003
"""What a token may cost in the mean, a thousandth of what the text itself takes at least."""

Ids = NDArray[np.int32]


def by_shortlist(group: PreparedGroup, opened: Callable[[], OpenedModel]) -> PreparedGroup:
    """Return a group for the model, its tokens those of the list that does for it if one does."""
    model = opened()
    if model.predictor.vocab_size < LEAST_TOKENS or not model.shortlists:
        return group
    runs = [run.tokens.result() for run in group.runs if run.tokens is not None]
    number = shortlist_for([one.ids for one in runs], model)
    if not number:
        return group
    own = model.shortlists[number]
    listed = [_respelled(run, own, number) for run in group.runs]
    return replace(group, runs=listed, shortlist=number)


def shortlist_for(texts: Sequence[Ids], model: OpenedModel) -> int:
    """Return the number of the shortest list that does for texts, tokens of the whole vocabulary.

    0 stands for that.
    """
    ids = np.concatenate(texts)
    spare = SPARE_BITS * ids.size - BITS_OF_CHOICE
    by_size = sorted(model.shortlists.items(), key=lambda item: len(item[1].ids))
    return next((number for number, own in by_size if _price(own, ids) <= spare), 0)


def _price(own: Shortlist, ids: Ids) -> float:
    """Return about how many bits more `ids` take by a list, were its tokens no better foreseen."""
    strange = own.outside(ids)
    return BITS_OF_PIECE * own.respelled(strange).size


def _respelled(run: PreparedRun, own: Shortlist, number: int) -> PreparedRun:
    if run.tokens is None:
        return run
    tokens: Future[Tokens] = Future()
    whole = run.tokens.result()
    tokens.set_result(replace(whole, ids=own.respelled(whole.ids), shortlist=number))
    return replace(run, tokens=tokens, tokenizer=own, _cut={})
