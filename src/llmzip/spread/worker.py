"""A worker: does one unit after the other, with a model that it opens once and keeps open."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from llmzip.codec.model import Progress, unseen
from llmzip.codec.parts import EncodedPart
from llmzip.codec.stats import Stats
from llmzip.compressor import Compressor
from llmzip.decompressor import Decompressor
from llmzip.errors import LlmzipError, TrailingError, VerifyError
from llmzip.spread.places import opened
from llmzip.spread.units import (
    Failed,
    Made,
    MadeFiles,
    MadeText,
    OneGroup,
    Result,
    Unit,
    WholeFiles,
    digest,
)
from llmzip.spread.writing import write_whole


@dataclass(frozen=True)
class Tools:
    """What a worker works with: one of the two; both travel without the model that they open.

    verifier: opens again what the compressor has made, before anybody hears of it.
    """

    compressor: Compressor | None = None
    decompressor: Decompressor | None = None
    verifier: Decompressor | None = None


class Worker:
    """Does units. Errors that the work itself raises are results, too."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def do(self, unit: Unit, progress: Progress = unseen) -> Result:
        """Do a unit; `progress` is told how many bytes of it are done, as n_bytes_of counts."""
        try:
            if isinstance(unit, WholeFiles):
                return self._whole_files(unit, progress)
            return self._group(unit, progress)
        except (LlmzipError, OSError, MemoryError) as exc:
            return Failed(_portable(exc))
        except Exception as exc:
            return Failed(RuntimeError(f"in a worker: {type(exc).__name__}: {exc}"))

    def _group(self, unit: OneGroup, progress: Progress) -> Result:
        data = unit.spans[0].read()
        if unit.part is not None:
            text, stats = self._decompressor().decode_part(data, unit.part, progress)
            return MadeText(text, stats)
        part = self._compressor().encode_part(data, progress, unit.copies)
        self._verify_part(part, unit, data)
        return part

    def _whole_files(self, unit: WholeFiles, progress: Progress) -> MadeFiles:
        sources = [span.read() for span in unit.spans]
        if self._tools.compressor is not None:
            made = self._encoded(sources, progress)
        else:
            made = self._decoded(sources, progress)
        targets = unit.targets or (None,) * len(made)
        files = [
            None if one is None else _delivered(one, target, unit.replace)
            for one, target in zip(made, targets, strict=True)
        ]
        return MadeFiles(tuple(files))

    def _encoded(self, texts: Sequence[bytes], progress: Progress) -> list[Made | None]:
        made = self._compressor().encode_batch(texts, progress)
        self._verify([one.file for one in made], texts)
        return [_made(one.file, text, one.stats) for one, text in zip(made, texts, strict=True)]

    def _decoded(self, files: Sequence[bytes], progress: Progress) -> list[Made | None]:
        tool, n_all = self._decompressor(), sum(map(len, files))

        def report(n_bytes: int, n_of: int) -> None:
            progress(n_all * n_bytes // max(1, n_of))

        known = tool.decode_ahead(files, report) if len(files) > 1 else [None]
        made: list[Made | None] = []
        for file, own in zip(files, known, strict=True):
            sink, trailing = io.BytesIO(), list[TrailingError]()
            try:
                tool.decoded_size(io.BytesIO(file), allow_trailing=True)
                stats = tool.decompress(io.BytesIO(file), sink, None, trailing.append, own)
            except LlmzipError:
                made.append(None)
                continue
            made.append(None if trailing else _made(sink.getvalue(), file, stats))
        return made

    def _verify(self, files: Sequence[bytes], texts: Sequence[bytes]) -> None:
        """Raise VerifyError if files were asked to be decoded again, and are not those texts."""
        if self._tools.verifier is None:
            return
        for decoded, text in zip(self._tools.verifier.decompress_many(files), texts, strict=True):
            if decoded != text:
                raise _differs()

    def _verify_part(self, part: EncodedPart, unit: OneGroup, data: bytes) -> None:
        """Do the same for a group, which may copy from what stands before it in its file."""
        if self._tools.verifier is None:
            return
        span = unit.spans[0]
        with opened(span.place) as text:
            if self._tools.verifier.decode_after(part, span.start, text) != data:
                raise _differs()

    def _compressor(self) -> Compressor:
        assert self._tools.compressor is not None
        return self._tools.compressor

    def _decompressor(self) -> Decompressor:
        assert self._tools.decompressor is not None
        return self._tools.decompressor


def _differs() -> VerifyError:
    return VerifyError(
        "what was made decodes to something else than the input, nothing is kept: "
        "llmzip or this machine is at fault; try again"
    )


def _made(data: bytes, source: bytes, stats: Stats) -> Made:
    return Made(data, len(data), digest(data), digest(source), stats)


def _delivered(made: Made, target: str | None, replace: bool) -> Made | None:
    """Write a file where that was asked for; None where it cannot be, which comes up again."""
    if target is None:
        return made
    assert made.data is not None
    try:
        write_whole(target, made.data, replace=replace)
    except OSError:
        return None
    return Made(None, made.n_bytes, made.digest, made.source_digest, made.stats)


def _portable(error: Exception) -> Exception:
    """Return an error that can be sent to another process, and says there what it says here."""
    if isinstance(error, OSError):
        return OSError(error.errno, error.strerror or str(error), error.filename)
    kind: Callable[[str], Exception] = type(error)
    return kind(str(error))
