"""What should stand before a message: python benchmarks/beginnings.py FILE...

A file's messages are its lines; where there are empty lines, what stands between those, up to 500
bytes. For each beginning of a few, what the model says of all messages of a file after it, in
bytes: first learning while it reads, as messages are coded, and at last without, after the one
that profiles have.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from math import log2
from pathlib import Path

import numpy as np

import llmzip
from llmzip.messages.options import MESSAGE_OPTIONS
from llmzip.messages.profile import BEGINNING
from llmzip.models.catalog import DEFAULT_MODEL
from llmzip.predict import open_predictor
from table import markdown_table

BEGINNINGS = (
    b"",
    b"\n",
    b"\n\n",
    b"> ",
    b'"',
    b"Message:\n",
    b"SMS:\n",
    b"OK\n",
    b"Hi!\n",
    BEGINNING,
    b"Hello.\nSee you at nine.\n",
    b"Hi!\nBis morgen.\nT=21.5\n",
)
LONGEST = 500


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; return the exit status."""
    parser = argparse.ArgumentParser(prog="benchmarks/beginnings.py", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    options = parser.parse_args(arguments)
    texts = [messages_of(path.read_bytes()) for path in options.files]
    rows = {
        f"`{repr(beginning)[1:]}`": [learning(some, beginning, options.model) for some in texts]
        for beginning in BEGINNINGS
    }
    rows["the default, nothing learnt"] = [frozen(some, BEGINNING, options.model) for some in texts]
    names = [
        f"{path.name}: {len(some)} of {sum(map(len, some)) // len(some)} bytes"
        for path, some in zip(options.files, texts, strict=True)
    ]
    shown = [(name, *(f"{n_bytes:,.0f}" for n_bytes in sums)) for name, sums in rows.items()]
    print(markdown_table(("before each message", *names), shown))
    return 0


def messages_of(text: bytes) -> list[bytes]:
    """Return a file's messages."""
    parts = text.split(b"\n\n") if b"\n\n" in text else text.splitlines()
    return [part for part in map(bytes.strip, parts) if 0 < len(part) <= LONGEST]


def learning(messages: Sequence[bytes], beginning: bytes, model: str) -> float:
    """Return bytes of surprise, as messages are coded."""
    profile = llmzip.make_profile(model, dictionary=beginning)
    with llmzip.MessageCodec(profile) as codec:
        return sum(map(codec.bits, messages)) / 8


def frozen(messages: Sequence[bytes], beginning: bytes, model: str) -> float:
    """Return bytes of surprise by the model alone."""
    opened = open_predictor(
        model,
        device="auto",
        threads=None,
        batch=None,
        exact=True,
        options=MESSAGE_OPTIONS,
        quiet=True,
    )
    before = opened.tokenizer.encode(beginning)
    tokens = [np.concatenate([before, opened.tokenizer.encode(one)]) for one in messages]
    n_bits = 0.0
    for found in opened.predictor.intervals(tokens):
        own = slice(len(before), None)
        pairs = zip(found.freq[own].tolist(), found.total[own].tolist(), strict=True)
        n_bits += sum(log2(total) - log2(freq) for freq, total in pairs)
    return n_bits / 8


if __name__ == "__main__":
    sys.exit(main())
