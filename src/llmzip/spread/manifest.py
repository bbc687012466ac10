"""What a run has done, for one that goes on after it was killed.

A folder of this user's alone: `manifest.jsonl`, a line for each part and each file that is done,
with its digest; and the parts of files that are not, each under the digest of what it was made
of and how. A line that was cut off, and a part that is not what its line says, are as if nothing
had been done.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from llmzip.errors import UsageError
from llmzip.ownership import make_private
from llmzip.spread.packing import pack, unpack
from llmzip.spread.places import State
from llmzip.spread.units import OneGroup, Result, Unit, digest

try:
    import fcntl
except ImportError:  # Windows: two runs at once are not noticed there
    fcntl = None  # type: ignore[assignment]


class Manifest:
    """What is done, in `folder`, which is made if need be.

    settings: all that decides what comes out; parts that were made otherwise are not found.
    n_found: parts that were there.
    Raises UntrustedError for a folder that others may write to, UsageError if another run is at
    work on it, OSError.
    """

    def __init__(self, folder: Path, settings: str) -> None:
        self.folder = folder
        self.n_found = 0
        self._settings = settings
        self._parts: dict[str, bytes] = {}
        self._files: dict[str, tuple[State, bytes]] = {}
        make_private(folder)
        path = folder / "manifest.jsonl"
        self._file = path.open("ab")
        self._lock()
        for line in path.read_bytes().split(b"\n"):
            self._read(line)
        self._file.write(b"\n")  # after a line that was cut off

    def key(self, unit: Unit) -> str:
        """Return what stands for a unit, whose bytes are read. Raises as Span.read does."""
        known = [self._settings, type(unit).__name__]
        if isinstance(unit, OneGroup) and unit.part is not None:
            known += [repr(unit.part.options), repr(unit.part.model)]
        digests = [digest(span.read()) for span in unit.spans]
        return digest(b"".join([digest("\0".join(known).encode()), *digests])).hex()

    def part(self, key: str) -> Result | None:
        """Return the result that was kept under `key`, if it is whole."""
        with suppress(OSError, ValueError, KeyError, TypeError, StopIteration):
            data = self._path(key).read_bytes()
            if digest(data) == self._parts.get(key):
                result = unpack(data)
                self.n_found += 1
                return result
        return None

    def keep(self, key: str, result: Result) -> None:
        """Keep a result, safe on disk when this returns. Raises OSError."""
        if (data := pack(result)) is None:
            return
        path = self._path(key)
        temporary = path.with_suffix(".tmp")
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        self._parts[key] = digest(data)
        self._write({"part": key, "digest": digest(data).hex()})

    def drop(self, keys: Iterable[str]) -> None:
        """Be done with parts: the files that they are for are complete."""
        for key in keys:
            with suppress(OSError):
                self._path(key).unlink()

    def finished(self, target: str, source: State) -> bytes | None:
        """Return the digest that an output was finished with, from the same input."""
        state, found = self._files.get(target, (None, None))
        return found if state == source else None

    def finish(self, target: str, source: State, output_digest: bytes) -> None:
        """Note that an output is complete. Raises OSError."""
        self._files[target] = source, output_digest
        fields = {"file": target, "bytes": source.n_bytes, "version": source.version}
        self._write({**fields, "digest": output_digest.hex()})

    def close(self, is_done: bool = False) -> None:
        """Let others have it; remove it where all is done."""
        if is_done:
            shutil.rmtree(self.folder, ignore_errors=True)
        self._file.close()

    def _lock(self) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            self._file.close()
            raise UsageError(f"{self.folder} is in use: another llmzip is at work here") from exc
        except OSError:
            return  # a file system without locks

    def _read(self, line: bytes) -> None:
        with suppress(ValueError, KeyError, TypeError):
            fields: dict[str, Any] = json.loads(line)
            found = bytes.fromhex(fields["digest"])
            if "part" in fields:
                self._parts[str(fields["part"])] = found
            else:
                state = State(int(fields["bytes"]), str(fields["version"]))
                self._files[str(fields["file"])] = state, found

    def _write(self, fields: dict[str, Any]) -> None:
        self._file.write(json.dumps(fields).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.part"
