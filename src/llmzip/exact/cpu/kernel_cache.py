"""Where compiled kernels are kept: a folder for each state of the engine's sources.

numba marks a cached kernel with the date of the one file that holds it, and would go
on using it after a change in another file that was inlined into it: other integers,
and no error. A folder named by a hash of all sources cannot be stale.
"""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path

from platformdirs import user_cache_path

PACKAGE = Path(__file__).parents[2]
ROOMS = ("adapt", "exact")
"""Where kernels are."""


@lru_cache
def kernel_folder() -> Path:
    """The folder for kernels of the sources as they are.

    In NUMBA_CACHE_DIR where that is set, else beside the sources if they can be written
    to, else in the user's cache.
    """
    name = _sources_digest()
    if "NUMBA_CACHE_DIR" in os.environ:
        return Path(os.environ["NUMBA_CACHE_DIR"], name)
    beside = Path(__file__).parent / "__pycache__"
    if os.access(beside if beside.exists() else beside.parent, os.W_OK):
        return beside / name
    return user_cache_path("llmzip") / "kernels" / name


def _sources_digest() -> str:
    state = hashlib.sha256()
    for path in sorted(path for room in ROOMS for path in (PACKAGE / room).rglob("*.py")):
        state.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0")
        state.update(hashlib.sha256(path.read_bytes()).digest())
    return state.hexdigest()[:16]
