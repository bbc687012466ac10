"""Collects samples of many kinds of data from this machine: python benchmarks/gather_kinds.py OUT.

Each kind becomes one file in OUT: what is found in the folders where this kind usually lies
(Python's own sources, installed packages, documentation, logs, shared libraries), or in those
that `--from KIND=FOLDER` names instead. Nothing is downloaded. Files come in an order that
depends on their names only and is as good as random, no content twice, none with more than an
eighth of the sample, so that a prefix of a sample is a fair sample too. Kinds of which too
little is found are shorter, or left out.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import os
import site
import sys
import sysconfig
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

MAX_FILES = 200_000  # looked at for a kind
MAX_SHARE = 8  # a sample is of at least this many files, where there are as many
MIN_RECORDS = 20  # a list in a JSON file that is shorter is no table of records
MAX_READ_BYTES = 1 << 26

STDLIB = Path(sysconfig.get_path("stdlib"))
PACKAGES = tuple(Path(folder) for folder in site.getsitepackages())
DOCUMENTS = Path("/usr/share/doc")

Found = Iterator[tuple[str, bytes]]  # of names and contents


@dataclass(frozen=True)
class Kind:
    """A kind of data: where files of it lie, how their names end (in any way, if empty)."""

    name: str
    folders: tuple[Path, ...] = ()
    suffixes: tuple[str, ...] = ()
    convert: Callable[[bytes], bytes] | None = None


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the samples; say what was found."""
    options = parse(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        if options.only and kind.name not in options.only:
            continue
        folders = tuple(folder for name, folder in options.folders if name == kind.name)
        sample = gather(kind, folders or kind.folders, options.bytes)
        print(f"{kind.name}: {len(sample):,} bytes", file=sys.stderr)
        if sample:
            (options.out / kind.name).write_bytes(sample)
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="benchmarks/gather_kinds.py", description=__doc__)
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--bytes", type=int, default=2_000_000, help="of each sample, at most")
    parser.add_argument("--only", type=lambda text: text.split(","), metavar="KIND,...")
    parser.add_argument(
        "--from",
        dest="folders",
        type=_folder,
        action="append",
        default=[],
        metavar="KIND=FOLDER",
        help="where files of a kind lie; may be given several times",
    )
    return parser.parse_args(arguments)


def _folder(text: str) -> tuple[str, Path]:
    name, _, folder = text.partition("=")
    if name not in {kind.name for kind in KINDS} or not Path(folder).is_dir():
        raise argparse.ArgumentTypeError(f"{text}: not KIND=FOLDER")
    return name, Path(folder)


def gather(kind: Kind, folders: Sequence[Path], n_bytes: int) -> bytes:
    """Return at most `n_bytes` of this kind."""
    if kind.name == "tar":
        return _tar(folders, n_bytes)
    sample = bytearray()
    for _, data in _contents(kind, folders, n_bytes // MAX_SHARE):
        sample += data
        if len(sample) >= n_bytes:
            break
    return bytes(sample[:n_bytes])


def _tar(folders: Sequence[Path], n_bytes: int) -> bytes:
    """Return the beginning of an archive of files of all kinds in the folders."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, data in _contents(Kind("tar", suffixes=MIXED), folders, n_bytes // MAX_SHARE):
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(data), 1_700_000_000
            archive.addfile(member, io.BytesIO(data))
            if sink.tell() >= n_bytes:
                break
    archived = sink.getvalue()
    return archived[:n_bytes] if archived.strip(b"\0") else b""


def _contents(kind: Kind, folders: Sequence[Path], most: int) -> Found:
    """Yield name and content of each file, in the order of the hashes of their names."""
    named = [(_place(name), name, path) for name, path in _files(folders, kind.suffixes)]
    seen: set[bytes] = set()
    for _, name, path in sorted(named):
        data = _read(path)
        if kind.convert is not None:
            data = kind.convert(data)
        digest = hashlib.sha256(data).digest()
        if data and digest not in seen:
            seen.add(digest)
            yield name, _cut(data, most)


def _files(folders: Sequence[Path], suffixes: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    """Yield the names, relative to their folders, and paths of regular files."""
    n_left = MAX_FILES
    for folder in folders:
        for parent, below, names in os.walk(folder):
            below.sort()
            for name in sorted(names):
                path = Path(parent, name)
                wanted = not suffixes or name.removesuffix(".gz").endswith(suffixes)
                if wanted and path.is_file() and not path.is_symlink() and n_left:
                    n_left -= 1
                    yield path.relative_to(folder).as_posix(), path


def _place(name: str) -> bytes:
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()


def _read(path: Path) -> bytes:
    """Return the beginning of a file, out of its .gz; nothing if it cannot be read."""
    try:
        if path.suffix == ".gz":
            with gzip.open(path) as packed:
                return packed.read(MAX_READ_BYTES)
        with path.open("rb") as file:
            return file.read(MAX_READ_BYTES)
    except (OSError, EOFError, zlib.error):
        return b""


def _cut(data: bytes, most: int) -> bytes:
    """Return at most about `most` bytes of `data`, at the end of a line where there is one."""
    if len(data) <= most:
        return data
    end = data.rfind(b"\n", 0, most) + 1
    return data[: end or most]


def _json_lines(data: bytes) -> bytes:
    """Return each record of the longest list (or mapping) of objects in `data` as a line."""
    try:
        records = max(_tables(json.loads(data)), key=len, default=[])
    except (ValueError, RecursionError):
        return b""
    return b"".join(
        json.dumps(record, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        for record in records
    )


def _tables(value: object, depth: int = 3) -> Iterator[list[object]]:
    """Yield the lists of objects in `value`, down to some depth."""
    if not isinstance(value, list | dict) or not depth:
        return
    inner = list(value.values()) if isinstance(value, dict) else value
    if len(inner) >= MIN_RECORDS and all(isinstance(one, dict) for one in inner):
        yield inner
    for one in inner:
        yield from _tables(one, depth - 1)


MIXED = (
    *(".py", ".c", ".h", ".md", ".html", ".css", ".js", ".json", ".csv", ".txt", ".xml", ".rst"),
    *(".png", ".svg", ".ttf", ".afm", ".so", ".npz", ".mo", ".zip", "METADATA", "RECORD"),
)

KINDS = (
    Kind("prose"),
    Kind("python", (STDLIB,), (".py",)),
    Kind("log", (Path("/var/log"), DOCUMENTS), (".log",)),
    Kind("html", (*PACKAGES, DOCUMENTS), (".html", ".htm")),
    Kind("markdown", (*PACKAGES, DOCUMENTS), (".md",)),
    Kind("json", PACKAGES, (".json",)),
    Kind("jsonl", (*PACKAGES, Path("/usr/share/iso-codes")), (".json",), _json_lines),
    Kind("csv", PACKAGES, (".csv", ".tsv")),
    Kind("german", (Path("/usr/share/man/de"),)),
    Kind("french", (Path("/usr/share/man/fr"),)),
    Kind("russian", (Path("/usr/share/man/ru"),)),
    Kind("japanese", (Path("/usr/share/man/ja"),)),
    Kind("chinese", (Path("/usr/share/man/zh_CN"), Path("/usr/share/man/zh_TW"))),
    Kind("binary", (*PACKAGES, Path("/usr/lib")), (".so",)),
    Kind("tar", PACKAGES, MIXED),
)


if __name__ == "__main__":
    sys.exit(main())
