"""Names of other rooms' samples."""

from __future__ import annotations

import sys
from pathlib import Path

for room in ("codec", "cli"):
    folder = str(Path(__file__).parents[1] / room)
    if folder not in sys.path:
        sys.path.append(folder)
