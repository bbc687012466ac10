"""Compressing with a model that is kept open."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from llmzip.arguments import level_number, require_sink, require_source
from llmzip.buffers import as_bytes
from llmzip.errors import LlmzipError, UsageError
from llmzip.keeper import HowToRun, ModelKeeper, dictionary_bytes, numbered, require_positive
from llmzip.models.catalog import DEFAULT_MODEL
from llmzip.reference import Reference
from llmzip.version import __version__

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from llmzip import container
    from llmzip.codec import Progress, Stats
    from llmzip.codec.groups import FindCopies
    from llmzip.codec.levels import Level
    from llmzip.codec.many import Encoded
    from llmzip.codec.parts import EncodedPart
    from llmzip.codec.push import PushEncoder
    from llmzip.codec.score import Score
    from llmzip.explaining.explanation import Explanation
    from llmzip.layout.planned import Repeat
    from llmzip.predict import OpenedPredictor

DEFAULT_LEVEL = 5


class Compressor(ModelKeeper):
    """Compresses streams with one model, which it opens when it first meets text.

    model: a name, a folder, a .gguf file or a hub id.
    device: "cpu", "cuda" or "auto".
    threads, batch: speed and memory only; None chooses. The bytes never depend on them.
    level: 1 (fast) to 9 (small).
    chunk_tokens: tokens a chunk at most, 1 to 65,536 and no fewer than the model's vocabulary
        takes to spell any byte (smollm2-135m: 2); None leaves it to the level.
    dictionary: a text like those to come, best with the likest at its end; whoever decompresses
        needs it too. For levels from 3 on.
    patch_from: what texts are compressed against, an older version for one: a path, or bytes; up to
        a GiB. Whoever decompresses needs it too.
    independent: let no group copy from another, so that any part is decoded without the others.
        Levels 1 and 2 copy nothing anyway.
    exact: False runs the model in floating point: any architecture, but this machine only.
    quiet: do not tell on standard error when a model is fetched.

    Raises UsageError for numbers out of range, and for options that contradict each other;
    TypeError for a level that is no integer; PatchError and OSError for a `patch_from` that cannot
    be one. Methods raise TypeError for a source or a sink that
    is no binary file object.
    """

    def __init__(
        self,
        *,
        model: str = DEFAULT_MODEL,
        device: str = "auto",
        threads: int | None = None,
        batch: int | None = None,
        level: int = DEFAULT_LEVEL,
        chunk_tokens: int | None = None,
        dictionary: ReadableBuffer | None = None,
        patch_from: ReadableBuffer | str | os.PathLike[str] | None = None,
        independent: bool = False,
        exact: bool = True,
        quiet: bool = True,
    ) -> None:
        super().__init__()
        require_positive(threads=threads, batch=batch)
        self._level_number = level_number(level)
        self._level = _level(level, chunk_tokens, exact)
        if independent:
            self._level = self._level.independent()
        self._reference = None if patch_from is None else Reference(patch_from)
        self._dictionary = None if dictionary is None else dictionary_bytes(dictionary)
        if dictionary is not None:
            if not self._level.options.adaptive:
                raise UsageError("a dictionary is for levels 3 to 9, without floating point")
            self._level = self._level.roomy()
        self._name = model
        self._how = HowToRun(device, threads, batch, quiet)
        self._exact = exact

    def compress(self, source: BinaryIO, sink: BinaryIO, progress: Progress | None = None) -> Stats:
        """Compress all of `source` onto `sink`, which is neither flushed nor closed.

        A source that cannot seek is read ahead by a thread of its own.
        progress: called with the number of bytes dealt with so far.
        Raises ModelError, DeviceError, OSError; UsageError if chunk_tokens are too few, and where
        the object cannot be used: within a call of its own, or forked during one.
        """
        from llmzip.codec import encode_stream, unseen

        require_source(source)
        require_sink(sink)

        def work() -> Stats:
            level = self._marked_level()
            return encode_stream(
                *(source, sink, self._open, level, progress or unseen),
                find_copies=self._finding_copies(source),
                reference=self._record(),
            )

        return self._kept.call(work)

    def resume(
        self, source: BinaryIO, unfinished: BinaryIO, progress: Progress | None = None
    ) -> Stats:
        """Complete what an earlier compress(), of the same input with the same arguments, began.

        unfinished: what it has written, open for reading and writing, with seek and truncate. Its
            whole groups stay; the result is the same as if there had been no interruption.
        Raises ResumeError if that is no beginning of this output; otherwise as compress does.
        """
        from llmzip.codec import resume_encoding, unseen

        require_source(source)
        require_sink(unfinished)

        def work() -> Stats:
            level = self._marked_level()
            return resume_encoding(
                *(source, unfinished, self._open, level, progress or unseen),
                find_copies=self._finding_copies(source),
                reference=self._record(),
            )

        return self._kept.call(work)

    def compress_many(self, texts: Iterable[ReadableBuffer]) -> Iterator[bytes]:
        """Yield each of `texts`, bytes or whatever has the buffer protocol, as a .llmz file.

        Each file is what compress() makes of its text alone, and they come in order; but the
        model works on many small texts at once, which is many times as fast. Texts are taken as
        files are wanted, up to 256 of them or 64 KiB ahead, so `texts` need have no end, nor be
        in memory. In floating point (exact=False) the model still goes through one by one.

        Raises as compress does, and TypeError for a text that is none, once the files of all
        before it are out; a note says which one it was. What `texts` raises comes then, too.
        """
        from llmzip.codec.many import batches

        def files() -> Iterator[bytes]:
            for batch in batches(texts):
                try:
                    found = self.encode_batch(batch)
                except (LlmzipError, OSError, MemoryError):  # it comes up again, in its place
                    for text in batch:
                        yield self.encode_batch([text])[0].file
                else:
                    yield from (one.file for one in found)

        return numbered(files(), "text")

    def encode_batch(
        self, texts: Sequence[bytes], progress: Progress | None = None
    ) -> list[Encoded]:
        """Return what compress_many() makes of small texts, with the figures, or raise for all.

        progress: called with the number of bytes of all of them dealt with so far.
        """
        from llmzip.codec import unseen
        from llmzip.codec.many import encode_batch

        def work() -> list[Encoded]:
            return encode_batch(
                *(texts, self._open, self._marked_level(), progress or unseen),
                new_finder=self._finding_copies,
                reference=self._record(),
            )

        return self._kept.call(work)

    def score(self, source: BinaryIO, progress: Progress | None = None) -> Score:
        """Return how many bits the model takes for each token of all of `source`; writes nothing.

        The numbers are those of the integers that compress() would code the text by, of all that
        is text, even where it would take another codec, which makes less of it. progress: as for
        compress. Raises as compress does, and UsageError for floating point.
        """
        from llmzip.codec import unseen
        from llmzip.codec.scoring import score_stream

        require_source(source)
        if not self._exact:
            raise UsageError("a score is one of exact integers: leave out exact=False")

        def work() -> Score:
            level, copies = self._marked_level(), self._finding_copies(source)
            return score_stream(source, self._open, level, progress or unseen, copies)

        return self._kept.call(work)

    def explain(
        self,
        data: ReadableBuffer,
        name: str = "",
        progress: Progress | None = None,
        sizes: Mapping[str, int] | None = None,
    ) -> Explanation:
        """Return what compress() makes of `data`, and what the model says of every token of it.

        name, sizes (by other compressors): what the explanation is to say beside it. progress: as
        for compress. Raises as compress does, and UsageError for floating point.
        """
        from llmzip.codec import unseen
        from llmzip.explaining.explainer import Explainer, Subject

        if not self._exact:
            raise UsageError("what is explained is exact: leave out exact=False")
        text = bytes(as_bytes(data))
        subject = Subject(name, text, self._level_number, sizes or {})

        def work() -> Explanation:
            copies = self._finding_copies(io.BytesIO(text))
            explainer = Explainer(self._open, self._marked_level())
            return explainer.explain(subject, progress or unseen, copies, self._record())

        return self._kept.call(work)

    def encode_part(
        self,
        data: bytes,
        progress: Progress | None = None,
        copies: Sequence[Repeat] | None = None,
    ) -> EncodedPart:
        """Compress a single group of a larger text, for whoever puts the file together.

        data: `group_bytes` of it, or what is left at its end. copies: what finding_copies
        knows of it; None where that is None. Raises as compress does.
        """
        from llmzip.codec import unseen
        from llmzip.codec.parts import encode_part

        def work() -> EncodedPart:
            own = self._finding_copies(independent=True)(data) if copies is None else copies
            return encode_part(data, self._open, self._marked_level(), progress or unseen, own)

        return self._kept.call(work)

    def finding_copies(self, source: BinaryIO) -> FindCopies | None:
        """Return what finds the copies of the groups of `source`, one after the other.

        None where encode_part sees to them, as groups copy from nothing but themselves.
        Raises OSError, PatchError.
        """
        from llmzip.codec.levels import Copies

        if self._reference is None and self._level.copies is not Copies.ACROSS:
            return None
        return self._finding_copies(source)

    @property
    def reference(self) -> container.Reference | None:
        """What the files say that they were made from. Raises OSError, PatchError."""
        return self._record()

    @property
    def settings(self) -> str:
        """All arguments that decide the bytes, in words: what equals them makes the same files."""
        from hashlib import sha256

        dictionary = None if self._dictionary is None else sha256(self._dictionary).hexdigest()
        made_of = self._name, self._level, self._exact, dictionary, self.reference
        return repr((__version__, *made_of))

    @property
    def group_bytes(self) -> int:
        """How many bytes of text a group has, but for the last of a text."""
        return self._level.group_bytes

    def _marked_level(self) -> Level:
        if self._dictionary is None:
            return self._level
        # its mark, in the file's first bytes, is the model's too
        return self._level.with_dictionary(self._open().dictionary)

    def pushed(self, sink: BinaryIO) -> PushEncoder:
        """Return what takes the input piece by piece and writes one file onto `sink`.

        To be used within `in_turn`. Raises OSError, PatchError.
        """
        from llmzip.codec.push import PushEncoder

        copies = self._finding_copies(), self._record()
        return PushEncoder(sink, self._open, self._marked_level, *copies)

    def _finding_copies(
        self, source: BinaryIO | None = None, *, independent: bool = False
    ) -> FindCopies:
        """Return what finds the copies of a text, which is read from `source`, if that is known."""
        from llmzip.codec.copying import finding_copies

        level = self._level.independent() if independent else self._level
        learnt = None if self._reference is None else self._reference.learnt()
        return finding_copies(level, learnt, source)

    def _record(self) -> container.Reference | None:
        """What a file says of the reference."""
        return None if self._reference is None else self._reference.learnt().record

    def _open(self) -> OpenedPredictor:
        how = self._name, self._level.options, self._exact, self._dictionary
        return self._kept.model(None, partial(self._how.open, *how))


def _level(number: int, chunk_tokens: int | None, exact: bool) -> Level:
    """Return what a level and its exceptions come to. Raises UsageError."""
    from llmzip.codec.levels import FROZEN_LEVEL, LEVELS

    number = level_number(number)
    if number not in LEVELS:
        raise UsageError(f"level cannot be {number}: choose 1 to 9")
    level = LEVELS[number if exact else min(number, FROZEN_LEVEL)]
    if chunk_tokens is None:
        return level
    try:
        return level.with_chunks(chunk_tokens)
    except ValueError as exc:
        raise UsageError(f"chunk_tokens cannot be {chunk_tokens}: choose 1 to 65536") from exc
