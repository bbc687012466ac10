"""The single form: a whole member in one piece, for files of one small chunk.

    signature (3) | form (1) | [options] | [model] | sizes, checksum (4) | CRC-16 (2) | payload

The CRC covers everything after the signature but itself, the payload included. The chunk's
checksum is the file's; there is no group, wave, end or index. So a short text pays 22 bytes
beyond its coded bits.
"""

from __future__ import annotations

import binascii

from llmzip.container.bodies import (
    check_cut,
    pack_model,
    pack_sizes,
    refusing,
    unpack_model,
    unpack_sizes,
)
from llmzip.container.head import check_start, pack_head, take_single_head
from llmzip.container.limits import SIGNATURE, SINGLE_MAX_BYTES
from llmzip.container.records import Chunk, Kind, ModelRef, Options, Wave
from llmzip.container.wire import Source, Tee, corrupt

_CRC_START = 0xFFFF
_CRC_BYTES = 2


def fits_single(wave: Wave) -> bool:
    """Whether a file of nothing but `wave` takes the single form."""
    return len(wave.chunks) == 1 and max(wave.n_bytes, wave.n_payload) <= SINGLE_MAX_BYTES


def pack_single(options: Options, model: ModelRef | None, chunk: Chunk) -> bytes:
    """Return the whole member that holds `chunk`. An LM chunk needs the model."""
    head = pack_head(chunk.kind, options)
    if chunk.kind is Kind.LM:
        assert model is not None
        head += pack_model(model)
    head += pack_sizes(chunk)
    return SIGNATURE + head + _crc16(head + chunk.payload) + chunk.payload


def take_single(source: Source, kind: Kind) -> tuple[Options, ModelRef | None, Chunk]:
    """Take a member of one chunk of this kind.

    What comes after the member is looked at too: where a damaged length made it too short,
    this notices with certainty, while the CRC is of 16 bits only.
    """
    source.take(len(SIGNATURE))
    tee = Tee(source)
    options = take_single_head(tee)
    model = unpack_model(tee) if kind is Kind.LM else None
    head = unpack_sizes(tee, kind)
    check_cut([head], options)
    if max(head.n_bytes, head.n_payload) > SINGLE_MAX_BYTES:
        raise corrupt(f"the chunk at byte {source.offset} is too large for a file of one piece")
    crc = source.take(_CRC_BYTES)
    payload = source.take(head.n_payload)
    if crc != _crc16(bytes(tee.taken) + payload):
        raise corrupt(f"the chunk before byte {source.offset} fails its checksum")
    if source.peek(1):
        check_start(source)
    with refusing(tee):
        return options, model, head.with_payload(payload)


def _crc16(data: bytes) -> bytes:
    return binascii.crc_hqx(data, _CRC_START).to_bytes(_CRC_BYTES, "little")
