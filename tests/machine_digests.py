"""What a process computes as the machine that its environment makes it: all digests, one line."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent / "exact"))
sys.path.insert(0, str(Path(__file__).parent / "predict"))

import adaptive_digest
import interval_digest

if __name__ == "__main__":
    print(json.dumps({"interval": interval_digest.found(), "adaptive": adaptive_digest.found()}))
