"""Explains a text: compresses it, and keeps what the model has said of every token."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from llmzip.codec.encode import GroupEncoder
from llmzip.codec.groups import FindCopies
from llmzip.codec.levels import Level
from llmzip.codec.model import Progress
from llmzip.codec.weaving import MIN_MODEL_BYTES
from llmzip.container import Reference, Writer
from llmzip.explaining.explanation import Explanation, Tokens
from llmzip.explaining.gathering import GatheredGroup, Gatherer, no_tokens
from llmzip.explaining.spelt import vocabulary
from llmzip.predict import OpenedPredictor
from llmzip.predict.exact import ExactPredictor
from llmzip.predict.explained import ExplainingPredictor


@dataclass(frozen=True)
class Subject:
    """A text that is to be explained, and what an explanation says of it beside its tokens.

    sizes: by other compressors, by their names.
    """

    name: str
    data: bytes
    level_number: int
    sizes: Mapping[str, int]


class Explainer:
    """Explains texts with a model that is opened when the first of them is met."""

    def __init__(self, open_model: Callable[[], OpenedPredictor], level: Level) -> None:
        self._open_model = open_model
        self._level = level
        self._opened: OpenedPredictor | None = None

    def explain(
        self,
        subject: Subject,
        progress: Progress,
        find_copies: FindCopies,
        reference: Reference | None = None,
    ) -> Explanation:
        """Return what there is to see of a text.

        The arguments, and what is raised, are those of encode_stream.
        """
        gatherer, data = Gatherer(), subject.data
        writer = Writer(io.BytesIO(), self._level.options)
        if reference is not None:
            writer.reference(reference)
        encoder = GroupEncoder(
            writer,
            self._open,
            self._level,
            progress,
            find_copies=find_copies,
            witness=gatherer,
            any_text=len(data) < MIN_MODEL_BYTES,  # nothing else is to be seen of it
        )
        encoder.encode(io.BytesIO(data))
        stats = encoder.finish()
        return self._explanation(subject, gatherer.groups, stats.n_file_bytes)

    def _open(self) -> OpenedPredictor:
        if self._opened is None:
            opened = self._open_model()
            assert isinstance(opened.predictor, ExactPredictor), "floats explain nothing"
            explaining = ExplainingPredictor(opened.predictor)
            self._opened = replace(opened, predictor=explaining, narrowed=None)
        return self._opened

    def _explanation(
        self, subject: Subject, groups: Sequence[GatheredGroup], n_file_bytes: int
    ) -> Explanation:
        tokens = Tokens.joined([no_tokens(), *(group.tokens for group in groups)])
        ref = None if self._opened is None else self._opened.ref
        return Explanation(
            subject.name,
            "" if ref is None else ref.name,
            "" if ref is None else ref.fingerprint.hex(),
            subject.level_number,
            subject.data,
            tokens,
            [text for group in groups for text in group.spelt],
            self._vocabulary(tokens),
            [one for group in groups for one in group.unscored],
            [chunk for group in groups for chunk in group.chunks],
            sum(group.n_characters for group in groups),
            n_file_bytes,
            sum(group.n_payload_bytes for group in groups),
            subject.sizes,
        )

    def _vocabulary(self, tokens: Tokens) -> dict[int, str]:
        if self._opened is None:
            return {}
        named = {*tokens.ids.tolist(), *tokens.likeliest.ravel().tolist()} - {-1}
        return vocabulary(self._opened.tokenizer.table, sorted(named))
