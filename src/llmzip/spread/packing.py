"""Results to bytes and back, for a later run: JSON and bytes, so that no file can run code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from llmzip.codec.parts import EncodedPart
from llmzip.codec.stats import Stats
from llmzip.container import ModelRef, Options
from llmzip.spread.units import Made, MadeFiles, MadeText, Result

_LENGTH_BYTES = 8


def pack(result: Result) -> bytes | None:
    """Return a result as bytes; None for what is not worth keeping."""
    match result:
        case MadeFiles():
            files = [None if one is None else _made_fields(one) for one in result.files]
            blobs = [one.data or b"" for one in result.files if one is not None]
            return _joined({"files": files}, blobs)
        case EncodedPart():
            fields = {
                "options": [*result.options.numbers, result.options.adaptive],
                "dictionary": _hex(result.options.dictionary),
                "model": None if result.model is None else _model_fields(result.model),
                "in_view": result.in_view,
                "stats": asdict(result.stats),
            }
            return _joined({"part": fields}, [result.member])
        case MadeText():
            return _joined({"text": {"stats": asdict(result.stats)}}, [result.text])
    return None


def unpack(data: bytes) -> Result:
    """Return what pack() has made bytes of. Raises ValueError, KeyError or TypeError if nothing."""
    head, blobs = _parted(data)
    if "files" in head:
        waiting = iter(blobs)
        return MadeFiles(
            tuple(None if one is None else _made(one, next(waiting)) for one in head["files"])
        )
    (blob,) = blobs
    if "text" in head:
        return MadeText(blob, Stats(**head["text"]["stats"]))
    fields = head["part"]
    dictionary = fields["dictionary"]
    mark = None if dictionary is None else bytes.fromhex(dictionary)
    chunk_tokens, window_tokens, carry_tokens, adaptive = fields["options"]
    options = Options(chunk_tokens, window_tokens, carry_tokens, adaptive, mark)
    model = None if fields["model"] is None else _model(fields["model"])
    return EncodedPart(options, blob, model, int(fields["in_view"]), Stats(**fields["stats"]))


def _joined(head: dict[str, Any], blobs: Sequence[bytes]) -> bytes:
    start = json.dumps({**head, "lengths": [len(blob) for blob in blobs]}).encode()
    return b"".join([len(start).to_bytes(_LENGTH_BYTES, "little"), start, *blobs])


def _parted(data: bytes) -> tuple[dict[str, Any], list[bytes]]:
    at = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "little")
    head = json.loads(data[_LENGTH_BYTES:at])
    blobs = []
    for length in head["lengths"]:
        blobs.append(data[at : at + length])
        at += length
    return head, blobs


def _made_fields(made: Made) -> dict[str, Any]:
    return {
        "is_here": made.data is not None,
        "n_bytes": made.n_bytes,
        "digest": made.digest.hex(),
        "source_digest": made.source_digest.hex(),
        "stats": asdict(made.stats),
    }


def _made(fields: dict[str, Any], data: bytes) -> Made:
    return Made(
        data if fields["is_here"] else None,
        int(fields["n_bytes"]),
        bytes.fromhex(fields["digest"]),
        bytes.fromhex(fields["source_digest"]),
        Stats(**fields["stats"]),
    )


def _model_fields(model: ModelRef) -> list[str | None]:
    return [model.name, model.source, model.fingerprint.hex(), _hex(model.machine)]


def _model(fields: list[str]) -> ModelRef:
    name, source, fingerprint, machine = fields
    machine_tag = None if machine is None else bytes.fromhex(machine)
    return ModelRef(name, source, bytes.fromhex(fingerprint), machine_tag)


def _hex(data: bytes | None) -> str | None:
    return None if data is None else data.hex()
