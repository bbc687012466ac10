"""Figures as people read them."""

from __future__ import annotations


def number(value: float) -> str:
    """Return `value` with three significant digits, or all before the point."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def size(n_bytes: float) -> str:
    """Return a number of bytes with three digits and its unit, each 1,000 of the one before."""
    for unit in _UNITS:
        if n_bytes < 1000 or unit == _UNITS[-1]:
            break
        n_bytes /= 1000
    text = f"{n_bytes:,.0f}" if unit == _UNITS[0] else number(n_bytes)
    return f"{text} {unit}"
