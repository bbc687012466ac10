"""Folders as save_pretrained and the hub lay them out: which files count, are they all there."""

from __future__ import annotations

from collections.abc import Collection
from fnmatch import fnmatch
from pathlib import Path

from llmzip.errors import ModelNotFoundError, ModelUnsupportedError
from llmzip.models import claims

READ_PATTERNS = (
    "config.json",
    "model.safetensors",
    "model-*.safetensors",
    "model.safetensors.index.json",
    "tokenizer.json",
    "vocab.json",
    "merges.txt",
)
"""The files that are read, fetched and hashed; what else these name comes to them."""

BESIDE_VOCABULARY = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
"""What decides how vocab.json and merges.txt are read, where there is no tokenizer.json."""

_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")


def check(folder: Path) -> None:
    """Make sure that a model can be loaded from `folder`.

    Raises: ModelNotFoundError if something is missing; ModelUnsupportedError if
    the weights are there only as pickles, which could run code when they are read.
    """
    names = [path.name for path in folder.iterdir()]
    if "config.json" not in names:
        raise ModelNotFoundError(f"{folder} has no config.json: it is not a model's folder")
    if not _has_weights(folder, names):
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
    """Return the files of a model's folder that make it what it is.

    Raises: ModelDamagedError, ModelUnsupportedError where what they name can be no such file.
    """
    beside = () if (folder / "tokenizer.json").exists() else BESIDE_VOCABULARY
    found = {folder / name for name in beside if (folder / name).is_file()}
    return sorted({*found, *hashed_files(folder)})


def hashed_files(folder: Path) -> list[Path]:
    """Return those of them that files in floating point are tied to, besides the table of tokens.

    Raises: as `read_files`.
    """
    found = {path for path in folder.iterdir() if is_read(path.name) and path.is_file()}
    return sorted({*found, *_named(folder)})


def is_read(name: str) -> bool:
    """Say whether a file of that name is among READ_PATTERNS."""
    return any(fnmatch(name, pattern) for pattern in READ_PATTERNS)


def wanted_of(names: Collection[str]) -> list[str]:
    """Return which of the files of a repository are wanted, before what they say is known."""
    wanted = {name for name in names if is_read(name)}
    if "tokenizer.json" not in wanted:
        wanted.update(name for name in BESIDE_VOCABULARY if name in names)
    if not any(name.endswith(".safetensors") for name in wanted):
        # those that an index names may have any name
        wanted.update(n for n in names if n.endswith(".safetensors") and "/" not in n)
    return sorted(wanted)


def _has_weights(folder: Path, names: list[str]) -> bool:
    return bool(_named(folder)) or any(
        name.endswith(".safetensors") and is_read(name) for name in names
    )


def _named(folder: Path) -> list[Path]:
    """Return the files of weights that the configuration or an index names."""
    names_them = "transformers_weights" in claims.read_json(folder / "config.json")
    has_index = (folder / "model.safetensors.index.json").exists()
    if names_them or (has_index and not (folder / "model.safetensors").exists()):
        return claims.weight_files(folder)
    return []
