"""Models that were trained here: where they are kept, by name.

    LLMZIP_HOME, else the platform's folder for a program's data
    └── trained/NAME/              an adapter (see adapter.py) or a whole model, as save_pretrained
                                   writes it; and training.json

Unlike the cache, this cannot be had again: nothing but `llmzip models rm` deletes from it.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import Any

import platformdirs

from llmzip.errors import UsageError
from llmzip.models import adapters, claims, home
from llmzip.models.catalog import CATALOG
from llmzip.ownership import require_trusted

TRAINING = "training.json"
"""The file that says how a model was trained, and what it gained."""
CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer.json"
"""The files of a whole model that was trained here."""

_NAME = re.compile(r"\w[\w.-]{0,63}")


def trained_home() -> Path:
    """Return the folder of all trained models, which need not exist yet."""
    if os.environ.get(home.HOME_VARIABLE):
        return home.home_folder() / "trained"
    return Path(platformdirs.user_data_dir("llmzip", appauthor=False)) / "trained"


def folder_of(name: str) -> Path:
    """Return where a trained model of that name lies or will lie."""
    return trained_home() / name


def is_trained(name: str) -> bool:
    """Say whether there is a trained model of that name that this user may read."""
    found = folder_of(name)
    with contextlib.suppress(PermissionError):
        return bool(_NAME.fullmatch(name)) and (adapters.is_adapter(found) or is_whole(found))
    return False


def is_one(folder: Path) -> bool:
    """Say whether a folder holds what training makes, and may be replaced by the like."""
    return is_whole(folder) or (adapters.is_adapter(folder) and (folder / TRAINING).is_file())


def is_whole(folder: Path) -> bool:
    """Say whether a folder holds a whole model that was trained from scratch."""
    return all((folder / name).is_file() for name in (CONFIG, WEIGHTS, TOKENIZER, TRAINING))


def training_of(name: str) -> dict[str, Any]:
    """Return what is known of how a model was trained.

    base: what its adapter is for, as -m takes it; empty for a whole model, whose size scratch
    says. held_out_before (not of a whole model), held_out_after: bits per byte.

    Raises: ModelDamagedError; UntrustedError if others can have put it there; OSError.
    """
    for folder in (trained_home(), folder_of(name)):
        require_trusted(folder)
    return claims.read_json(folder_of(name) / TRAINING)


def names() -> list[str]:
    """Return the names of all trained models."""
    folders = trained_home().glob("*/") if trained_home().is_dir() else ()
    return sorted(folder.name for folder in folders if is_trained(folder.name))


def require_name(name: str) -> str:
    """Return `name` if a trained model may be called so. Raises: UsageError."""
    if name in CATALOG:
        raise UsageError(f"{name} is the name of a model that everybody has: take another")
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name[:80]!r} is no name for a model: letters, digits, '.', '_' and '-', 64 at most"
        )
    return name
