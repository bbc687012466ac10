"""The container under fire: the reader, its summary and its index against a parser of the document.

Whatever the bytes: only FormatError is raised, what is accepted is what docs/FORMAT.md accepts,
every claim is the same, and neither work nor memory grows beyond what the input's size allows.
"""

from __future__ import annotations

import io
import sys
import tracemalloc
from collections.abc import Iterator

import format_parser
from findings import FindingError
from format_parser import MemberClaim, RefusedError

from llmzip.container import (
    End,
    Group,
    Header,
    Index,
    ModelRef,
    Reader,
    Record,
    Summary,
    Wave,
    inspect,
    read_group,
    read_index,
)
from llmzip.errors import FormatError

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
    _check_index(data, claimed)
    return verdict


def claims(data: bytes) -> list[MemberClaim] | None:
    """Return what the document reads in `data`; None if it refuses it."""
    try:
        return format_parser.parse(data)
    except RefusedError:
        return None


def _records(data: bytes, measured: bool) -> tuple[list[Record] | None, str]:
    """Return the reader's records, None if it refused, and its verdict."""
    source = io.BytesIO(data)
    try:
        if measured:
            with _Bounded(len(data)):
                return list(Reader(source)), "taken"
        return list(Reader(source)), "taken"
    except FormatError as exc:
        if "\n" in str(exc) or not str(exc):
            raise FindingError(f"a message that is not one line: {exc!r}") from exc
        return None, f"{type(exc).__name__}: {exc}"
    except FindingError:
        raise
    except BaseException as exc:
        raise FindingError(f"reader: {type(exc).__name__}: {exc}") from exc


def _check_summary(data: bytes, claimed: list[MemberClaim] | None, verdict: str) -> None:
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


def _check_index(data: bytes, claimed: list[MemberClaim] | None) -> None:
    """The index may be right where the rest is damaged; but of a good file it says the truth."""
    source = io.BytesIO(data)
    try:
        found = read_index(source)
        for index in found:
            for number in range(min(len(index.groups), 8)):
                list(read_group(source, index, number))
    except FormatError as exc:
        if claimed is not None:
            raise FindingError(f"index of a good file: {exc!r}") from exc
        return
    except BaseException as exc:
        raise FindingError(f"index: {type(exc).__name__}: {exc}") from exc
    if claimed is not None:
        wanted = [(one.start, one.options, one.groups) for one in claimed]
        _compare("index", [_of_index(one) for one in found], wanted)


def _compare(what: str, found: list[object] | list[tuple[object, ...]], wanted: object) -> None:
    if found != wanted:
        raise FindingError(f"{what}: {found!r} where the document says {wanted!r}"[:2000])


def _of_records(records: list[Record]) -> list[object]:
    found: list[object] = []
    for record in records:
        match record:
            case Header(options):
                found.append(("member", options.numbers, options.adaptive, options.dictionary))
            case ModelRef():
                found.append((record.name, record.source, record.fingerprint, record.machine))
            case Group():
                found.append("group")
            case Wave(chunks):
                found.append(
                    [(c.kind.value, c.n_bytes, c.n_tokens, c.checksum, c.payload) for c in chunks]
                )
            case End():
                groups = [(group.offset, group.n_bytes) for group in record.groups]
                found.append((record.n_bytes, record.checksum, groups))
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


def _of_claims(claimed: list[MemberClaim]) -> Iterator[object]:
    for member in claimed:
        yield "member", member.options, member.version > 1, member.mark
        if member.model is not None:
            yield member.model
        waves = iter(member.waves)
        for n_waves in member.n_waves_of_groups:
            yield "group"
            for _ in range(n_waves):
                yield [(c.kind, c.n_bytes, c.n_tokens, c.checksum, c.payload) for c in next(waves)]
        yield sum(n for _, n in member.groups), member.checksum, member.groups


def _of_summary(one: Summary) -> tuple[object, ...]:
    return (
        one.options.numbers,
        one.model and (one.model.name, one.model.source, one.model.fingerprint, one.model.machine),
        (one.n_bytes, one.n_compressed, one.n_groups, one.n_waves, one.n_tokens),
        {kind.value: n for kind, n in one.n_chunks.items()},
        one.checksum,
    )


def _summed(member: MemberClaim) -> tuple[object, ...]:
    kinds = [chunk.kind for chunk in member.chunks]
    n_tokens = sum(chunk.n_tokens for chunk in member.chunks)
    n_bytes = sum(chunk.n_bytes for chunk in member.chunks)
    return (
        member.options,
        member.model,
        (n_bytes, member.n_compressed, len(member.groups), len(member.waves), n_tokens),
        {kind: kinds.count(kind) for kind in set(kinds)},
        member.checksum,
    )


def _of_index(one: Index) -> tuple[object, ...]:
    return one.start, one.options.numbers, [(g.offset, g.n_bytes) for g in one.groups]


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
