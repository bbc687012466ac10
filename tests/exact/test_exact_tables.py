"""Tables made by integer arithmetic: right, and the same for ever."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from llmzip.exact.tables import hadamard, hadamard_block, rope_tables, rope_turns


def _digest(*tables: NDArray[np.generic]) -> str:
    return hashlib.sha256(b"".join(np.ascontiguousarray(t).tobytes() for t in tables)).hexdigest()


@pytest.mark.parametrize(
    ("n_positions", "d_head", "theta", "digest"),
    [
        (8192, 64, 100000.0, "92d31957b8f8f80a33d54dccee21975207a63354434477f1f1c000bb717da49c"),
        (2048, 128, 10000.0, "49817fe61c9a880716a6e0219f776ddaa2af09e7b7e321672dae0151a61220f5"),
        (100, 12, 500000.0, "12c0bebd80c6b5f0ef9b74561a925f37df4e898f9861236243dba61c3b02ca2e"),
    ],
)
def test_rope_tables_are_pinned(n_positions: int, d_head: int, theta: float, digest: str) -> None:
    assert _digest(*rope_tables(n_positions, rope_turns(theta, d_head))) == digest


def test_rope_tables_are_the_cosines_and_sines_of_their_angles() -> None:
    cos, sin = rope_tables(2000, rope_turns(10000.0, 16))
    angles = np.arange(2000)[:, None] * 10000.0 ** (-np.arange(8) / 8.0)
    assert np.abs(cos - np.cos(angles)).max() < 1e-7
    assert np.abs(sin - np.sin(angles)).max() < 1e-7
    assert (cos[0] == 1).all()
    assert (sin[0] == 0).all()


def test_longer_rope_tables_begin_with_the_shorter_ones() -> None:
    turns = rope_turns(10000.0, 12)
    short, long = rope_tables(40, turns), rope_tables(90, turns)
    assert all((a == b[:40]).all() for a, b in zip(short, long, strict=True))


@given(order=st.integers(1, 200))
def test_hadamard_matrices_are_orthogonal_with_entries_of_one(order: int) -> None:
    matrix, block = hadamard(order), hadamard_block(order)
    assert order % block == 0
    assert set(np.unique(matrix)) <= {-1.0, 0.0, 1.0}
    assert (np.abs(matrix).sum(0) == block).all()
    assert (matrix @ matrix.T == block * np.eye(order)).all()


@pytest.mark.parametrize(
    ("order", "digest"),
    [
        (48, "2e0cd420bcf9255ced3a17a553c1f8aa1909779a6bb7c4797877a823458ef7b1"),
        (100, "3cd8e5105ce873d5e98d65f21ef6a348f00733caf069bed13c809cd61962af46"),
        (576, "8531713f971c77ad77995a9b448b01cfa27057cf6c8e6e774b7ed550da84dea9"),
        (768, "5529d14a6f85d3f54057493ff865ad302c18d195826287bc234a21729bc537c6"),
        (1600, "09dc7d8f4f4f65492c31e9d5f849f68a512d8acfb912f35573d02bb6a72576bf"),
    ],
)
def test_hadamard_matrices_are_pinned(order: int, digest: str) -> None:
    assert _digest(hadamard(order).astype(np.int8)) == digest


@pytest.mark.parametrize("width", [576, 768, 1024, 1280, 1600, 2048, 4096, 960, 3072])
def test_the_widths_of_published_models_have_whole_matrices(width: int) -> None:
    assert hadamard_block(width) == width
