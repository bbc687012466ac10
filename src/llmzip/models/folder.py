"""Folders as save_pretrained and the hub lay them out: which files count, are they all there."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

from llmzip.errors import ModelNotFoundError, ModelUnsupportedError

READ_PATTERNS = (
    "config.json",
    "model.safetensors",
    "model-*.safetensors",
    "model.safetensors.index.json",
    "tokenizer.json",
    "vocab.json",
    "merges.txt",
)
"""The files that are read, fetched and hashed; anything else in a folder has no effect."""

_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")


def check(folder: Path) -> None:
    """Make sure that a model can be loaded from `folder`.

    Raises: ModelNotFoundError if something is missing; ModelUnsupportedError if
    the weights are there only as pickles, which could run code when they are read.
    """
    names = [path.name for path in folder.iterdir()]
    if "config.json" not in names:
        raise ModelNotFoundError(f"{folder} has no config.json: it is not a model's folder")
    if not any(name.endswith(".safetensors") and is_read(name) for name in names):
        if any(fnmatch(name, pattern) for name in names for pattern in _PICKLES):
            raise ModelUnsupportedError(
                f"{folder} has its weights only as pickles, which are never loaded: "
                "save the model as safetensors"
            )
        raise ModelNotFoundError(f"{folder} has no model.safetensors: the weights are missing")
    if "tokenizer.json" not in names and not {"vocab.json", "merges.txt"} <= set(names):
        raise ModelNotFoundError(
            f"{folder} has no tokenizer.json: save the model's tokenizer there too"
        )


def read_files(folder: Path) -> list[Path]:
    """Return the files of a model's folder that make it what it is."""
    return sorted(path for path in folder.iterdir() if is_read(path.name) and path.is_file())


def is_read(name: str) -> bool:
    """Say whether a file of that name is among READ_PATTERNS."""
    return any(fnmatch(name, pattern) for pattern in READ_PATTERNS)
