"""Where compiled kernels are kept: a folder for each state of the sources, and its user's own.

numba marks a cached kernel with the state of the one file that holds it, and would go on using
it after a change in another file that was inlined into it: other integers, and no error. A folder
named by a hash of all sources, and of what compiles them, cannot be stale.

What lies there is run, so a folder that others own or may write to is not used: see `ownership`.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import stat
import sys
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from platformdirs import user_cache_path

from llmzip.errors import UntrustedError
from llmzip.ownership import is_trusted, require_trusted

PACKAGE = Path(__file__).parents[1]
ROOMS = ("adapt", "compiled", "exact", "layout", "mixing")
"""Where kernels are, and all that they inline or take constants from."""
FOLDER_VARIABLE = "NUMBA_CACHE_DIR"
KERNEL_SUFFIX = ".kernel"
"""Of a file with a kernel; one that is being written has another after it."""

_STATE_DIGITS = 16
_STATE = re.compile(f"[0-9a-f]{{{_STATE_DIGITS}}}")


def kernel_folders() -> list[Path]:
    """The folders to look for kernels in, and to put one into the first that can be written to.

    That in NUMBA_CACHE_DIR where it is set; else one beside the sources, then one in the user's
    cache, of these what can be trusted. They need not be there yet.

    Raises UntrustedError if NUMBA_CACHE_DIR is set to a folder that others may have written to.
    """
    state = sources_digest()
    if state is None:
        return []
    if os.environ.get(FOLDER_VARIABLE):
        return [_chosen_folder(chosen, state) for chosen in kernel_homes()]
    folders = [home / state for home in kernel_homes()]
    return [folder for folder in folders if is_trusted(folder)]


def kernel_homes() -> list[Path]:
    """The folders, trusted or not, in which each state of the sources has one of its own."""
    if chosen := os.environ.get(FOLDER_VARIABLE):
        return [Path(chosen)]
    beside = Path(__file__).parent / "__pycache__"
    own = user_cache_path("llmzip") / "kernels"
    # without a home, the user's cache would be in the current folder
    return [folder for folder in (beside, own) if folder.is_absolute()]


def stale_folders(home: Path) -> list[Path]:
    """What `home`, one of `kernel_homes`, holds for other states of the sources, by name.

    Folders that hold nothing but kernels: NUMBA_CACHE_DIR may be somebody else's, too.
    """
    try:
        found = sorted(path for path in home.iterdir() if _STATE.fullmatch(path.name))
        return [path for path in found if path.name != sources_digest() and _is_of_kernels(path)]
    except OSError:
        return []


def _is_of_kernels(folder: Path) -> bool:
    if folder.is_symlink() or not folder.is_dir():
        return False
    files = list(folder.iterdir())
    return bool(files) and all(KERNEL_SUFFIX in path.suffixes for path in files)


def _chosen_folder(chosen: Path, state: str) -> Path:
    folder = chosen / state
    for path in (chosen, folder):
        try:
            require_trusted(path)
        except UntrustedError as exc:
            if not _keeps_owners_apart(path):
                raise UntrustedError(
                    f"{FOLDER_VARIABLE} leads to {path}, which others own or may write to, so no "
                    "compiled kernel is taken from it: unset it, or name a folder of your own"
                ) from exc
        except OSError:
            pass  # nothing can be read there
    return folder


def _keeps_owners_apart(path: Path) -> bool:
    """Whether all may write there, and nobody may touch what others have put: as in /tmp."""
    try:
        return bool(path.stat().st_mode & stat.S_ISVTX)
    except OSError:
        return False


def _installed(package: str) -> str:
    """What is installed of a package, by the name of the folder that says so.

    importlib.metadata reads more, and takes longer to import than this whole room's sources do.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return ""
    beside = Path(spec.origin).parents[1]
    found = sorted(path.name for path in beside.glob(f"{package}-*.dist-info"))
    return " ".join(found) or _version(package)


def _version(package: str) -> str:
    """What a package that was put there in another way says of itself."""
    from importlib.metadata import version

    return version(package)


@lru_cache
def sources_digest() -> str | None:
    """A name for the state of all sources of kernels, and of what compiles them.

    None where the sources cannot be read, as in a package that was frozen.
    """
    state = hashlib.sha256()
    paths = sorted(path for room in ROOMS for path in (PACKAGE / room).rglob("*.py"))
    compilers = _installed("numba"), _installed("llvmlite"), sys.version, platform.machine()
    for compiler in compilers:
        state.update(compiler.encode() + b"\0")
    for path in paths:
        state.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0")
        state.update(hashlib.sha256(path.read_bytes()).digest())
    return state.hexdigest()[:_STATE_DIGITS] if paths else None
