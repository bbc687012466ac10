"""Put the tables of the other scripts into the README: python benchmarks/readme.py FILE.md..."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def main(arguments: Sequence[str] | None = None) -> int:
    """Replace what stands between the marks by the files named, in order."""
    paths = sys.argv[1:] if arguments is None else arguments
    tables = [Path(path).read_text(encoding="utf-8").strip() for path in paths]
    README.write_text(filled(README.read_text(encoding="utf-8"), tables), encoding="utf-8")
    return 0


def filled(text: str, tables: Sequence[str]) -> str:
    """Return `text` with the tables between its two marks. Raises ValueError without marks."""
    before, mark, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise ValueError(f"no {BEGIN} ... {END}")
    return "\n\n".join([before + BEGIN, *tables, END + after])


if __name__ == "__main__":
    sys.exit(main())
