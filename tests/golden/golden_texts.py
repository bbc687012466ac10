"""Texts that the golden models write themselves: clear to them, hard for other codecs."""

from __future__ import annotations

import random
from itertools import islice
from pathlib import Path

import numpy as np
from golden_models import RECIPES, GoldenModel, printable

from llmzip.container import Options

TEXTS = Path(__file__).parent / "texts"
N_TOKENS = dict.fromkeys(RECIPES, 330) | {"long": 1180}
_N_LIKELIEST = 3
_LINE = 16  # tokens
_TAIL = 16


def load_text(name: str) -> bytes:
    """Return the text that the model of this name wrote."""
    return bytes.fromhex((TEXTS / f"{name}.hex").read_text(encoding="ascii"))


def save_text(name: str, text: bytes) -> None:
    """Keep a text, in hexadecimal digits."""
    digits = text.hex()
    lines = [digits[at : at + 96] for at in range(0, len(digits), 96)]
    TEXTS.mkdir(exist_ok=True)
    (TEXTS / f"{name}.hex").write_text("\n".join([*lines, ""]), encoding="ascii")


def written_by(model: GoldenModel) -> bytes:
    """Return a text of printable tokens, each among those that the model finds likeliest."""
    chance = random.Random(model.name)
    lanes = model.opened(Options(1 << 16, 1 << 14, 1024)).predictor.lanes(1)
    assert hasattr(lanes, "look_up")
    lane = np.zeros(1, dtype=np.int64)
    tokens = np.array(printable(model.tokenizer), dtype=np.int64)
    (line_end,) = [i for i, token in enumerate(tokens) if model.tokenizer.table[token] == b"\n"]
    lanes.open(0)
    ids: list[int] = []
    while len(ids) < N_TOKENS[model.name]:
        lanes.totals(lane)
        low, freq = (row[0] for row in lanes.look_up(lane, tokens[None]))
        order = np.argsort(-freq.astype(np.int64), kind="stable").tolist()
        read_back = (i for i in order if _is_read_back(model, ids, int(tokens[i])))
        likeliest = list(islice(read_back, _N_LIKELIEST))
        chosen = line_end if len(ids) % _LINE == _LINE - 1 else chance.choice(likeliest)
        (token,), _, _ = lanes.find(lane, low[chosen : chosen + 1])
        ids.append(int(token))
    return b"".join(model.tokenizer.table[i] for i in ids)


def _is_read_back(model: GoldenModel, ids: list[int], token: int) -> bool:
    """Whether the tokenizer cuts the text so far and this token as the model wrote them."""
    tail = [*ids[-_TAIL:], token]
    again = model.tokenizer.encode(b"".join(model.tokenizer.table[i] for i in tail)).tolist()
    return bool(again[-4:] == tail[-4:])
