"""How a message is seen: as the one chunk of a group that learns, no longer than the window."""

from __future__ import annotations

from llmzip.container import Options

MESSAGE_OPTIONS = Options(2_048, 2_048, 1_024, adaptive=True)
"""The last half of the window before a message is its dictionary's, at most."""
