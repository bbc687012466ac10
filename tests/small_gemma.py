"""A small vocabulary laid out as Gemma's is in a GGUF: tokens and their kinds, and no merges."""

from __future__ import annotations

from small_tokenizer import WORDS

NORMAL, CONTROL, USER_DEFINED, BYTE = 1, 3, 4, 6
UNKNOWN = 3
_MARK = "\u2581"
_LIKE_CONTROL = ["<0", "<0x", "<0x4", "41", "1>", "<b", "os", "os>", "<un", "used", "<unused", "5>"]
"""Words out of which tokens for bytes and for control could be put together."""


def small_gemma() -> tuple[list[str], list[int]]:
    """Return the tokens, by id, and of what kind each is."""
    begin = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    control = [*(f"<unused{i}>" for i in range(6)), "<start_of_turn>", "<end_of_turn>"]
    found = ["\n", "\n\n", "\n\n\n", *(" " * n for n in range(2, 9)), "<b>", "</b>", "\t", "\t\t"]
    groups = (
        (CONTROL, begin),
        (USER_DEFINED, ["[multimodal]"]),
        (CONTROL, control),
        (USER_DEFINED, found),
        (BYTE, [f"<0x{byte:02X}>" for byte in range(256)]),
        (NORMAL, _pieces()),
    )
    tokens = [token for _, group in groups for token in group]
    return tokens, [kind for kind, group in groups for _ in group]


def _pieces() -> list[str]:
    """What is merged, as early in the list as it is merged, then single characters."""
    words = [*(_MARK + word for word in WORDS), *WORDS, "中文", *_LIKE_CONTROL]
    pieces = {word[:n]: None for n in range(2, 10) for word in words if len(word) >= n}
    letters = {chr(code): None for code in range(0x21, 0x7F)} | dict.fromkeys(f"{_MARK}éß中文也行")
    return list(pieces | letters)
