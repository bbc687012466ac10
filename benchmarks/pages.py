"""Put the tables of the other scripts into a page: python benchmarks/pages.py PAGE.md FILE.md..."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def main(arguments: Sequence[str] | None = None) -> int:
    """Replace what stands between the marks of a page by the files named after it, in order."""
    page, *paths = map(Path, sys.argv[1:] if arguments is None else arguments)
    tables = [path.read_text(encoding="utf-8").strip() for path in paths]
    page.write_text(filled(page.read_text(encoding="utf-8"), tables), encoding="utf-8")
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
