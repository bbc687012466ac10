"""For fsspec, and so for pandas, datasets, dask: .llmz files read and written as they go.

    llmzip.fsspec.register()
    fsspec.open("x.csv.llmz", "rt", compression="infer")      # or compression="llmz"
    fsspec.open("llmz://x.csv::s3://bucket/x.csv.llmz")       # for what takes URLs only

Needs fsspec: `pip install llmzip[fsspec]`.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import partial
from typing import IO, Any

import fsspec
from fsspec.archive import AbstractArchiveFileSystem
from fsspec.compression import register_compression

from llmzip.compressor import Compressor
from llmzip.decompressor import Decompressor
from llmzip.file import LlmzFile

NAME = "llmz"
_SUFFIX = f".{NAME}"


def register(
    *, compressor: Compressor | None = None, decompressor: Decompressor | None = None
) -> None:
    """Make fsspec know .llmz, in this process: as a compression, and as the protocol llmz://.

    compressor, decompressor: what files are written and read with, whose models stay open from
        file to file; None: with the defaults. To be called again is to choose others.
    """
    opening = partial(
        _opened,
        compressor=compressor or Compressor(),
        decompressor=decompressor or Decompressor(),
    )
    register_compression(NAME, opening, NAME, force=True)
    fsspec.register_implementation(NAME, LlmzFileSystem, clobber=True)


def _opened(
    file: IO[bytes],
    mode: str = "rb",
    *,
    compressor: Compressor,
    decompressor: Decompressor,
    **how: Any,
) -> LlmzFile:
    """Do what fsspec asks of a compression: wrap a file that is open."""
    if mode.startswith("r"):
        return LlmzFile(file, mode, decompressor=decompressor, **how)
    return LlmzFile(file, mode, compressor=compressor, **how)


class LlmzFileSystem(AbstractArchiveFileSystem):  # type: ignore[misc]
    """A .llmz file as a file system that holds one file: the text, without the suffix. Read only.

    fo: where the .llmz file is. target_protocol, target_options: how fsspec gets at it.
    """

    protocol = NAME
    root_marker = ""
    cachable = False  # the file may have been written anew

    def __init__(
        self,
        fo: str = "",
        target_protocol: str | None = None,
        target_options: Mapping[str, Any] | None = None,
        **storage_options: Any,
    ) -> None:
        super().__init__(**storage_options)
        self.fo = str(fo)
        self._file = fsspec.open(
            self.fo, "rb", compression=NAME, protocol=target_protocol, **(target_options or {})
        )
        self.dir_cache: dict[str, dict[str, Any]] | None = None

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        stripped: str = super()._strip_protocol(path)
        return stripped.lstrip("/")

    def _get_dirs(self) -> None:
        """Look into the file: at its two ends, that is, for the size of the text."""
        if self.dir_cache is None:
            name = self.fo.rpartition("/")[2].removesuffix(_SUFFIX)
            with self._file as file:
                n_bytes = file.seek(0, io.SEEK_END)
            self.dir_cache = {name: {"name": name, "size": n_bytes, "type": "file"}}

    def _open(self, path: str, mode: str = "rb", **_how: Any) -> LlmzFile:
        """Open the one file. Raises FileNotFoundError, ValueError for a mode that writes."""
        if mode != "rb":
            raise ValueError(f"llmz:// is for reading, not for mode {mode!r}")
        self.info(path)
        file: LlmzFile = self._file.open()
        return file
