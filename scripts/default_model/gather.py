"""Gathers the texts that the default model was trained on: python gather.py OUT --from CLONES.

sources.toml names them: repositories at a commit, with their licences, which files count, how
they are turned into text, and how much is taken. CLONES holds a clone of each, bare or not, in a
folder named owner+name; what is missing is said, with the command that gets it. --own NAME=FOLDER
adds files of one's own, such as the logs that this machine writes, in a part of that name.

Of each part one file is written, in an order that depends on names only and is as good as random.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from xml.etree import ElementTree

from forms import FORMS

SOURCES = Path(__file__).with_name("sources.toml")
MOST_OF_ONE = 200_000  # bytes of one file, so that no single one makes a part
FORBIDDEN = ("carroll", "shakespeare", "hardy")  # authors of texts that compressors are measured by


@dataclass(frozen=True)
class Source:
    """A repository at a commit, and what is taken of it: glob patterns of paths, and bytes."""

    part: str
    repository: str
    commit: str
    licence: str
    files: tuple[str, ...]
    n_bytes: int
    form: str = "plain"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the parts; say what was taken."""
    options = _parse(arguments)
    sources = read_sources(SOURCES)
    missing = [source for source in sources if not _clone(options.clones, source).exists()]
    for repository in sorted({source.repository for source in missing}):
        where = options.clones / repository.replace("/", "+")
        print(f"git clone https://github.com/{repository} {where}", file=sys.stderr)
    if missing:
        return 1
    parts: dict[str, list[str]] = {}
    for source in sources:
        texts = list(_taken(_texts(_clone(options.clones, source), source), source.n_bytes))
        parts.setdefault(source.part, []).extend(texts)
        n_bytes = sum(len(text.encode()) for text in texts)
        print(f"{source.part}: {source.repository} ({source.form}) {n_bytes:,}", file=sys.stderr)
    for name, folder, n_bytes in options.own:
        files = (path for path in folder.rglob("*") if path.is_file())
        found = [(str(path.relative_to(folder)), path.read_bytes()) for path in files]
        parts.setdefault(name, []).extend(_taken(_decoded(found), n_bytes))
    options.out.mkdir(parents=True, exist_ok=True)
    for name, texts in parts.items():
        texts.sort(key=lambda text: hashlib.sha256(text.encode()).digest())
        (options.out / f"{name}.txt").write_text("".join(texts), encoding="utf-8", newline="")
    return 0


def read_sources(path: Path) -> list[Source]:
    """Return what a file of sources names."""
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    return [
        Source(
            part=entry["part"],
            repository=entry["repository"],
            commit=content["commits"][entry["repository"]],
            licence=content["licences"][entry["repository"]],
            files=tuple(entry["files"]),
            n_bytes=entry["bytes"],
            form=entry.get("form", "plain"),
        )
        for entry in content["source"]
    ]


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--from", dest="clones", type=Path, required=True, metavar="CLONES")
    parser.add_argument("--own", type=_own, action="append", default=[], metavar="NAME=FOLDER:N")
    return parser.parse_args(arguments)


def _own(text: str) -> tuple[str, Path, int]:
    name, _, rest = text.partition("=")
    folder, _, n_bytes = rest.rpartition(":")
    return name, Path(folder), int(n_bytes)


def _clone(clones: Path, source: Source) -> Path:
    folder = clones / source.repository.replace("/", "+")
    return folder / "repo" if (folder / "repo").exists() else folder


def _texts(clone: Path, source: Source) -> Iterator[tuple[str, str]]:
    """Yield the names and texts of a source's files in an order as good as random."""
    if source.form == "mails":
        yield "log", _git(clone, "log", "--no-merges", "-4000", "--format=email", source.commit)
        return
    if source.form == "commits":
        fields = '{"commit": "%h", "author": "%an", "date": "%aI", "subject": "%f"}'
        yield "log", _git(clone, "log", "-6000", f"--format={fields}", source.commit)
        return
    names = _git(clone, "ls-tree", "-r", "-z", "--name-only", source.commit).split("\0")
    chosen = [name for name in names if any(fnmatch(name, glob) for glob in source.files)]
    chosen = [name for name in chosen if not any(word in name.lower() for word in FORBIDDEN)]
    found = ((name, _content(clone, source, name)) for name in _shuffled(chosen))
    for name, text in _decoded(found):
        try:
            yield name, FORMS[source.form](text)
        except (ElementTree.ParseError, StopIteration):
            print(f"{source.repository}: {name} left out", file=sys.stderr)


def _content(clone: Path, source: Source, name: str) -> bytes:
    try:
        return _git_bytes(clone, "show", f"{source.commit}:{name}")
    except subprocess.CalledProcessError:  # a clone that lacks large files
        print(f"{source.repository}: {name} is not in the clone", file=sys.stderr)
        return b""


def _shuffled(names: Sequence[str]) -> list[str]:
    return sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())


def _decoded(
    found: Iterator[tuple[str, bytes]] | list[tuple[str, bytes]],
) -> Iterator[tuple[str, str]]:
    for name, data in found:
        try:
            yield name, data.decode().replace("\r\n", "\n")
        except UnicodeDecodeError:
            continue


def _taken(texts: Iterator[tuple[str, str]], n_bytes: int) -> Iterator[str]:
    """Yield texts until there are enough bytes, each of them once and cut at a line's end."""
    seen = set()
    for _, text in texts:
        text = text.strip("\n") + "\n\n"
        key = hashlib.sha256(text.encode()).digest()
        if n_bytes <= 0:
            return
        if len(text) < 200 or key in seen:
            continue
        seen.add(key)
        most = n_bytes if n_bytes > 4 * MOST_OF_ONE and len(seen) == 1 else MOST_OF_ONE
        cut = text.encode()[: min(most, n_bytes)].decode(errors="ignore")
        cut = cut[: cut.rfind("\n") + 1]
        n_bytes -= len(cut.encode())
        yield cut


def _git(clone: Path, *arguments: str) -> str:
    return _git_bytes(clone, *arguments).decode(errors="replace")


def _git_bytes(clone: Path, *arguments: str) -> bytes:
    command = ["git", "-C", str(clone), *arguments]
    return subprocess.run(command, check=True, capture_output=True).stdout


if __name__ == "__main__":
    sys.exit(main())
