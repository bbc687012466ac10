"""The history proposes what followed the same contexts, and knows nothing that is not learnt."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from decoder.history import Candidate, Proposal, hashed
from decoder.history import History as SlowHistory
from exact_models import phrases
from llmzip.adapt.history import MAX_MATCH, N_CANDIDATES, ORDERS, Candidates, History

Chunk = NDArray[np.int32]
SLICE = 32


def rows_of(found: Candidates) -> list[Proposal]:
    """The proposals as the document's decoder has them, padding left out."""
    return [row_of(found, row) for row in range(len(found.n))]


def row_of(found: Candidates, row: int) -> Proposal:
    used = range(int(found.n[row]))
    return Proposal(
        [
            Candidate(
                int(found.ids[row, i]), found.counts[row, i].tolist(), int(found.matches[row, i])
            )
            for i in used
        ],
        found.totals[row].tolist(),
    )


def add_wave(history: History, chunks: list[Chunk]) -> NDArray[np.int64]:
    """Put a wave's chunks down, all of them at once, as the encoder does."""
    begins = history.add_chunks([len(chunk) for chunk in chunks])
    for begin, chunk in zip(begins, chunks, strict=True):
        history.write(begin + np.arange(len(chunk)), chunk.astype(np.int64))
    return begins


def ask(history: History, begin: int, first: int, last: int) -> Candidates:
    at = begin + np.arange(first, last)
    return history.candidates(np.full_like(at, begin), at)


def learn(history: History, begin: int, first: int, last: int) -> None:
    at = begin + np.arange(first, last)
    history.learn(np.full_like(at, begin), at)


class Both:
    """A history and the document's, side by side."""

    def __init__(self) -> None:
        self.fast, self.slow = History(), SlowHistory()

    def wave(self, chunks: list[Chunk]) -> int:
        """Go through a wave slice by slice; return how many candidates there were."""
        begins = add_wave(self.fast, chunks).tolist()
        offset, n_candidates = len(self.slow.chunks), 0
        self.slow.chunks += [chunk.tolist() for chunk in chunks]
        for first in range(0, max(map(len, chunks)), SLICE):
            spans = [(first, min(first + SLICE, len(chunk))) for chunk in chunks]
            for i, (start, stop) in enumerate(spans):
                found = rows_of(ask(self.fast, begins[i], start, stop))
                expected = [self.slow.proposal((offset + i, at)) for at in range(start, stop)]
                assert found == expected
                n_candidates += sum(len(row.candidates) for row in found)
            for i, (start, stop) in enumerate(spans):
                if start < stop:
                    learn(self.fast, begins[i], start, stop)
                for at in range(start, stop):
                    self.slow.learn((offset + i, at))
        return n_candidates


@pytest.mark.parametrize("vocab_size", [1, 3, 50, 3000])
def test_candidates_are_the_documents(vocab_size: int) -> None:
    """Waves of chunks of different lengths, some of one token; small vocabularies fill chains."""
    both = Both()
    n_candidates = 0
    for wave, sizes in enumerate([(300, 1, 40), (33, 200), (500,)]):
        chunks = [phrases(vocab_size, size, 10 * wave + i) for i, size in enumerate(sizes)]
        n_candidates += both.wave(chunks)
    assert n_candidates > 300


def test_contexts_whose_hashes_agree_are_told_apart() -> None:
    """Of 20,000 distinct tokens a hundred and more share their slot with another."""
    tokens = np.arange(20_000, dtype=np.int32)
    assert len({hashed([token]) for token in tokens.tolist()}) < len(tokens) - 100
    both = Both()
    both.wave([tokens])
    assert both.wave([tokens[::-7]]) == len(tokens[::-7]) - 2  # the first, and the last's follower


@settings(max_examples=30)
@given(
    waves=st.lists(
        st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=80), min_size=1, max_size=4),
        min_size=1,
        max_size=4,
    )
)
def test_any_waves_propose_what_the_document_says(waves: list[list[list[int]]]) -> None:
    both = Both()
    for chunks in waves:
        both.wave([np.array(chunk, dtype=np.int32) for chunk in chunks])


