"""What a Ray cluster costs that loses an actor, a node, and whoever deals the work.

    python benchmarks/spread_faults.py FILE... [--files 200] [--texts 12] [--level 1] [--s3 URL]

A folder of files of 0.5 kB to 2 MB, with pieces of the files given among cheap content, is
compressed by one process, then by four actors on two nodes of this machine: undisturbed; with an
actor and then a node killed; with the command killed by SIGKILL and given again with --resume. Each
time every output is compared with that of one process. --s3: once more by URLs, through a server
that speaks S3's protocol, for one `moto_server`; without, the same over memory://.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from script_options import script_parser
from spread_cluster import LocalCluster, cluster
from spread_folders import compare, make_folder
from table import markdown_table

HEADINGS = ("", "seconds", "files", "parts done", "found done", "workers lost", "given again")
N_WORKERS = 4
_COUNTS = re.compile(
    r"(?P<done>[\d,]+) parts done by workers(?:, (?P<found>[\d,]+) found done)?; "
    r"(?P<lost>[\d,]+) workers lost, (?P<again>[\d,]+) parts given again"
)


def main(arguments: Sequence[str] | None = None) -> str:
    """Measure; print and return a table in Markdown."""
    parser = script_parser("spread_faults.py", (__doc__ or "").partition("\n")[0])
    parser.add_argument("--files", type=int, default=200, dest="n_files")
    parser.add_argument("--texts", type=int, default=12, help="of the files that are real text")
    parser.add_argument("--level", type=int, default=1)
    parser.add_argument("--s3", metavar="URL")
    options = parser.parse_args(arguments)
    texts = b"".join(path.read_bytes() for path in options.files)
    if options.s3 is not None:
        from spread_urls import know

        know(options.s3)
    with tempfile.TemporaryDirectory() as name, cluster(n_nodes=2, n_cpus=2) as running:
        folder = Path(name)
        n_bytes = make_folder(folder / "plain", texts, options.n_files, options.texts)
        rows = _Faults(folder, running, options).rows()
    table = f"{options.n_files} files, {n_bytes:,} bytes\n\n{markdown_table(HEADINGS, rows)}\n"
    print(table)
    if options.markdown:
        options.markdown.write_text(table, encoding="utf-8")
    return table


class _Faults:
    """The runs, one after the other."""

    def __init__(self, folder: Path, running: LocalCluster, options: argparse.Namespace) -> None:
        self._folder = folder
        self._cluster = running
        self._options = options
        self._spread = ("--ray", running.address, "--processes", str(N_WORKERS))

    def rows(self) -> list[tuple[str, ...]]:
        """Do them; return a row of each. Raises RoundTripError."""
        return [
            self._run("one process", "alone", ()),
            self._run("four actors", "spread", self._spread),
            self._resumed(),
            self._run("an actor and a node killed", "killed", self._spread, self._kill_both),
            self._by_urls(),
        ]

    def _command(self, out: str, how: Sequence[str]) -> subprocess.Popen[str]:
        level = f"-{self._options.level}"
        command = [sys.executable, "-m", "llmzip", level, "-v", "-m", self._options.model]
        where = ["-r", str(self._folder / "plain"), "--output-dir", str(self._folder / out)]
        return subprocess.Popen([*command, *how, *where], stderr=subprocess.PIPE, text=True)

    def _run(
        self,
        name: str,
        out: str,
        how: Sequence[str],
        meddle: Callable[[Path], None] | None = None,
    ) -> tuple[str, ...]:
        begin_s = time.monotonic()
        process = self._command(out, how)
        if meddle is not None:
            meddle(self._folder / out)
        said = process.communicate()[1]
        seconds = time.monotonic() - begin_s
        if process.returncode:
            raise SystemExit(f"{name}: status {process.returncode}: {said[-2000:]}")
        n_files = compare(self._folder / "alone", self._folder / out)
        return name, f"{seconds:.1f}", str(n_files), *_counts(said)

    def _kill_both(self, out: Path) -> None:
        """Kill an actor after a quarter of the files, and a node after half of them."""
        self._wait_for(out, 0.25)
        os.kill(_actor_processes()[0], signal.SIGKILL)
        self._wait_for(out, 0.5)
        self._cluster.kill_node()

    def _resumed(self) -> tuple[str, ...]:
        """Kill the command after half of the files, and give it again."""
        process = self._command("resumed", (*self._spread, "--resume"))
        self._wait_for(self._folder / "resumed", 0.5)
        process.kill()
        process.communicate()
        n_there = len(list((self._folder / "resumed").glob("*.llmz")))
        name = f"command killed with {n_there} files there, resumed"
        return self._run(name, "resumed", (*self._spread, "--resume"))

    def _wait_for(self, out: Path, share: float) -> None:
        while len(list(out.glob("*.llmz"))) < share * self._options.n_files:
            time.sleep(0.05)

    def _by_urls(self) -> tuple[str, ...]:
        """Do the same by URLs, in a process that sees only these."""
        from spread_urls import compress_by_urls

        begin_s = time.monotonic()
        url, n_files = compress_by_urls(self._folder, self._cluster.address, self._options)
        seconds = time.monotonic() - begin_s
        return f"four actors, {url}", f"{seconds:.1f}", str(n_files), "", "", "", ""


def _actor_processes() -> list[int]:
    """Return the processes of actors, which Ray names after their class."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if folder.joinpath("cmdline").read_bytes().startswith(b"ray::_Actor"):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def _counts(said: str) -> tuple[str, ...]:
    match = _COUNTS.search(said)
    if match is None:
        return "", "", "", ""
    return tuple(match[name] or "" for name in ("done", "found", "lost", "again"))


if __name__ == "__main__":
    main()
