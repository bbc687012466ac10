"""The reference of a file: what stands before its text for copies, held by both sides."""

from __future__ import annotations

from typing import BinaryIO

from llmzip.container import FileChecksum, Reference
from llmzip.errors import PatchError
from llmzip.layout import history
from llmzip.layout.program import MAX_DISTANCE

_PIECE_BYTES = 1 << 20


def reference_of(file: BinaryIO) -> Reference:
    """Return what a member says of the reference in `file`, all of which is read.

    Raises PatchError where it is empty, or longer than copies reach.
    """
    checksum = FileChecksum()
    file.seek(0)
    while piece := file.read(_PIECE_BYTES):
        checksum.update(piece)
    if not 1 <= checksum.n_bytes <= MAX_DISTANCE:
        raise PatchError(
            f"a reference of {checksum.n_bytes:,} bytes: it has 1 to {MAX_DISTANCE:,} bytes"
        )
    return Reference(checksum.digest(), checksum.n_bytes)


def opened_reference(wanted: Reference | None, file: BinaryIO | None) -> history.Reference | None:
    """Return the reference that a member names, None where it names none.

    file: what is at hand. Raises PatchError if that is another, or nothing.
    """
    if wanted is None:
        return None
    if file is None:
        raise PatchError(
            f"the file was made from another one of {wanted.n_bytes:,} bytes, which it needs; "
            "give that with --patch-from"
        )
    if reference_of(file) != wanted:
        raise PatchError(
            f"the file was made from another one of {wanted.n_bytes:,} bytes than the one given "
            "with --patch-from"
        )
    return history.Reference(file)
