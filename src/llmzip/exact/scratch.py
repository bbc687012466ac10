"""Where the tensors of a model lie while it is prepared: in memory, or in files that are mapped."""

from __future__ import annotations

import mmap
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Tensors = dict[str, NDArray[Any]]


class Scratch(Protocol):
    """Tensors by name."""

    def put(self, name: str, array: NDArray[Any]) -> None:
        """Keep a tensor. Raises: OSError."""

    def tensors(self) -> Tensors:
        """All that are kept."""

    def get(self, name: str) -> NDArray[Any] | None:
        """The tensor of that name, if there is one."""

    def settle(self) -> None:
        """Let go of memory whose content can be read again."""

    def drop(self, name: str) -> None:
        """Forget a tensor that is not wanted any more; nobody may look at it from then on."""


class Memory:
    """Tensors in memory."""

    def __init__(self) -> None:
        self._kept: Tensors = {}

    def put(self, name: str, array: NDArray[Any]) -> None:
        """Keep a tensor."""
        self._kept[name] = array

    def tensors(self) -> Tensors:
        """All that are kept."""
        return dict(self._kept)

    def get(self, name: str) -> NDArray[Any] | None:
        """The tensor of that name, if there is one."""
        return self._kept.get(name)

    def settle(self) -> None:
        """Nothing can be read again."""

    def drop(self, name: str) -> None:
        """Forget a tensor."""
        del self._kept[name]


class Folder:
    """Tensors in files of a folder, mapped: the system may take their memory back at any time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept: dict[str, np.memmap[Any, Any]] = {}

    def put(self, name: str, array: NDArray[Any]) -> None:
        """Keep a tensor. Raises: OSError."""
        path = self._path(name)
        with path.open("wb") as file:  # numpy's own way of writing does not say what went wrong
            file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        self._kept[name] = np.memmap(path, array.dtype, "c", shape=array.shape)

    def tensors(self) -> Tensors:
        """All that are kept."""
        return {name: np.asarray(array) for name, array in self._kept.items()}

    def get(self, name: str) -> NDArray[Any] | None:
        """The tensor of that name, if there is one."""
        return np.asarray(self._kept[name]) if name in self._kept else None

    def settle(self) -> None:
        """Let go of memory whose content can be read again."""
        for array in self._kept.values():
            _let_go(array)

    def drop(self, name: str) -> None:
        """Forget a tensor, and remove its file."""
        _let_go(self._kept.pop(name))
        with suppress(PermissionError):  # Windows keeps what is mapped: it goes with the folder
            self._path(name).unlink()

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.tensor"


def _let_go(array: np.memmap[Any, Any]) -> None:
    memory: mmap.mmap | None = getattr(array, "_mmap", None)
    if memory is not None and hasattr(mmap, "MADV_DONTNEED"):
        memory.madvise(mmap.MADV_DONTNEED)
