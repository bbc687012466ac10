"""What is likeliest after mixing: for whoever looks at a text, the coder needs none of it."""

from __future__ import annotations

from typing import Any

from llmzip.compiled import kernel


@kernel
def rank(
    freq: Any, tokens: Any, n: Any, ids: Any, mixed: Any, ranks: Any, likeliest: Any, best: Any
) -> None:
    """Fill in ranks of `tokens`, and the likeliest with their frequencies, of rows after mixing.

    freq: int64 (rows, V), before mixing; candidates `ids` get there what is `mixed`, as far as n
    says. ranks: (rows,), one more than how many tokens are likelier. likeliest, best: (rows, N),
    filled with -1 and 0; of tokens that are equally likely the one with the lowest id comes first.
    """
    last = best.shape[1] - 1
    for row in range(tokens.size):
        line = freq[row]
        for c in range(n[row]):
            line[ids[row, c]] = mixed[row, c]
        own, n_likelier = line[tokens[row]], 0
        for v in range(line.size):
            if line[v] > own:
                n_likelier += 1
            if line[v] > best[row, last]:
                place = last
                while place > 0 and line[v] > best[row, place - 1]:
                    best[row, place] = best[row, place - 1]
                    likeliest[row, place] = likeliest[row, place - 1]
                    place -= 1
                best[row, place], likeliest[row, place] = line[v], v
        ranks[row] = n_likelier + 1
