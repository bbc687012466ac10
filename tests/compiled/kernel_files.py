"""The files of kernels in a folder, without that of numba's runtime, which all of them need.

That one is written by the first kernel of a process, wherever that is.
"""

from __future__ import annotations

from pathlib import Path


def kernel_files(folder: Path) -> list[Path]:
    """Return those that are not the runtime's, by name."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith("runtime-"))
