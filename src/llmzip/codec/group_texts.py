"""The texts of groups that copy from each other, in whatever order they are wanted.

Of a group that others copy from only the bytes that they want are worked out, so what those bytes
do not come from is not decoded. What has been decoded is kept, in a temporary file if it is long.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from llmzip.codec.assembly import LaidOut
from llmzip.container.bodies import ChunkHead
from llmzip.container.wire import corrupt
from llmzip.layout.history import History
from llmzip.layout.program import MAX_DISTANCE, MAX_TEXT_BYTES
from llmzip.layout.text import Span, Text, clip, joined, merged
from llmzip.layout.weave import Loan, loans, weave

KEPT_BYTES = MAX_DISTANCE + 4 * MAX_TEXT_BYTES
"""What is kept of texts and of what they are made from: the oldest goes first."""


@dataclass(frozen=True)
class Decoded:
    """What the chunks of a group decode to.

    head: of the layout, and program: its own; None and b"" for a group without one.
    """

    head: ChunkHead | None
    program: bytes
    content: bytes


class GroupTexts:
    """The texts of a member's groups.

    sizes: of each group. decode: decodes the chunks of one. history: gives what stands before the
    member. memlimit: as for decode_stream.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        decode: Callable[[int], Decoded],
        before: History,
        memlimit: int | None = None,
    ) -> None:
        self._decode = decode
        self._before = before
        self._memlimit = memlimit
        self._starts = [0]
        for size in sizes:
            self._starts.append(self._starts[-1] + size)
        self._shelf = _Shelf()
        self._heads: dict[int, ChunkHead] = {}

    def text(self, number: int) -> bytes:
        """Return all of the text of group `number`.

        Raises what `decode` raises, CorruptError where it copies what is not there, LimitError.
        """
        for group in reversed(self._needed(number)):
            self._weave(group)
        text = self._shelf.get("text", number)
        if text is None:
            raise corrupt(f"group {number} needs more text before it than a copy reaches")
        if number in self._heads:
            self._laid_out(number).verify(text)
        return bytes(text.data)

    def read(self, start: int, stop: int) -> Text:
        """Return bytes `start` to `stop` of the member's text, with holes for what is unknown."""
        parts = [] if start >= 0 else [self._before.read(start, min(stop, 0))]
        for group, (first, last) in self._groups_of(max(start, 0), stop):
            text = self._shelf.get("text", group)
            parts.append(Text.lost(last - first) if text is None else text.part(first, last))
        return joined(parts)

    def _needed(self, number: int) -> list[int]:
        """Return the groups to be woven for the text of one: the last first."""
        wanted: dict[int, list[Span]] = {number: [(0, self._size(number))]}
        waiting, order = [-number], list[int]()
        while waiting:
            group = -heappop(waiting)  # what it needs stands before it
            spans = merged(sorted(wanted[group]))
            if self._has(group, spans):
                continue
            order.append(group)
            for loan in self._needs(group, spans):
                for other, span in self._groups_of(max(loan.start, 0), loan.stop):
                    if other not in wanted:
                        wanted[other] = []
                        heappush(waiting, -other)
                    wanted[other].append(span)
        return order

    def _has(self, group: int, spans: Sequence[Span]) -> bool:
        """Whether these bytes of a group are known."""
        text = self._shelf.get("text", group)
        return text is not None and not any(clip(text.holes, *span) for span in spans)

    def _needs(self, group: int, spans: Sequence[Span]) -> list[Loan]:
        """Return what has to be known so that bytes `spans` of a group are."""
        decoded = self._decoded(group)
        if decoded.head is None:
            return []
        laid_out = self._laid_out(group)
        content = Text(decoded.content)
        all_loans, text = loans(laid_out.layout, content, laid_out.n_bytes, self._starts[group])
        direct = [loan for one in all_loans for loan in _wanted(one, spans)]
        n_direct = sum(loan.stop - loan.start for loan in direct)
        n_unknown = sum(b - a for span in spans for a, b in clip(text.holes, *span))
        return direct if n_direct == n_unknown else all_loans  # else by way of the group itself

    def _weave(self, group: int) -> None:
        if group in self._heads:
            content = Text(self._decoded(group).content)
            laid_out = self._laid_out(group)
            text = weave(laid_out.layout, content, laid_out.n_bytes, self._starts[group], self)
            self._shelf.put("text", group, text)

    def _decoded(self, group: int) -> Decoded:
        """Return what a group's chunks decode to: from the shelf, if it is there.

        Where that is its text, it is known from then on.
        """
        content, program = self._shelf.get("content", group), self._shelf.get("program", group)
        if content is not None and program is not None:
            return Decoded(self._heads[group], bytes(program.data), bytes(content.data))
        decoded = self._decode(group)
        if decoded.head is None:
            self._shelf.put("text", group, Text(decoded.content))
            return decoded
        self._heads[group] = decoded.head
        self._shelf.put("program", group, Text(decoded.program))
        self._shelf.put("content", group, Text(decoded.content))
        return decoded

    def _laid_out(self, group: int) -> LaidOut:
        laid_out = LaidOut(self._heads[group], self._decoded(group).program, self._memlimit)
        if laid_out.n_bytes != self._size(group):
            raise corrupt(f"group {group} does not decode to what the index says")
        return laid_out

    def _size(self, group: int) -> int:
        return self._starts[group + 1] - self._starts[group]

    def _groups_of(self, start: int, stop: int) -> Iterator[tuple[int, Span]]:
        """Yield the groups that hold bytes `start` to `stop`, and which of each these are."""
        group = bisect_right(self._starts, start) - 1
        while start < stop:
            if group + 1 >= len(self._starts):
                raise corrupt("a layout copies what the file does not have")
            end = min(stop, self._starts[group + 1])
            yield group, (start - self._starts[group], end - self._starts[group])
            start, group = end, group + 1


def _wanted(loan: Loan, spans: Sequence[Span]) -> Iterator[Loan]:
    """Yield the parts of a loan that stand in `spans` of the group."""
    for start, stop in clip(spans, loan.at, loan.at + loan.stop - loan.start):
        yield Loan(loan.at + start, loan.start + start, loan.start + stop)


class _Shelf:
    """Texts by names, as long as there is room for them."""

    def __init__(self) -> None:
        self._texts = History(reach=KEPT_BYTES)
        self._places: dict[tuple[str, int], tuple[int, int, Sequence[Span]]] = {}

    def put(self, what: str, group: int, text: Text) -> None:
        """Keep a text."""
        start = self._texts.n_bytes
        self._texts.append(Text(text.data))
        self._places[what, group] = start, self._texts.n_bytes, text.holes

    def get(self, what: str, group: int) -> Text | None:
        """Return a text, if it is kept."""
        place = self._places.get((what, group))
        if place is None or place[0] < self._texts.n_bytes - KEPT_BYTES:
            return None
        start, stop, holes = place
        return Text(self._texts.read(start, stop).data, holes)
