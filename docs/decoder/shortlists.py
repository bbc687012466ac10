"""FORMAT.md, *Shortlists*: which tokens a list has."""

from __future__ import annotations

from bisect import bisect_right

from decoder.tokens import Tokens

SIGNS, LATIN = 0, 1  # the others are numbers of lists
RANGES = """
0000 0  0041 1  005B 0  0061 1  007B 0  00C0 1  0250 0  0370 2  0780 4  10A0 2
1100 3  1200 4  1D00 0  1E00 1  1F00 2  2000 0  2C00 2  2D30 4  2DE0 2  2E00 0
2E80 3  A000 4  A640 2  A6A0 4  A720 0  A800 4  A960 3  A980 4  AC00 3  D800 4
F900 3  FB00 0  FB13 2  FE00 0  FE10 3  FE70 2  FEFF 0  FF00 3  FFF0 0  10000 4
1D400 0  1D800 4  1F000 0  20000 3  40000 4
"""
STARTS = [int(start, 16) for start in RANGES.split()[::2]]
KINDS = [int(kind) for kind in RANGES.split()[1::2]]


def shortlist(tokens: Tokens, number: int, bos: int) -> list[int]:
    """The ids of list `number`, ascending."""
    always = {bos, *([tokens.escape] if tokens.missing else [])}
    always.update(i for i, token in enumerate(tokens.table) if len(token) == 1)
    return sorted(always | {i for i, token in enumerate(tokens.table) if has(number, token)})


def has(number: int, token: bytes) -> bool:
    """Whether the list has a token that spells these bytes."""
    try:
        text = token.decode()
    except UnicodeDecodeError:
        return False
    kinds = {KINDS[bisect_right(STARTS, ord(char)) - 1] for char in text}
    own = {SIGNS, number} if number < 5 else {SIGNS, LATIN, number - 3}
    return bool(text) and (kinds <= own or (len(text) <= 3 and kinds <= own | {LATIN}))
