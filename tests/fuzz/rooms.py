"""Puts the folders on the path whose samples and fakes the fuzzers use. Import it first."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
for _room in ("codec", "coder", "container", "golden", "layout", ".", "../docs"):
    if (_folder := str((TESTS / _room).resolve())) not in sys.path:
        sys.path.insert(0, _folder)
