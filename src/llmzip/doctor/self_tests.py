"""Whether this machine computes what every other does, and whether what it codes comes back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from io import BytesIO

import numpy as np

from llmzip.doctor import answers
from llmzip.doctor.findings import Finding, State
from llmzip.doctor.ready import ready_default
from llmzip.doctor.tiny import tiny_model, tiny_opened
from llmzip.exact.engines import make_engine
from llmzip.models.prepared import OpenedExact
from llmzip.predict.devices import choose_device

TEXT = """\
It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of
foolishness, it was the epoch of belief, it was the epoch of incredulity: caf\u00e9, \u4e2d\u6587.
"""

_REPORT = "report it, with this output; until then files of this machine may open nowhere else"


def look_at_kernels() -> Iterator[Finding]:
    """Yield for each device whether its kernels give the integers that the reference gives."""
    yield _kernels("kernels", "cpu")
    if choose_device("auto") == "cuda":
        yield _kernels("kernels, CUDA", "cuda")


def _kernels(name: str, device: str) -> Finding:
    begin_s = time.monotonic()
    engine = make_engine(tiny_model(), device, answers.N_POSITIONS)
    found = answers.answers(engine)
    seconds = time.monotonic() - begin_s
    wrong = [part for part, digest in found.items() if digest != answers.RIGHT[part]]
    if not wrong:
        value = f"ok: {engine.way} gives the reference's integers, in {seconds:.1f} s"
        return Finding(name, value, figures={"seconds": round(seconds, 3)})
    value = f"WRONG: {engine.way} gives other integers than the reference in {' and '.join(wrong)}"
    return Finding(name, value, State.WRONG, _another_way(engine.way) if device == "cpu" else _CPU)


_CPU = f"set LLMZIP_DEVICE=cpu and {_REPORT}"


def _another_way(wrong: str) -> str:
    """Return what to do where the kernels of a way are wrong: to take one that is right, if any."""
    from llmzip.exact.cpu.ways import runnable_ways

    for way in reversed(runnable_ways()):
        if way != wrong:
            engine = make_engine(tiny_model(), "cpu", answers.N_POSITIONS, way=way)
            if answers.answers(engine) == answers.RIGHT:
                return f"set LLMZIP_WAY={way}, which is right here, and report it"
    return _REPORT


def look_at_round_trip() -> Iterator[Finding]:
    """Yield whether a text comes back: of the default model where it is prepared, else a tiny one.

    With the default model the text becomes a .llmz file in memory, as files do.
    """
    begin_s = time.monotonic()
    opened = ready_default()
    text = TEXT.encode()
    back = _through_tokens(text) if opened is None else _through_a_file(text, opened)
    seconds = time.monotonic() - begin_s
    of = "a tiny model" if opened is None else opened.name
    if back == text:
        value = f"ok: {len(text)} bytes by {of} came back in {seconds:.1f} s"
        yield Finding("round trip", value, figures={"seconds": round(seconds, 3)})
    else:
        value = f"WRONG: {len(text)} bytes by {of} came back as others"
        yield Finding("round trip", value, State.WRONG, "compress nothing here, and report it")


def _through_a_file(text: bytes, opened: OpenedExact) -> bytes:
    from llmzip.codec import decode_stream, encode_stream
    from llmzip.codec.levels import LEVELS
    from llmzip.compressor import DEFAULT_LEVEL
    from llmzip.predict import exact_predictor

    level = LEVELS[DEFAULT_LEVEL]
    model = exact_predictor(opened, choose_device("auto"), None, None, level.options)
    packed, back = BytesIO(), BytesIO()
    encode_stream(BytesIO(text), packed, lambda: model, level)
    packed.seek(0)
    decode_stream(packed, back, lambda _ref, _options: model)
    return back.getvalue()


def _through_tokens(text: bytes) -> bytes:
    """Encode with prefill, decode step by step: noise is predicted, so no file would be made so."""
    from llmzip.coder import RangeDecoder, encode_lanes
    from llmzip.container import DEFAULT_OPTIONS
    from llmzip.predict import exact_predictor

    model = exact_predictor(tiny_opened(), choose_device("auto"), None, None, DEFAULT_OPTIONS)
    ids = model.tokenizer.encode(text)
    (payload,) = encode_lanes(list(model.predictor.intervals([ids])))
    decoder, lanes, lane = RangeDecoder(1), model.predictor.lanes(1), np.zeros(1, dtype=np.int64)
    decoder.open(0, payload)
    lanes.open(0)
    found = []
    for _ in ids:
        totals = lanes.totals(lane)
        token, low, freq = lanes.find(lane, decoder.targets(lane, totals))
        decoder.consume(lane, low, freq, totals)
        found.append(token[0])
    decoder.close(0)
    return model.tokenizer.decode(np.array(found, dtype=np.int32))
