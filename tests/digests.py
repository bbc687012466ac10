"""Scripts that print digests: what they share, and how tests run them as other machines."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import llmzip
from exact_models import WIDE
from llmzip.predict.protocol import Intervals


def intervals_digest(chunks: Iterable[Intervals]) -> str:
    """SHA-256 over low, freq and total of chunks."""
    state = hashlib.sha256()
    for found in chunks:
        for column in (found.low, found.freq, found.total):
            state.update(column.astype("<u8").tobytes())
    return state.hexdigest()


def pin_or_print(
    digests: Callable[[], dict[str, object]], found: Callable[[], dict[str, object]], golden: Path
) -> None:
    """With --write pin the digests in `golden`; else print all that is found."""
    if "--write" in sys.argv[1:]:
        golden.write_text(json.dumps(digests(), indent=1) + "\n", encoding="ascii")
    else:
        print(json.dumps(found()))


def found_as(setting: dict[str, str], ways: Sequence[str] = ("",)) -> dict[str, dict[str, Any]]:
    """All digests (see machine_digests) on some ways, from a process of its own under `setting`."""
    environment = {**os.environ, "PYTHONPATH": str(Path(llmzip.__file__).parent.parent), **setting}
    command = [sys.executable, str(Path(__file__).with_name("machine_digests.py")), *ways]
    done = subprocess.run(command, env=environment, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    return dict(zip(ways, json.loads(done.stdout), strict=True))


def assert_as_pinned(found: dict[str, Any], pinned: dict[str, Any], way: str | None = None) -> None:
    """All that is pinned has been found; or, on a way, all of the models that it takes."""
    taken = found["ways"]
    if way is not None:
        assert set(taken.values()) == {way}
        assert set(WIDE) <= set(taken)
        pinned = {key: _of(taken, value) for key, value in pinned.items()}
    assert {key: found[key] for key in pinned} == pinned
    assert set(found) - set(pinned) <= {"product", "ways"}


def _of(names: Iterable[str], pinned: Any) -> Any:
    return {name: pinned[name] for name in names} if isinstance(pinned, dict) else pinned
