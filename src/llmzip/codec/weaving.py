"""Builds the layout of a group, and the streams that it takes, from its parts in order."""

from __future__ import annotations

from llmzip.codec.segment import Fate, Run
from llmzip.encodings.detect import Found
from llmzip.layout.planned import Planned, Stream
from llmzip.layout.program import Copy, Fill, Layout, Op, Take, Tar

MIN_MODEL_BYTES = 16
"""Of less text the reference to the model costs more than it can save."""

_Key = tuple[Fate, str | None, bool]
"""What must be alike for bytes to be joined: their fate, encoding, and kind of line ends."""

_HEADERS: _Key = (Fate.HEADERS, None, False)


class Weaving:
    """Streams, in the order in which something was first put into them, and steps."""

    def __init__(self, any_text: bool = False) -> None:
        """any_text: let the model have text, too, that is too short to be worth it."""
        self._least_model_bytes = 1 if any_text else MIN_MODEL_BYTES
        self._streams: dict[_Key, list[bytes]] = {}
        self._found: dict[_Key, Found | None] = {}
        self._ops: list[Op] = []
        self._has_returns = False  # the last text that has lines

    def take(self, run: Run, data: bytes) -> None:
        """Put a run, which is `data`, into its stream, to be taken from there."""
        if run.fate is Fate.RUN:
            self._ops.append(Fill(data[0], len(data)))
            return
        encoding = run.found.encoding if run.found else None
        if run.for_model and b"\n" in data:
            self._has_returns = has_returns(data)
        key = run.fate, encoding, run.for_model and self._has_returns
        self._found.setdefault(key, run.found)
        number = self._put(key, data)
        last = self._ops[-1] if self._ops else None
        if isinstance(last, Take) and last.stream == number:
            self._ops[-1] = Take(number, last.n_bytes + len(data))
        else:
            self._ops.append(Take(number, len(data)))

    def copy(self, copy: Copy) -> None:
        """Copy."""
        self._ops.append(copy)

    def frame(self, headers: bytes, n_headers: int) -> None:
        """Frame what comes by the headers of so many files."""
        self._ops.append(Tar(self._put(_HEADERS, headers), n_headers))

    def planned(self) -> Planned:
        """Return what it comes to."""
        streams = [self._stream(key, b"".join(parts)) for key, parts in self._streams.items()]
        takes = [op.stream for op in self._ops if isinstance(op, Take)]
        if takes == list(range(len(self._ops))):
            return Planned(None, streams)
        layout = Layout(tuple(len(stream.data) for stream in streams), tuple(self._ops))
        return Planned(layout, streams)

    def _put(self, key: _Key, data: bytes) -> int:
        """Put bytes into the stream of a kind; return its number."""
        self._streams.setdefault(key, []).append(data)
        return list(self._streams).index(key)

    def _stream(self, key: _Key, data: bytes) -> Stream:
        for_model = key[0] is Fate.MODEL and len(data) >= self._least_model_bytes
        return Stream(data, for_model, self._found.get(key), key == _HEADERS)


def has_returns(data: bytes) -> bool:
    """Whether most lines end in CR LF."""
    return b"\r" in data and 2 * data.count(b"\r\n") > data.count(b"\n")
