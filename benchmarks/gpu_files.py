"""Files made on one engine and opened on another, both ways: equal bytes, the same text."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace

from gpu_models import open_on, written_by
from gpu_plan import Plan
from gpu_report import Found
from llmzip.codec import Stats, decode_stream, encode_stream
from llmzip.codec.levels import LEVELS, Level
from llmzip.models import OpenedExact
from llmzip.predict import OpenedPredictor


class DifferenceError(Exception):
    """Two engines do not agree."""


def exchange(
    name: str, opened: OpenedExact, text: bytes, plan: Plan, chunk_tokens: int | None = None
) -> Iterator[Found]:
    """Make the files of `text` on both engines, at every level of the plan, and exchange them.

    chunk_tokens: how long chunks are to be; None for what levels say. Raises DifferenceError after
    the last level, where one of them differed.
    """
    wrong = []
    for number in plan.levels:
        level = LEVELS[number]
        if chunk_tokens is not None:
            level = replace(level, target_tokens=chunk_tokens)
        models = [open_on(opened, where, level.options) for where in (plan.where, plan.other)]
        ours, theirs = (packed(model, text, level) for model in models)
        words = _compared(ours[0], theirs[0])
        words += _decoded(models, [theirs[0], ours[0]], text)
        share = ours[1].n_model_bytes / len(text)
        what = f"{name}, level {number}"
        note = "; ".join(words) or "same bytes, decoded by either from the other"
        note += f"; {len(text):,} bytes, {share:.0%} of them by the model"
        yield Found(what, float(len(ours[0])), "bytes", note=note)
        if words or not share:
            wrong.append(what)
    if wrong:
        raise DifferenceError(f"not the same, or not the model's: {', '.join(wrong)}")


def foreseen_text(opened: OpenedExact, plan: Plan) -> bytes:
    """Return a text that the model writes, in lanes that are chunks of the plan's length."""
    model = open_on(opened, plan.other, LEVELS[1].options)
    n_lanes = max(1, plan.file_bytes // plan.chunk_tokens)
    return written_by(model, n_lanes, plan.chunk_tokens, seed=11)


def packed(model: OpenedPredictor, text: bytes, level: Level) -> tuple[bytes, Stats]:
    """Compress by the code that everybody uses."""
    sink = io.BytesIO()
    stats = encode_stream(io.BytesIO(text), sink, lambda: model, level)
    return sink.getvalue(), stats


def unpacked(model: OpenedPredictor, file: bytes, n_lanes: int | None = None) -> bytes:
    """Decompress likewise."""
    sink = io.BytesIO()
    decode_stream(io.BytesIO(file), sink, lambda _ref, _options: model, n_lanes)
    return sink.getvalue()


def _compared(ours: bytes, theirs: bytes) -> list[str]:
    if ours == theirs:
        return []
    pairs = zip(ours, theirs, strict=False)
    at = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(ours), len(theirs)))
    return [f"FILES DIFFER at byte {at} ({len(ours)} and {len(theirs)} bytes)"]


def _decoded(models: list[OpenedPredictor], files: list[bytes], text: bytes) -> list[str]:
    """What goes wrong when each model opens the other's file."""
    wrong = []
    for model, file in zip(models, files, strict=True):
        try:
            if unpacked(model, file) != text:
                wrong.append(f"ANOTHER TEXT on {model.predictor.way}")
        except Exception as exc:  # whatever it is, the other way is still worth trying
            wrong.append(f"{model.predictor.way}: {type(exc).__name__}: {exc}")
    return wrong
