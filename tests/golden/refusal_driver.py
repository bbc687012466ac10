"""Runs the command line over files that it must refuse, and says what that cost, as JSON.

    python tests/golden/refusal_driver.py FILE...

For each file: the exit status, what was printed, milliseconds, bytes read. At the end: which
of the heavy libraries are there.
"""

from __future__ import annotations

import io
import json
import sys
import time
from contextlib import redirect_stderr
from pathlib import Path

from llmzip.cli.main import main

HEAVY = ("torch", "numpy", "numba", "transformers", "tokenizers")


def refuse(path: Path) -> dict[str, object]:
    """Run the command line over one file."""
    said = io.StringIO()
    begin_s = time.perf_counter()
    with redirect_stderr(said):
        status = main(["decompress", str(path)])
    return {
        "name": path.name.removesuffix(".llmz"),
        "status": status,
        "said": said.getvalue(),
        "milliseconds": 1000 * (time.perf_counter() - begin_s),
    }


if __name__ == "__main__":
    found = [refuse(Path(name)) for name in sys.argv[1:]]
    print(json.dumps({"files": found, "heavy": [n for n in HEAVY if n in sys.modules]}))
