"""Scripts that print digests: what they share, and how tests run them as other machines."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import llmzip
from llmzip.predict.protocol import Intervals


def intervals_digest(chunks: Iterable[Intervals]) -> str:
    """SHA-256 over low, freq and total of chunks."""
    state = hashlib.sha256()
    for found in chunks:
        for column in (found.low, found.freq, found.total):
            state.update(column.astype("<u8").tobytes())
    return state.hexdigest()


def pin_or_print(found: dict[str, object], golden: Path, also: dict[str, object]) -> None:
    """With --write pin what was found in `golden`; else print it, and what is not pinned."""
    if "--write" in sys.argv[1:]:
        golden.write_text(json.dumps(found, indent=1) + "\n", encoding="ascii")
    else:
        print(json.dumps({**found, **also}))


def run_as(script: Path, setting: dict[str, str]) -> Any:
    """Run a script of digests in a process of its own under `setting`; return what it prints."""
    environment = {**os.environ, "PYTHONPATH": str(Path(llmzip.__file__).parent.parent), **setting}
    done = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, check=False, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
