"""A member that the documents' decoder has read, as everybody else reads it."""

from __future__ import annotations

from dataclasses import replace

from decoder.container import LAYOUT, Chunk, Member
from llmzip.container import chunk_checksum
from llmzip.layout.program import Copy, Fill, Layout, Take, pack_layout


def written_out(member: Member) -> Member:
    """Return the member with the layout that says how its text goes on, if it does."""
    if member.goes_on is None:
        return member
    more, skip = member.goes_on
    ((chunks,),) = member.groups
    n = sum(chunk.n_bytes for chunk in chunks)
    layout = Layout((n,), (Take(0, n), Copy(n - skip, more)))
    if member.is_lone and n == 1:
        layout, chunks, more = Layout((), (Fill(chunks[0].payload[0], 1 + more),)), [], 1 + more
    program = pack_layout(layout)
    payload = chunk_checksum(program) + b"\0" + program
    first = Chunk(LAYOUT, more, 0, len(payload), member.checksum, payload)
    return replace(member, goes_on=None, is_lone=False, groups=[[[first, *chunks]]])
