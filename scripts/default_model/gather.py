"""Gathers texts to train an adapter on: python gather.py MIX.toml OUT --from CLONES.

The first file names them: repositories at a commit, with their licences, which files count, how
they are turned into text, and how much is taken. CLONES holds a clone of each, bare or not, in a
folder named owner+name; what is missing is said, with the command that gets it. --own NAME=FOLDER
adds files of one's own, such as the logs that this machine writes, in a part of that name.

Of each part one file is written, in an order that depends on names only and is as good as random.
--table prints the parts that lie in OUT as a table, as docs/MODELS.md has one.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from xml.etree import ElementTree

from forms import FORMS

MOST_OF_ONE = 200_000  # bytes of one file, so that no single one makes a part
ENCODED = re.compile(r"[A-Za-z0-9+/_-]{400}|(?:[A-Za-z0-9+/]{60,80}\n){5}")  # base64
LONGEST_LINE = 2000  # characters on the average: what has longer ones is minified
OF_HISTORY = {
    "mails": ("--no-merges", "-4000", "--format=email"),
    "commits": (
        "-6000",
        '--format={"commit": "%h", "author": "%an", "date": "%aI", "subject": "%f"}',
    ),
    "stat": ("--no-merges", "-1500", "--stat=100"),
}
UNREADABLE = (
    *(ElementTree.ParseError, StopIteration, csv.Error),
    *(AttributeError, KeyError, TypeError, ValueError),
)
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
    most: int = MOST_OF_ONE


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the parts; say what was taken."""
    options = _parse(arguments)
    sources = read_sources(options.mix)
    if options.table:
        print(table(sources, options.out))
        return 0
    if options.clones is None:
        print("--from says where the clones are", file=sys.stderr)
        return 2
    missing = [source for source in sources if not _clone(options.clones, source).exists()]
    for repository in sorted({source.repository for source in missing}):
        where = options.clones / repository.replace("/", "+")
        print(f"git clone https://github.com/{repository} {where}", file=sys.stderr)
    if missing:
        return 1
    parts: dict[str, list[str]] = {}
    for source in sources:
        of_source = _texts(_clone(options.clones, source), source)
        is_history = source.form in OF_HISTORY
        most = source.n_bytes if is_history else source.most
        texts = list(_taken(of_source, source.n_bytes, most, is_one=is_history))
        if not texts:
            print(f"{source.repository}: nothing came of {source.form}", file=sys.stderr)
        parts.setdefault(source.part, []).extend(texts)
        n_bytes = sum(len(text.encode()) for text in texts)
        print(f"{source.part}: {source.repository} ({source.form}) {n_bytes:,}", file=sys.stderr)
    for name, folder, n_bytes in options.own:
        files = (path for path in folder.rglob("*") if path.is_file())
        found = [(str(path.relative_to(folder)), path.read_bytes()) for path in files]
        parts.setdefault(name, []).extend(_taken(_decoded(found), n_bytes, MOST_OF_ONE))
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
            most=entry.get("most", MOST_OF_ONE),
        )
        for entry in content["source"]
    ]


def table(sources: Sequence[Source], out: Path) -> str:
    """Return a table of the parts that lie in a folder: megabytes, sources, licences."""
    lines = ["| part | MB | from | licences |", "|---|---:|---|---|"]
    for path in sorted(out.glob("*.txt")):
        of_part = [source for source in sources if source.part == path.stem]
        names = ", ".join(dict.fromkeys(source.repository for source in of_part))
        licences = "; ".join(sorted({source.licence for source in of_part}))
        n_bytes = path.stat().st_size
        lines.append(f"| {path.stem} | {n_bytes / 1e6:.1f} | {names or 'our own'} | {licences} |")
    return "\n".join(lines)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mix", type=Path, metavar="MIX.toml")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--from", dest="clones", type=Path, metavar="CLONES")
    parser.add_argument("--table", action="store_true")
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
    if source.form in OF_HISTORY:
        command = ["git", "-C", str(clone), "log", *OF_HISTORY[source.form], source.commit]
        log = subprocess.run(command, check=False, capture_output=True).stdout
        yield "log", log.decode(errors="replace")  # up to what a clone lacks
        return
    names = _git(clone, "ls-tree", "-r", "-z", "--name-only", source.commit).split("\0")
    chosen = [name for name in names if any(fnmatch(name, glob) for glob in source.files)]
    chosen = [name for name in chosen if not any(word in name.lower() for word in FORBIDDEN)]
    found = _contents(clone, source, _shuffled(chosen))
    for name, text in _decoded(found):
        try:
            yield name, FORMS[source.form](text)
        except UNREADABLE:
            print(f"{source.repository}: {name} left out", file=sys.stderr)


def _contents(clone: Path, source: Source, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    command = ["git", "-C", str(clone), "cat-file", "--batch"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as git:
        assert git.stdin is not None
        assert git.stdout is not None
        for name in names:
            git.stdin.write(f"{source.commit}:{name}\n".encode())
            git.stdin.flush()
            head = git.stdout.readline().split()
            if len(head) != 3 or not head[2].isdigit():  # a clone that lacks large files
                print(f"{source.repository}: {name} is not in the clone", file=sys.stderr)
                continue
            data = git.stdout.read(int(head[2]) + 1)[:-1]
            if head[1] == b"blob":
                yield name, data


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


def _taken(
    texts: Iterator[tuple[str, str]], n_bytes: int, most: int, *, is_one: bool = False
) -> Iterator[str]:
    """Yield texts until there are enough bytes, each of them once and cut at a line's end.

    No text gives more than `most` bytes. is_one: a repository's history, which is no junk.
    """
    seen = set()
    for _, text in texts:
        text = text.strip("\n") + "\n\n"
        key = hashlib.sha256(text.encode()).digest()
        if n_bytes <= 0:
            return
        if len(text) < 200 or key in seen or (_is_junk(text) and not is_one):
            continue
        seen.add(key)
        cut = text.encode()[: min(most, n_bytes)].decode(errors="ignore")
        cut = cut[: cut.rfind("\n") + 1]
        n_bytes -= len(cut.encode())
        yield cut


def _is_junk(text: str) -> bool:
    """Whether a text is minified, or holds much that is encoded."""
    return len(text) > LONGEST_LINE * text.count("\n") or len(ENCODED.findall(text)) > 2


def _git(clone: Path, *arguments: str) -> str:
    command = ["git", "-C", str(clone), *arguments]
    return subprocess.run(command, check=True, capture_output=True).stdout.decode(errors="replace")


if __name__ == "__main__":
    sys.exit(main())
