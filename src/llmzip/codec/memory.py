"""How many lanes fit into the memory that a decoder is allowed."""

from __future__ import annotations

from collections.abc import Sequence

from llmzip.errors import LimitError
from llmzip.predict.protocol import MOST_ROWS, Drafted, Predictor

HISTORY_BYTES = 48
"""What a token of a group takes while the group is decoded: it and its place in five chains, as
they are and while they grow."""


GROUP_TOKEN_BYTES = 5 << 12
"""What a group takes for each of its first tokens: a page of each of the tables of its history."""
GROUP_BYTES = 5 << 22
"""What those tables take at most, and where a group begins with a dictionary."""
GROUPS_BYTES = 1 << 28
"""What the tables of groups that are decoded side by side may take."""


def lanes_within(predictor: Predictor, n_lanes: int, memlimit: int | None) -> int:
    """Return how many lanes of chunks that share nothing may be made, `n_lanes` at most.

    memlimit: in bytes, beside the model; None for no limit. Raises LimitError if it holds none.
    """
    if memlimit is None:
        return n_lanes
    lane_bytes = predictor.lane_bytes()
    check_memory(lane_bytes, memlimit, "a chunk")
    return min(n_lanes, memlimit // max(lane_bytes, 1))


def groups_within(
    predictor: Predictor, n_groups: int, n_tokens: int, memlimit: int | None, is_primed: bool
) -> int:
    """Return how many groups, each in a lane and of at most `n_tokens`, may be decoded together.

    n_groups: at most. is_primed: whether they begin with a dictionary. The other arguments and
    what is raised are as for lanes_within.
    """
    tables = GROUP_BYTES if is_primed else min(GROUP_BYTES, GROUP_TOKEN_BYTES * n_tokens)
    n_most = max(1, min(n_groups, GROUPS_BYTES // tables))
    if memlimit is None:
        return n_most
    needed = wave_bytes(predictor, [n_tokens], 0)
    check_memory(needed, memlimit, "a group")
    return max(1, min(n_most, memlimit // (needed + tables)))


def wave_bytes(predictor: Predictor, n_tokens: Sequence[int], n_before: int) -> int:
    """Return what chunks of so many tokens take that must be decoded together, beside the model.

    n_before: tokens of the group in the waves before.
    """
    lanes = len(n_tokens) * predictor.lane_bytes(max(n_tokens))
    return lanes + HISTORY_BYTES * (n_before + sum(n_tokens))


def limit_drafts(
    drafted: Drafted, predictor: Predictor, n_lanes: int, n_bytes: int, memlimit: int | None
) -> None:
    """Let drafts have no more rows than fit beside the `n_bytes` that the lanes need."""
    if memlimit is not None:
        n_rows = n_lanes + (memlimit - n_bytes) // predictor.row_bytes
        drafted.most_rows = min(MOST_ROWS, n_rows)


def check_memory(n_bytes: int, memlimit: int | None, what: str) -> None:
    """Raise LimitError if `what` takes more than `memlimit` bytes."""
    if memlimit is not None and n_bytes > memlimit:
        raise LimitError(
            f"decoding {what} takes {n_bytes:,} bytes of memory beside the model, and --memlimit "
            f"allows {memlimit:,}: allow more, or decompress where there is more"
        )
