"""Figures as people read them."""

from __future__ import annotations


def number(value: float) -> str:
    """Return `value` with three significant digits, or all before the point."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"
