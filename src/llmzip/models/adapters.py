"""Adapters wherever they are: in folders as PEFT writes them, or in single files of ours."""

from __future__ import annotations

from pathlib import Path

from llmzip.models import adapter
from llmzip.models.adapter import Adapter


def is_adapter(path: Path) -> bool:
    """Say whether an adapter is there, and not a whole model."""
    if path.is_dir():
        return (path / adapter.CONFIG).is_file() and not (path / "config.json").exists()
    return path.suffix == adapter.SUFFIX and path.is_file()


def files_of(path: Path) -> list[Path]:
    """Return the files that make an adapter what it is. Raises: ModelNotFoundError."""
    return [path] if path.is_file() else adapter.read_files(path)


def base_of(path: Path) -> str:
    """Return the name of the model that an adapter is for. Raises: as `read_adapter`."""
    if path.is_file():
        return read_adapter(path).config.base
    return adapter.read_config(path).base


def read_adapter(path: Path) -> Adapter:
    """Read an adapter.

    Raises: ModelNotFoundError, ModelDamagedError; ModelUnsupportedError for what is more than
    thin matrices and whole norms; OSError.
    """
    if not path.is_file():
        return adapter.read_folder(path)
    from llmzip.models.adapter_file import read_file  # which computes, by numpy

    return read_file(path)
