"""What a run has done, for one that goes on after it was killed.

A folder of this user's alone: `manifest.jsonl`, a line for each part and each file that is done,
with its digest; and the parts of files that are not, known by digests of what they were made
of and how. A line that was cut off, and a part that is not what its line says, are as if nothing
had been done.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmzip.codec.access import CodedPart
from llmzip.errors import UsageError
from llmzip.layout.planned import Repeat
from llmzip.ownership import make_private
from llmzip.spread.packing import pack, unpack
from llmzip.spread.places import Span, State
from llmzip.spread.units import MadeFiles, Result, digest
from llmzip.temporaries import lock


@dataclass
class _Part:
    """A result that is kept. n_wanted: how many keys lead to it."""

    digest: bytes
    n_wanted: int


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
        self._parts: dict[str, _Part] = {}
        self._places: dict[str, tuple[str, int]] = {}  # of keys: name of a part, place in it
        self._files: dict[str, tuple[State, bytes]] = {}
        make_private(folder)
        path = folder / "manifest.jsonl"
        self._file = path.open("ab")
        self._lock()
        for line in path.read_bytes().split(b"\n"):
            self._read(line)
        self._file.write(b"\n")  # after a line that was cut off

    def key(
        self,
        span: Span,
        part: CodedPart | None = None,
        copies: Sequence[Repeat] | None = None,
    ) -> str:
        """Return what stands for a file or group, whose bytes are read. Raises as Span.read."""
        how = "" if part is None else f"{part.options} {part.model}"
        how += "" if not copies else repr([(one.start, one.stop, one.distance) for one in copies])
        known = digest(f"{self._settings}\0{how}".encode())
        return digest(known + digest(span.read())).hex()

    def part(self, key: str) -> Result | None:
        """Return the result that was kept under `key`, if it is whole; of a file it alone."""
        name, place = self._places.get(key, ("", 0))
        with suppress(OSError, ValueError, KeyError, TypeError, StopIteration, IndexError):
            data = self._path(name).read_bytes()
            if digest(data) != self._parts[name].digest:
                return None
            result = unpack(data)
            if isinstance(result, MadeFiles):
                result = MadeFiles((result.files[place],))
            self.n_found += 1
            return result
        return None

    def keep(self, keys: Sequence[str], result: Result) -> None:
        """Keep a result: of small files with the key of each. It is safe on disk in the end.

        Raises OSError.
        """
        if (data := pack(result)) is None or not keys:
            return
        name = keys[0]
        path = self._path(name)
        temporary = path.with_suffix(".tmp")
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        self._write({"part": name, "keys": list(keys), "digest": digest(data).hex()})
        self._note_part(name, keys, digest(data))

    def drop(self, keys: Iterable[str]) -> None:
        """Be done with parts: the files that they are for are complete."""
        for key in keys:
            name, _ = self._places.pop(key, ("", 0))
            if (part := self._parts.get(name)) is not None:
                part.n_wanted -= 1
                if part.n_wanted <= 0:
                    del self._parts[name]
                    with suppress(OSError):
                        self._path(name).unlink()

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
        if not lock(self._file.fileno()):
            self._file.close()
            raise UsageError(f"{self.folder} is in use: another llmzip is at work here")

    def _read(self, line: bytes) -> None:
        with suppress(ValueError, KeyError, TypeError):
            fields: dict[str, Any] = json.loads(line)
            found = bytes.fromhex(fields["digest"])
            if "part" in fields:
                self._note_part(str(fields["part"]), [str(key) for key in fields["keys"]], found)
            else:
                state = State(int(fields["bytes"]), str(fields["version"]))
                self._files[str(fields["file"])] = state, found

    def _note_part(self, name: str, keys: Sequence[str], found: bytes) -> None:
        self._parts[name] = _Part(found, len(keys))
        self._places.update({key: (name, place) for place, key in enumerate(keys)})

    def _write(self, fields: dict[str, Any]) -> None:
        self._file.write(json.dumps(fields).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.part"
