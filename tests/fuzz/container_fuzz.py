"""The container under fire: the reader, its summary and its index against the documents' decoder.

Whatever the bytes: only FormatError is raised, what is accepted is what docs/FORMAT.md accepts,
every claim is the same, and neither work nor memory grows beyond what the input's size allows.
"""

from __future__ import annotations

import io
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import nullcontext
from typing import BinaryIO

from findings import FindingError
from written_out import written_out

from decoder.container import Chunk, Member, members
from decoder.wire import RefusedError
from llmzip.container import (
    End,
    Group,
    Header,
    Index,
    ModelRef,
    Reader,
    Record,
    Reference,
    Summary,
    Wave,
    inspect,
    read_group,
    read_index,
)
from llmzip.errors import FormatError, TrailingError

PADDED = "taken, and the zeros after it left out"
MAX_CALLS = 2_000, 40
"""Calls that reading may make: so many, and so many a byte."""
MAX_MEMORY = 1 << 18, 64
"""Bytes of memory at the peak: so many, and so many a byte."""


def check(data: bytes, *, measured: bool = False) -> str:
    """Read `data` in every way; return the verdict in words. Raises FindingError.

    measured: count calls and memory, too; slower.
    """
    claimed = claims(data)
    records, verdict = _records(data, measured)
    if (records is None) != (claimed is None):
        raise FindingError(
            f"reader: {verdict}; document: {'refused' if claimed is None else 'taken'}"
        )
    if claimed is not None and records is not None:
        _compare("records", _of_records(records), list(_of_claims(claimed)))
    _check_summary(data, claimed, verdict)
    if verdict != PADDED:  # the index is looked for at the end, which is not there
        _check_index(data, claimed)
    return verdict


def claims(data: bytes) -> list[Member] | None:
    """Return what the document reads in `data`; None if it refuses it."""
    try:
        return [written_out(member) for member in members(data)]
    except RefusedError:
        return None


def _records(data: bytes, measured: bool) -> tuple[list[Record] | None, str]:
    """Return the reader's records, None if it refused, and its verdict."""
    records = list[Record]()
    try:
        with _Bounded(len(data)) if measured else nullcontext():
            records.extend(Reader(io.BytesIO(data)))
        return records, "taken"
    except FormatError as exc:
        if isinstance(exc, TrailingError) and exc.is_padding:
            return records, PADDED
        if "\n" in str(exc) or not str(exc):
            raise FindingError(f"a message that is not one line: {exc!r}") from exc
        return None, f"{type(exc).__name__}: {exc}"
    except FindingError:
        raise
    except BaseException as exc:
        raise FindingError(f"reader: {type(exc).__name__}: {exc}") from exc


def _check_summary(data: bytes, claimed: list[Member] | None, verdict: str) -> None:
    try:
        found = list(inspect(io.BytesIO(data)))
    except FormatError as exc:
        if verdict != f"{type(exc).__name__}: {exc}":
            raise FindingError(f"inspect: {exc!r}; reader: {verdict}") from exc
        return
    except BaseException as exc:
        raise FindingError(f"inspect: {type(exc).__name__}: {exc}") from exc
    if claimed is None:
        raise FindingError("inspect takes what the document refuses")
    _compare("summary", [_of_summary(one) for one in found], [_summed(one) for one in claimed])
    n_compressed = sum(one.n_compressed for one in found)
    rest = data[n_compressed:]
    _compare("what follows the members", rest, bytes(len(rest)) if verdict == PADDED else b"")


def _check_index(data: bytes, claimed: list[Member] | None) -> None:
    """The index may be right where the rest is damaged; but of a good file it says the truth."""
    source = io.BytesIO(data)
    try:
        found = [_of_index(source, one) for one in read_index(source)]
    except FormatError as exc:
        if claimed is not None:
            raise FindingError(f"index of a good file: {exc!r}") from exc
        return
    except BaseException as exc:
        raise FindingError(f"index: {type(exc).__name__}: {exc}") from exc
    if claimed is not None:
        _compare("index", found, [_indexed(one) for one in claimed])


