"""Archives of all formats, made by Python, and pieces that hostile columns are made of."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

FORMATS: dict[str, Literal[0, 1, 2]] = {
    "ustar": tarfile.USTAR_FORMAT,
    "gnu": tarfile.GNU_FORMAT,
    "pax": tarfile.PAX_FORMAT,
}
LONG_NAME = "a folder/" + "with a long name/" * 8 + "file.txt"
FOLDER, LINK, HARD_LINK, DEVICE = (
    tarfile.DIRTYPE,
    tarfile.SYMTYPE,
    tarfile.LNKTYPE,
    tarfile.CHRTYPE,
)


def member(name: str, size: int = 0, **fields: object) -> tarfile.TarInfo:
    """Return a file's header, with these fields."""
    info = tarfile.TarInfo(name)
    info.size = size
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def archive(members: Iterable[tuple[tarfile.TarInfo, bytes]], form: str = "ustar") -> bytes:
    """Return an archive of files with these contents."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=FORMATS[form]) as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return sink.getvalue()


def all_sorts(form: str) -> list[tarfile.TarInfo]:
    """Return headers of every sort that a format has."""
    sorts = [
        member("plain.txt", 700, mtime=1_700_000_000, uname="me", gname="us"),
        member("plain2.txt", 70_000_000, mtime=1_700_000_000.25, mode=0o600, uid=1000),
        member("plain3.txt", 9, mtime=1_700_000_001, uname="me", gname="us"),
        member("folder", mtime=0, mode=0o755, type=FOLDER),
        member("link", type=LINK, linkname="plain.txt"),
        member("hard", type=HARD_LINK, linkname="plain2.txt"),
        member("tty", type=DEVICE, devmajor=4, devminor=64),
        member("größe\n.txt", 5),
    ]
    if form != "ustar":
        sorts += [
            member(LONG_NAME, 8, mtime=1.5),
            member(LONG_NAME.replace("file", "file9"), 8),
            member("far", type=LINK, linkname=LONG_NAME),
            member("huge", 1 << 40),
        ]
    if form == "gnu":
        sorts += [member("old", 3, mtime=-5), member("owned", 1, uid=1 << 30)]
    return sorts


def headers_of(form: str) -> bytes:
    """Return all these headers, with the data that belongs to them."""
    return b"".join(
        info.tobuf(FORMATS[form], "utf-8", "surrogateescape") for info in all_sorts(form)
    )


def made_by_tar(folder: Path, form: str) -> bytes | None:
    """Return the archive that the program tar makes of a folder; None where there is none."""
    program = shutil.which("tar")
    if program is None:
        return None
    done = subprocess.run(
        [program, f"--format={form}", "-cf", "-", folder.name],
        cwd=folder.parent,
        capture_output=True,
        check=False,
    )
    return done.stdout if done.returncode == 0 else None
