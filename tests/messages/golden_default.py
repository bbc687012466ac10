"""Codes of the default model, as people send them without a profile, which stay for ever.

python tests/messages/golden_default.py --write pins those of a default model that has none yet.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import llmzip

GOLDEN = Path(__file__).with_name("golden_default.json")
TEXTS = (
    "",
    "Hi",
    "See you at nine.",
    "The museum is closed on Mondays, so let's go on Tuesday instead.",
    "Bring bitte warme Sachen mit, nachts wird es kalt.",
    "wind 8.1 m/s from 191 deg, gusts 15.3 m/s, rain 12.0 mm/h",
    "Tu peux passer à la pharmacie avant qu'elle ferme ?",
    "\0\1\2",
    "q8#Zk!vX",
)


def pinned() -> dict[str, Any]:
    """Return what is pinned, by the profile's id: the model's name, and codes in hex by texts."""
    return dict(json.loads(GOLDEN.read_text(encoding="utf-8")))


def main() -> None:
    """Pin what is not pinned yet, or show it."""
    profile = llmzip.make_profile()
    with llmzip.MessageCodec(profile) as codec:
        codes = {text: codec.encode(text).hex() for text in TEXTS}
    found = {profile.id.hex(): {"model": profile.model, "codes": codes}} | pinned()
    text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    if "--write" in sys.argv[1:]:
        GOLDEN.write_text(text, encoding="utf-8")
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