def test_counts_are_those_of_a_dictionary() -> None:
    """Up to the walks' limits: what followed each context, counted in the plainest way."""
    chunk = phrases(1000, 400, 3, n_phrases=40)
    history = History()
    (begin,) = add_wave(history, [chunk]).tolist()
    learn(history, begin, 0, len(chunk))
    followers: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
    for at in range(len(chunk)):
        for order in ORDERS:
            if at >= order:
                followers[tuple(chunk[at - order : at].tolist())][int(chunk[at])] += 1
    for at, row in enumerate(rows_of(ask(history, begin, 0, len(chunk)))):
        for o, order in enumerate(ORDERS):
            counts = followers[tuple(chunk[at - order : at].tolist())] if at >= order else {}
            if sum(counts.values()) > 8:
                continue  # more than the shortest walk
            assert row.met[o] == sum(counts.values())
            assert all(c.counts[o] == counts.get(c.token, 0) for c in row.candidates)


def test_what_is_written_but_not_learnt_changes_nothing() -> None:
    """Neither later tokens of the chunk nor other chunks of the wave nor their learning order."""
    old, chunk, other = (phrases(20, 200, seed) for seed in range(3))
    answers = []
    for company in ([chunk], [chunk, other], [chunk[:64]]):
        history = History()
        (begin,) = add_wave(history, [old]).tolist()
        learn(history, begin, 0, len(old))
        begins = add_wave(history, company).tolist()
        learn(history, begins[0], 0, 32)
        answers.append(rows_of(ask(history, begins[0], 32, 64)))
    assert answers[0] == answers[1] == answers[2]
    assert any(row.candidates for row in answers[0])


def test_tokens_written_one_by_one_propose_the_same() -> None:
    """The decoder's way: each token is put down after its candidates were asked for."""
    chunk = phrases(20, 100, 5)
    whole, stepwise = History(), History()
    (begin,) = add_wave(whole, [chunk]).tolist()
    assert stepwise.add_chunks([len(chunk)]).tolist() == [begin]
    for at, token in enumerate(chunk.tolist()):
        found = rows_of(ask(stepwise, begin, at, at + 1))
        assert found == rows_of(ask(whole, begin, at, at + 1))
        stepwise.write(np.array([begin + at]), np.array([token]))
        if at % SLICE == SLICE - 1:
            for history in (whole, stepwise):
                learn(history, begin, at - SLICE + 1, at + 1)


def test_contexts_and_matches_end_where_the_chunk_begins() -> None:
    """Two chunks side by side in memory: the second's first tokens have no context before it."""
    first = np.array([1, 2, 3, 4, 5, 6, 7, 8, 9], dtype=np.int32)
    second = np.array([9, 1, 2, 3, 4, 5, 6, 7, 8, 9], dtype=np.int32)
    history = History()
    begins = add_wave(history, [first, first, second]).tolist()
    learn(history, begins[0], 0, len(first))
    found = rows_of(ask(history, begins[1], 0, 9))
    assert found[0] == Proposal([], [0] * len(ORDERS))
    assert found[1].met == [1, 0, 0, 0, 0]
    assert [row.candidates[0].match for row in found[4:]] == [4, 5, 6, 7, 8]
    # the second begins with another token: its matches stop at the first chunk's beginning
    found = rows_of(ask(history, begins[2], 0, 10))
    assert [row.candidates[0].match for row in found[5:]] == [4, 5, 6, 7, 8]


def test_matches_are_counted_to_their_limit() -> None:
    tokens = np.arange(100, dtype=np.int32)
    history = History()
    begins = add_wave(history, [tokens, tokens]).tolist()
    learn(history, begins[0], 0, 100)
    found = rows_of(ask(history, begins[1], 0, 100))
    assert [row.candidates[0].match for row in found[4:]] == [
        min(at, MAX_MATCH) for at in range(4, 100)
    ]


def test_no_more_candidates_than_there_is_room_for() -> None:
    """Forty followers of one token: the likeliest and latest are proposed, none twice."""
    chunk = np.ravel([[0, i] for i in range(1, 41)]).astype(np.int32)
    history = History()
    begins = add_wave(history, [chunk, np.array([0, 1], dtype=np.int32)]).tolist()
    learn(history, begins[0], 0, len(chunk))
    row = rows_of(ask(history, begins[1], 1, 2))[0]
    assert [c.token for c in row.candidates] == [40, 39, 38, 37, 36, 35]
    assert len(row.candidates) == N_CANDIDATES
    assert row.met[0] == 24