def _compare(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise FindingError(f"{what}: {found!r} where the document says {wanted!r}"[:2000])


def _of_records(records: list[Record]) -> list[object]:
    found: list[object] = []
    for record in records:
        match record:
            case Header(options):
                found.append(("member", options.numbers, options.adaptive, options.dictionary))
            case Reference():
                found.append(("reference", record.checksum, record.n_bytes))
            case ModelRef():
                found.append((record.name, record.source, record.fingerprint, record.machine))
            case Group():
                found.append("group")
            case Wave(chunks):
                found.append(
                    [(c.kind.value, c.n_bytes, c.n_tokens, c.checksum, c.payload) for c in chunks]
                )
            case End():
                sizes = [group.n_bytes for group in record.groups]
                found.append((record.n_bytes, record.checksum, sizes))
    return _models_first(found)


def _models_first(found: list[object]) -> list[object]:
    """Put each member's model right behind its header: where it stands is the index's affair."""
    out: list[object] = []
    place = 0
    for one in found:
        is_four = isinstance(one, tuple) and len(one) == 4  # a header or a model
        is_model = isinstance(one, tuple) and is_four and isinstance(one[2], bytes)
        if is_four and not is_model:
            place = len(out) + 1
        out.insert(place if is_model else len(out), one)
    return out


def _of_claims(claimed: list[Member]) -> Iterator[object]:
    for member in claimed:
        yield "member", _options(member), member.version > 1, member.mark
        if member.model is not None:
            yield _model(member)
        if member.reference is not None:
            yield "reference", *member.reference
        for waves in member.groups:
            yield "group"
            yield from ([_of_chunk(chunk) for chunk in wave] for wave in waves)
        sizes = _group_sizes(member)
        yield sum(sizes), member.checksum, sizes


def _options(member: Member) -> tuple[int, int, int]:
    return member.chunk_tokens, member.window_tokens, member.carry_tokens


def _model(member: Member) -> tuple[object, ...] | None:
    model = member.model
    if model is None:
        return None
    return model.name, model.source, model.fingerprint, model.machine


def _of_chunk(chunk: Chunk) -> tuple[object, ...]:
    return chunk.kind, chunk.n_bytes, chunk.n_tokens, chunk.checksum, chunk.payload


def _group_sizes(member: Member) -> list[int]:
    return [sum(chunk.n_bytes for wave in group for chunk in wave) for group in member.groups]


def _of_summary(one: Summary) -> tuple[object, ...]:
    return (
        one.options.numbers,
        one.model and (one.model.name, one.model.source, one.model.fingerprint, one.model.machine),
        (one.n_bytes, one.n_groups, one.n_waves, one.n_tokens),
        {kind.value: n for kind, n in one.n_chunks.items()},
        one.checksum,
    )


def _summed(member: Member) -> tuple[object, ...]:
    waves = [wave for group in member.groups for wave in group]
    chunks = [chunk for wave in waves for chunk in wave]
    kinds = [chunk.kind for chunk in chunks]
    n_tokens = sum(chunk.n_tokens for chunk in chunks)
    return (
        _options(member),
        _model(member),
        (sum(_group_sizes(member)), len(member.groups), len(waves), n_tokens),
        {kind: kinds.count(kind) for kind in set(kinds)},
        member.checksum,
    )


def _of_index(source: BinaryIO, one: Index) -> tuple[object, ...]:
    """Return what an index says, and the payloads that it leads to."""
    payloads = [
        [
            chunk.payload
            for wave in read_group(source, one, number)
            if isinstance(wave, Wave)
            for chunk in wave.chunks
        ]
        for number in range(len(one.groups))
    ]
    return one.options.numbers, [group.n_bytes for group in one.groups], payloads


def _indexed(member: Member) -> tuple[object, ...]:
    payloads = [[chunk.payload for wave in group for chunk in wave] for group in member.groups]
    return _options(member), _group_sizes(member), payloads


class _Bounded:
    """Counts calls and memory of the block, and raises FindingError where either is too much."""

    def __init__(self, n_bytes: int) -> None:
        self._n_bytes = n_bytes
        self._n_calls = 0

    def __enter__(self) -> None:
        def count(_frame: object, event: str, _arg: object) -> None:
            self._n_calls += event == "call"

        tracemalloc.start()
        sys.setprofile(count)

    def __exit__(self, *_exc: object) -> None:
        sys.setprofile(None)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        for what, found, (least, each) in (
            ("calls", self._n_calls, MAX_CALLS),
            ("bytes of memory", peak, MAX_MEMORY),
        ):
            if found > least + each * self._n_bytes:
                raise FindingError(f"{found} {what} for {self._n_bytes} bytes")
