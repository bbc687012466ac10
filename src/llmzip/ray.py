"""For Ray: files compressed by actors of a cluster, and functions for ray.data.

    llmzip.ray.compress_files(["s3://bucket/texts/"], output="s3://bucket/packed/")
    dataset.map_batches(llmzip.ray.compress_batch, fn_kwargs={"column": "text", "level": 5})

Needs Ray: `pip install 'llmzip[ray]'`. Byte for byte the files are those made by one process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import numpy as np

from llmzip.compressor import Compressor
from llmzip.decompressor import Decompressor
from llmzip.errors import UsageError
from llmzip.spread.cluster import actors
from llmzip.spread.files import Report, Task, compressing, decompressing, do_files
from llmzip.spread.worker import Tools

__all__ = [
    "Report",
    "compress_batch",
    "compress_files",
    "decompress_batch",
    "decompress_files",
]

Place = str | os.PathLike[str]
Batch = dict[str, Any]
"""Columns by their names, as ray.data hands them over: arrays of the rows' values."""


def compress_files(
    sources: Iterable[Place],
    output: Place | None = None,
    *,
    address: str | None = None,
    workers: int | None = None,
    force: bool = False,
    resume: Place | None = None,
    **how: Any,
) -> list[Report]:
    """Compress files, and those in folders, by actors of a cluster; report on each, in order.

    sources: paths, or URLs that fsspec knows. output: the folder or URL that results go into;
        None: beside the sources. address: of the cluster, "local" for one on this machine; None
        finds the one that is here, or starts one.
    workers: how many actors; None: one a GPU, or one for each 8 processors of a machine.
    force: write over what is there. resume: a folder of this machine where what is done is noted,
        so that a call that follows one that was killed does not do it again.
    how: arguments of Compressor.

    What goes wrong with a file is in its report. Raises UsageError where there is no Ray, or two
    files would become one; WorkersLostError where no actor is left; OSError.
    """
    compressor = Compressor(**how)
    tools, task = Tools(compressor), compressing(compressor)
    device = how.get("device", "auto")
    return _done(tools, task, sources, output, address, workers, force, resume, device)


def decompress_files(
    sources: Iterable[Place],
    output: Place | None = None,
    *,
    address: str | None = None,
    workers: int | None = None,
    force: bool = False,
    resume: Place | None = None,
    **how: Any,
) -> list[Report]:
    """Decompress .llmz files likewise; `how`: arguments of Decompressor."""
    decompressor = Decompressor(**how)
    tools, task = Tools(decompressor=decompressor), decompressing(decompressor)
    device = how.get("device", "auto")
    return _done(tools, task, sources, output, address, workers, force, resume, device)


def compress_batch(batch: Batch, *, column: str = "bytes", **how: Any) -> Batch:
    """Compress each value of a column, bytes or text, for ray.data's map_batches.

    Each becomes a .llmz file of its own, that of Compressor.compress; many go through the model
    together; where there is no value there is none then. `how`: arguments of Compressor, whose
    model stays open in the process. Raises UsageError where there is no such column, and for
    values of other types.
    """
    tool = _compressor(tuple(sorted(how.items())))
    return _mapped(batch, column, tool.compress_many)


def decompress_batch(batch: Batch, *, column: str = "bytes", **how: Any) -> Batch:
    """Decompress each value of a column into bytes; `how`: arguments of Decompressor."""
    tool = _decompressor(tuple(sorted(how.items())))
    return _mapped(batch, column, tool.decompress_many)


def _mapped(batch: Batch, column: str, do: Callable[[list[bytes]], Iterable[bytes]]) -> Batch:
    """Return the batch with what `do` makes of the values of a column that are there."""
    if not hasattr(batch, "keys"):
        raise UsageError('batches are wanted as batch_format="numpy" or "pandas" gives them')
    if column not in batch:
        raise UsageError(f"there is no column {column!r}, but {', '.join(map(str, batch.keys()))}")
    values = list(batch[column])
    there = [number for number, value in enumerate(values) if not _is_missing(value)]
    made = do([_bytes_of(values[number], column) for number in there])
    found = np.full(len(values), None, dtype=object)  # numpy's own bytes lose zeros at the end
    for number, value in zip(there, made, strict=True):
        found[number] = value
    return {**batch, column: found}


def _is_missing(value: object) -> bool:
    """Return whether a value stands for none, as pandas has it, too."""
    is_nan = isinstance(value, float) and value != value
    return value is None or is_nan or type(value).__name__ == "NAType"


def _bytes_of(value: object, column: str) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    raise UsageError(
        f"column {column!r} holds {type(value).__name__}, and text or bytes are wanted"
    )


def _done(
    tools: Tools,
    task: Task,
    sources: Iterable[Place],
    output: Place | None,
    address: str | None,
    workers: int | None,
    force: bool,
    resume: Place | None,
    device: str,
) -> list[Report]:
    with actors(tools, address, workers, wants_gpus=device != "cpu") as pool:
        return list(do_files(pool, task, sources, output, force=force, resume=resume))


@lru_cache(maxsize=1)
def _compressor(how: tuple[tuple[str, Any], ...]) -> Compressor:
    return Compressor(**dict(how))


@lru_cache(maxsize=1)
def _decompressor(how: tuple[tuple[str, Any], ...]) -> Decompressor:
    return Decompressor(**dict(how))
