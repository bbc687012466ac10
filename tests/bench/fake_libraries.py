"""Modules that stand in for libraries of rows: not there, or not giving back what they got."""

from __future__ import annotations

from pathlib import Path

ABSENT = "raise ImportError(f'No module named {__name__!r}')\n"
LYING = """
def compress(data, lgwin):
    return data[:-1]
def decompress(packed):
    return packed
"""


def put(folder: Path, **modules: str) -> str:
    """Write them; return what to put before the module search path."""
    for name, source in modules.items():
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
    return str(folder)
