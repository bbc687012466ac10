"""The text of a damaged member as it comes back, groups with a layout put together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import pairwise

from llmzip.codec.assembly import LaidOut
from llmzip.codec.stitch import Stitcher
from llmzip.container import FileChecksum, Kind
from llmzip.container.bodies import ChunkHead
from llmzip.container.found import FoundWave
from llmzip.errors import CorruptError
from llmzip.layout.history import History
from llmzip.layout.text import Text, joined
from llmzip.layout.weave import weave


class MemberText:
    """Hands on to `stitcher` what is known of a member's text, in order, and what is lost.

    base: where the member begins in the original; None if that is unknown. history: keeps what
    later groups may copy. checksum: of all that came back.
    """

    def __init__(self, stitcher: Stitcher, base: int | None, history: History) -> None:
        self._stitcher = stitcher
        self._base = base
        self._history = history
        self._knows_place = True  # whether the history's end is where we are
        self.checksum = FileChecksum()

    @property
    def at(self) -> int:
        """Where in the member's text we are; as if nothing had come yet where that is unknown."""
        return self._history.n_bytes if self._knows_place else 0

    def move_to(self, at: int | None) -> None:
        """Go on at byte `at` of the member, if that is known: what lies between is lost."""
        if at is None:
            return
        if at >= self._history.n_bytes:
            self._history.lose(at - self._history.n_bytes)
            self._knows_place = True
        self._stitcher.move_to(None if self._base is None else self._base + at)

    def put(self, text: Text) -> None:
        """Write the next bytes, as far as they are known."""
        for start, stop, is_known in _runs(text):
            if is_known:
                data = bytes(text.data[start:stop])
                self._stitcher.put(data)
                self.checksum.update(data)
            else:
                self._stitcher.lose(stop - start)
        if self._knows_place:
            self._history.append(text)

    def lose(self, n_bytes: int | None) -> None:
        """Note that the next bytes are lost; None: nobody knows how many."""
        self._stitcher.lose(n_bytes)
        if n_bytes is None:
            self._knows_place = False
        elif self._knows_place:
            self._history.lose(n_bytes)

    def read(self, start: int, stop: int) -> Text:
        """Return bytes `start` to `stop` of the member's text before a group, as far as known."""
        if not self._knows_place:
            return Text.lost(stop - start)
        if start < 0 < stop:
            return joined([self.read(start, 0), self.read(0, stop)])
        try:
            return self._history.read(start, stop)
        except CorruptError:
            return Text.lost(stop - start)


class Fragments:
    """A group with a layout, as far as its content is found.

    start: where it begins in the member's text, None if unknown. Raises CorruptError.
    """

    def __init__(
        self, head: ChunkHead, program: bytes, start: int | None, memlimit: int | None
    ) -> None:
        self._laid_out = LaidOut(head, program, memlimit)
        self._start = start
        self._parts: list[Text] = []
        self._n_found = 0
        self._is_broken = False  # whether it is unknown where in the content we are

    def break_off(self) -> None:
        """Note that nobody knows how much is missing here."""
        self._is_broken = True

    def put(self, at: int | None, texts: Sequence[Text]) -> bool:
        """Add chunks of a wave that the index has at byte `at` of the member; return if they fit.

        at: None if that is unknown.
        """
        n_bytes = sum(len(text.data) for text in texts)
        if at is not None and self._start is not None:
            n_before = at - self._start - self._laid_out.n_supplied
        elif self._is_broken:
            return False
        else:
            n_before = self._n_found
        if not self._n_found <= n_before <= self._laid_out.n_content - n_bytes:
            return False
        self._parts += [Text.lost(n_before - self._n_found), *texts]
        self._n_found = n_before + n_bytes
        self._is_broken = False
        return True

    def text(self, member: MemberText) -> Text:
        """Return the text of the group, which comes next in `member`."""
        laid_out = self._laid_out
        content = joined([*self._parts, Text.lost(laid_out.n_content - self._n_found)])
        for past in (member, _Nothing()):
            try:
                text = weave(laid_out.layout, content, laid_out.n_bytes, member.at, past)
                if text.is_whole:
                    laid_out.verify(text)
                return text
            except CorruptError:  # what it copied was not what it should have been
                continue
        return Text.lost(laid_out.n_bytes)


class RestoredGroups:
    """Takes the waves that are found of a member, decoded as far as they can be.

    is_sure: whether what says how long chunks are is confirmed. memlimit: as for decode_stream.
    """

    def __init__(self, text: MemberText, is_sure: bool, memlimit: int | None) -> None:
        self._text = text
        self._is_sure = is_sure
        self._memlimit = memlimit
        self._group: Fragments | None = None  # with a layout, its text yet to be written
        self._is_lost_after = False  # whether an unknown number of bytes is, after that group

    def wave(self, wave: FoundWave, data: Sequence[bytes | None]) -> None:
        """Take a wave. data: what its chunks decode to, of a layout its program; None if lost."""
        if wave.heads[0].kind is Kind.LAYOUT:
            self._begin_group(wave, data)
        elif wave.is_content:
            self._content(wave, data)
        else:
            self.end_group()
            self._text.move_to(wave.at)
            self._put(wave.heads, data)

    def _put(self, heads: Sequence[ChunkHead], data: Sequence[bytes | None]) -> None:
        for head, own in zip(heads, data, strict=True):
            if own is None:
                self._text.lose(head.n_bytes if self._is_sure else None)
            else:
                self._text.put(Text(own))

    def _begin_group(self, wave: FoundWave, data: Sequence[bytes | None]) -> None:
        """Take the first wave of a group with a layout."""
        self.end_group()
        self._text.move_to(wave.at)
        head, program = wave.heads[0], data[0]
        with suppress(CorruptError):
            if program is not None and self._is_sure:
                self._group = Fragments(head, program, wave.at, self._memlimit)
        if self._group is None:
            self._put(wave.heads, [None] * len(wave.heads))
        else:
            self._group.put(None, _texts(wave.heads[1:], data[1:]))

    def _content(self, wave: FoundWave, data: Sequence[bytes | None]) -> None:
        """Take a later wave of one."""
        if self._group is not None and self._group.put(wave.at, _texts(wave.heads, data)):
            self._is_lost_after = False
            return
        self.end_group()
        self._text.move_to(wave.at)
        self._put(wave.heads, [None] * len(wave.heads))

    def gap(self) -> None:
        """Note that after what came nobody knows how much is missing."""
        if self._group is None:
            self._text.lose(None)
        else:
            self._group.break_off()
            self._is_lost_after = True

    def end_group(self) -> None:
        """Write the group that is held, as far as it is known."""
        group, self._group = self._group, None
        if group is not None:
            self._text.put(group.text(self._text))
            if self._is_lost_after:
                self._text.lose(None)
        self._is_lost_after = False


def _texts(heads: Sequence[ChunkHead], data: Sequence[bytes | None]) -> list[Text]:
    """Return what chunks decode to, holes for those that are lost."""
    return [
        Text.lost(head.n_bytes) if own is None else Text(own)
        for head, own in zip(heads, data, strict=True)
    ]


class _Nothing:
    """Where nothing is known."""

    def read(self, start: int, stop: int) -> Text:
        """Return what is lost."""
        return Text.lost(stop - start)


def _runs(text: Text) -> Iterator[tuple[int, int, bool]]:
    """Yield start and stop of what is known and what is not, in order."""
    edges = [0, *(edge for hole in text.holes for edge in hole), len(text.data)]
    for number, (start, stop) in enumerate(pairwise(edges)):
        if start < stop:
            yield start, stop, number % 2 == 0
