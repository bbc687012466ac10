"""The compiled half of context mixing: one model, driven by an encoder or by a decoder.

Arithmetic is on int64; what is called uint32 in docs/FORMAT.md is masked by WORD.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmzip.compiled import inlined, kernel
from llmzip.mixing import tables

WORD = 0xFFFFFFFF
M1, M2, M3, M4 = 0x2F0B4C47, 0x3D4D51CB, 0x2545F491, 0x1F35A7BD
"""Odd multipliers of the hashes; any would do."""

N_CONTEXTS = 12
LAST, MATCH, BIAS = N_CONTEXTS, N_CONTEXTS + 1, N_CONTEXTS + 2
N_INPUTS = N_CONTEXTS + 3
FIRST_WEIGHT = 1 << 14  # of each input, in units of 2^-16
RATE = 3
N_LENGTHS = 64
MIN_MATCH = 5
MAX_LOOK_BACK = 40
HEAD_BITS = 18
N_STEPS = 33

# Places in State.numbers
LOW, HIGH, CODE, AT, NODE, C4, C8, HASH, BEFORE, LINE, LINE_BEFORE, MATCH_AT, MATCH_LEN = range(13)


class State(NamedTuple):
    """All that the model has learnt, and constants."""

    squash: NDArray[np.int32]  # [4096]
    stretch: NDArray[np.int32]  # [4096]
    after: NDArray[np.uint8]  # [256, 2]
    histories: NDArray[np.uint8]  # [16 · buckets]: a check, then a history for each of 15 nodes
    chances: NDArray[np.int32]  # [contexts, 256], of a 1 after each history, in 2^-22
    last: NDArray[np.int32]  # [65536], after a byte and the bits so far, in 2^-16
    matched: NDArray[np.int32]  # [2 · lengths], by length and expected bit, in 2^-16
    heads: NDArray[np.int32]  # [2^18], where a hash of six bytes was last followed by something
    weights: NDArray[np.int32]  # [256, inputs]
    more_weights: NDArray[np.int32]  # [192, inputs]
    refined: NDArray[np.int32]  # [65536, 33]
    logits: NDArray[np.int32]  # [inputs]
    keys: NDArray[np.int64]  # [contexts], hashes
    places: NDArray[np.int64]  # [contexts], of the buckets in use
    numbers: NDArray[np.int64]


def new_state(table_bits: int) -> State:
    """Return a model that has seen nothing. table_bits: of its table of histories."""
    squash = tables.squash_table()
    numbers = np.zeros(13, dtype=np.int64)
    numbers[HIGH] = WORD
    lengths = np.arange(N_LENGTHS, dtype=np.int32)
    matched = np.zeros(2 * N_LENGTHS, dtype=np.int32)
    matched[1::2] = 65536 * (lengths + 1) // (lengths + 2)
    matched[::2] = 65536 - matched[1::2]
    steps = squash[np.minimum(np.arange(N_STEPS) * 128, 4095)]
    return State(
        squash,
        tables.stretch_table(),
        tables.next_histories(),
        np.zeros(1 << table_bits, dtype=np.uint8),
        np.tile(tables.first_chances(), (N_CONTEXTS, 1)),
        np.full(65536, 32768, dtype=np.int32),
        matched,
        np.full(1 << HEAD_BITS, -1, dtype=np.int32),
        np.full((256, N_INPUTS), FIRST_WEIGHT, dtype=np.int32),
        np.zeros((192, N_INPUTS), dtype=np.int32),
        np.tile(steps, (65536, 1)),
        np.zeros(N_INPUTS, dtype=np.int32),
        np.zeros(N_CONTEXTS, dtype=np.int64),
        np.zeros(N_CONTEXTS, dtype=np.int64),
        numbers,
    )


@inlined
def _scatter(key: Any) -> Any:
    return ((key ^ (key >> 15)) * M3) & WORD


@inlined
def _begin_byte(s: Any, text: Any, position: int) -> None:
    """Set the keys of all contexts of the byte at `position`."""
    n, keys = s.numbers, s.keys
    c4, c8 = n[C4], n[C8]
    column = position - n[LINE]
    above = np.int64(0)
    if n[LINE_BEFORE] + column < n[LINE]:
        above = np.int64(text[n[LINE_BEFORE] + column])
    last = c4 & 0xFF
    four = (c4 * M1) & WORD
    keys[0] = last
    keys[1] = c4 & 0xFFFF
    keys[2] = c4 & 0xFFFFFF
    keys[3] = c4
    keys[4] = four + (c8 & 0xFF) * M2
    keys[5] = four + (c8 & 0xFFFF) * M2
    keys[6] = n[HASH] + last
    keys[7] = n[HASH] * M1 + n[BEFORE]
    keys[8] = above | min(column, 255) << 8
    keys[9] = above | last << 8
    keys[10] = c4 >> 8 & 0xFFFF
    keys[11] = (c4 >> 8 & 0xFF) | (c4 >> 24) << 8
    for i in range(N_CONTEXTS):
        keys[i] = _scatter(((keys[i] & WORD) * M2 + (i + 1) * M4) & WORD)
    n[NODE] = 1


@inlined
def _find_buckets(s: Any) -> None:
    """Find, or make, a bucket for each context and the half byte that comes."""
    histories = s.histories
    node = s.numbers[NODE]
    mask = (len(histories) >> 4) - 1
    for i in range(N_CONTEXTS):
        key = s.keys[i]
        if node > 1:
            key = _scatter((key + node * M4) & WORD)
        check = max(key & 0xFF, 1)
        place = ((key >> 8) & mask) << 4
        if histories[place] != check:
            other = place ^ 16
            if histories[other] == check:
                place = other
            else:
                seen, seen_other = histories[place + 1], histories[other + 1]
                if (seen_other >> 4) + (seen_other & 15) < (seen >> 4) + (seen & 15):
                    place = other
                histories[place : place + 16] = 0
                histories[place] = check
        s.places[i] = place


@inlined
def _expected(s: Any, text: Any, bit: int) -> Any:
    """Return which bit the match foretells, -1 if there is none or it has failed."""
    n = s.numbers
    if n[MATCH_LEN] == 0:
        return -1
    byte = np.int64(text[n[MATCH_AT]]) | 256
    if byte >> (8 - bit) != n[NODE]:
        return -1
    return byte >> (7 - bit) & 1


@inlined
def _length_class(length: Any) -> Any:
    return length if length <= 32 else min(32 + ((length - 32) >> 4), N_LENGTHS - 1)


@inlined
def _code(s: Any, y: int, chance: Any, payload: Any, decoding: bool) -> int:
    """Code the bit `y`, or return the one decoded; -1 if the payload has no more room."""
    n = s.numbers
    width = n[HIGH] - n[LOW]
    middle = n[LOW] + (width >> 16) * chance + ((width & 0xFFFF) * chance >> 16)
    if decoding:
        y = 1 if n[CODE] <= middle else 0
    if y:
        n[HIGH] = middle
    else:
        n[LOW] = middle + 1
    while (n[LOW] ^ n[HIGH]) < 1 << 24:
        if decoding:
            n[CODE] = (n[CODE] << 8 & WORD) | _byte(payload, n[AT])
        elif n[AT] == len(payload):
            return -1
        else:
            payload[n[AT]] = n[HIGH] >> 24
        n[AT] += 1
        n[LOW] = n[LOW] << 8 & WORD
        n[HIGH] = (n[HIGH] << 8 & WORD) | 0xFF
    return y


@inlined
def _byte(payload: Any, at: Any) -> Any:
    return np.int64(payload[at]) if at < len(payload) else np.int64(0)


@inlined
def _bit(s: Any, text: Any, y: int, bit: int, payload: Any, decoding: bool) -> int:
    """Predict a bit, code it, and learn from it; return it, or -1."""
    n, logits = s.numbers, s.logits
    node = n[NODE]
    last = n[C4] & 0xFF
    within = node if bit < 4 else (node & ((1 << (bit - 4)) - 1)) | 1 << (bit - 4)
    for i in range(N_CONTEXTS):
        logits[i] = s.stretch[s.chances[i, s.histories[s.places[i] + within]] >> 10]
    pair = last << 8 | node
    logits[LAST] = s.stretch[s.last[pair] >> 4]
    expected = _expected(s, text, bit)
    foretold = 2 * _length_class(n[MATCH_LEN]) + max(expected, 0)
    logits[MATCH] = s.stretch[s.matched[foretold] >> 4] if expected >= 0 else 0
    logits[BIAS] = 256
    certainty = 0 if expected < 0 else 1 if n[MATCH_LEN] < 16 else 2
    more = certainty * 64 + (last >> 5) * 8 + bit
    weights, more_weights = s.weights[node], s.more_weights[more]
    total = np.int64(0)
    for i in range(N_INPUTS):
        total += np.int64(logits[i]) * (weights[i] + more_weights[i])
    logit: Any = max(min(total >> 16, tables.MAX_LOGIT), -tables.MAX_LOGIT)
    logit += 2048
    mixed = np.int64(s.squash[logit])
    step, part = logit >> 7, logit & 127
    low, high = np.int64(s.refined[pair, step]), np.int64(s.refined[pair, step + 1])
    refined = (low * (128 - part) + high * part) >> 7
    chance = max(min((mixed + refined) >> 1, 65535), 1)
    y = _code(s, y, chance, payload, decoding)
    if y < 0:
        return y
    error = ((y << 16) - mixed) * RATE
    for i in range(N_INPUTS):
        change = (logits[i] * error + (1 << 17)) >> 18
        weights[i] += change
        more_weights[i] += change
    target = 65535 * y
    s.refined[pair, step + (part >> 6)] += (target - s.refined[pair, step + (part >> 6)]) >> 6
    for i in range(N_CONTEXTS):
        place = s.places[i] + within
        history = s.histories[place]
        s.chances[i, history] += ((y * ((1 << 22) - 1)) - s.chances[i, history]) >> 7
        s.histories[place] = s.after[history, y]
    s.last[pair] += (target - s.last[pair]) >> 4
    if expected >= 0:
        s.matched[foretold] += (target - s.matched[foretold]) >> 6
    n[NODE] = node << 1 | y
    return y


@inlined
def _end_byte(s: Any, text: Any, position: int) -> None:
    """Take note of the byte at `position`."""
    n = s.numbers
    byte = np.int64(text[position])
    n[C8] = (n[C8] << 8 & WORD) | n[C4] >> 24
    n[C4] = (n[C4] << 8 & WORD) | byte
    _follow(s, text, position)
    letter = 48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122 or byte >= 128
    if letter:
        n[HASH] = (n[HASH] + byte + 1) * M1 & WORD
    elif n[HASH] != 0:
        n[BEFORE] = n[HASH]
        n[HASH] = 0
    if byte == 10:
        n[LINE_BEFORE] = n[LINE]
        n[LINE] = position + 1


@inlined
def _head(c4: Any, c8: Any) -> Any:
    """Return the hash of the last six bytes."""
    return (((c4 * M1 & WORD) + (c8 & 0xFFFF) * M2) & WORD) >> (32 - HEAD_BITS)


@inlined
def _follow(s: Any, text: Any, position: int) -> None:
    """Go on with the match, or look for one among what followed the same six bytes."""
    n = s.numbers
    if n[MATCH_LEN] > 0 and text[n[MATCH_AT]] == text[position]:
        n[MATCH_LEN] += 1
        n[MATCH_AT] += 1
    else:
        n[MATCH_LEN] = 0
    head = _head(n[C4], n[C8])
    if n[MATCH_LEN] == 0 and s.heads[head] >= 0:
        at = np.int64(s.heads[head])
        length = 0
        while length < MAX_LOOK_BACK and length < at:
            if text[at - length - 1] != text[position - length]:
                break
            length += 1
        n[MATCH_AT] = at
        n[MATCH_LEN] = length if length >= MIN_MATCH else 0
    s.heads[head] = position + 1


@inlined
def _run(s: Any, text: Any, payload: Any, decoding: bool) -> bool:
    """Code all of `text`; return False if the payload has no room for it."""
    for position in range(len(text)):
        if decoding and _is_spent(s, payload):
            text[position:] = 0xFF
            return True
        _begin_byte(s, text, position)
        for bit in range(8):
            if bit & 3 == 0:
                _find_buckets(s)
            y = 0 if decoding else np.int64(text[position]) >> (7 - bit) & 1
            if _bit(s, text, y, bit, payload, decoding) < 0:
                return False
        if decoding:
            text[position] = s.numbers[NODE] & 0xFF
        _end_byte(s, text, position)
    return True


@inlined
def _is_spent(s: Any, payload: Any) -> bool:
    """Whether the payload says nothing more: every bit from here on is a 1, and it ends rightly.

    low ≤ code ≤ high holds from the start, for a bit is a 1 just where code ≤ middle. Where code
    is 0 and only zeros follow, low is 0 too. Then code ≤ middle whatever is predicted: the bit is
    a 1, low stays 0, and what is shifted in are zeros. So it is for the next bit, and at the end
    code is 0, which is what an encoder writes where low is 0.
    A decoder gets there as soon as all bytes of the payload have been shifted out of code. Each
    bit leaves at most 65,525 of 65,536 parts of the width (p is 11 to 65,514, as squash and the
    refining go), so until then there are at most 4,200 bytes of text for each of the payload, and
    17,000 more.
    """
    return bool(s.numbers[CODE] == 0 and s.numbers[AT] >= len(payload))


@inlined
def _ending(low: Any, high: Any) -> Any:
    """Return the number from `low` to `high` with the most zero bytes at its end."""
    for shift in (32, 24, 16, 8):
        value = (low + (1 << shift) - 1) >> shift << shift
        if value <= high:
            return value
    return low


@kernel
def encode(s: Any, text: Any, payload: Any) -> int:
    """Write the payload of `text`; return its length, -1 if it does not fit."""
    if not _run(s, text, payload, False):
        return -1
    at = s.numbers[AT]
    value = _ending(s.numbers[LOW], s.numbers[HIGH])
    while value:
        if at == len(payload):
            return -1
        payload[at] = value >> 24
        value = value << 8 & WORD
        at += 1
    while at and payload[at - 1] == 0:
        at -= 1
    return int(at)


@kernel
def decode(s: Any, payload: Any, text: Any) -> bool:
    """Fill `text`; return whether `payload` is what it is encoded to, but for zeros at its end."""
    n = s.numbers
    for at in range(4):
        n[CODE] = n[CODE] << 8 | _byte(payload, at)
    n[AT] = 4
    _run(s, text, payload, True)
    return bool(len(payload) <= n[AT] and n[CODE] == _ending(n[LOW], n[HIGH]))


@kernel
def forget(s: Any, text: Any) -> None:
    """Make the three tables that are large as they were before `text` was coded.

    They are `last`, `heads` and `refined`, and what coding touches in them follows from the text.
    """
    c4, c8 = np.int64(0), np.int64(0)
    for position in range(len(text)):
        last, byte = c4 & 0xFF, np.int64(text[position])
        for bit in range(8):
            pair = last << 8 | 1 << bit | byte >> (8 - bit)
            s.last[pair] = 32768
            for step in range(N_STEPS):
                s.refined[pair, step] = s.squash[min(step * 128, 4095)]
        c8 = (c8 << 8 & WORD) | c4 >> 24
        c4 = (c4 << 8 & WORD) | byte
        s.heads[_head(c4, c8)] = -1
