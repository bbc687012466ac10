"""Codes of messages that stay for ever: run it with --write to pin those that are not there yet.

python tests/messages/golden_messages.py --write
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from message_models import exchange, texts_of  # noqa: E402

GOLDEN = Path(__file__).with_name("golden.json")
CASES = {
    f"{name}{', dictionary' if known else ''}{', check' if n_check else ''}": (name, known, n_check)
    for name in ("gpt2", "llama", "llama-wide")
    for known, n_check in ((False, 0), (True, 0), (True, 2))
}


def codes(case: str, way: str | None = None) -> list[str]:
    """Return the codes of all texts, in hex."""
    name, known, n_check = CASES[case]
    made = exchange(name, has_dictionary=known, n_check_bytes=n_check, way=way)
    return [code.hex() for code in made.encoded(texts_of(name))]


def main() -> None:
    """Pin what is not pinned yet."""
    pinned = json.loads(GOLDEN.read_text(encoding="ascii")) if GOLDEN.exists() else {}
    found = {case: pinned[case] if case in pinned else codes(case) for case in CASES}
    if "--write" in sys.argv[1:]:
        GOLDEN.write_text(json.dumps(found, indent=1) + "\n", encoding="ascii")
    else:
        print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
