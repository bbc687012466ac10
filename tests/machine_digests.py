"""What a process computes as the machine that its environment makes it: all digests, one line.

    python tests/machine_digests.py [WAY...]

Of the ways that are named, or of that which is taken where none is: a list, one after the other.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent / "exact"))
sys.path.insert(0, str(Path(__file__).parent / "predict"))

import adaptive_digest
import interval_digest

from exact_models import exact_model
from llmzip.exact.cpu.ways import WAY_VARIABLE


def found_on(way: str) -> dict[str, object]:
    """All digests on a way, models prepared by it, too; on none in particular if it is empty."""
    os.environ[WAY_VARIABLE] = way
    exact_model.cache_clear()
    return {"interval": interval_digest.found(), "adaptive": adaptive_digest.found()}


if __name__ == "__main__":
    print(json.dumps([found_on(way) for way in sys.argv[1:] or [""]]))
