"""Every setting that must change no byte, in every combination, as one table: docs/MATRIX.md.

    python scripts/matrix.py                  # print the table: ways, threads, batches, limits
    python scripts/matrix.py --write          # and put it into docs/MATRIX.md
    python scripts/matrix.py --venv oldest    # make .matrix/oldest first: the oldest libraries

Each row is a process of its own, with its own environment and an empty cache, so it prepares the
model itself. It compresses a text by every level of LEVELS, number of threads and batch, decodes
what the first row wrote by each of them, and reports digests, which must be those of the first.
Rows of another virtual environment are run where it has been made.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import itertools
import json
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "MATRIX.md"
BEGIN, END = "<!-- matrix -->", "<!-- end of matrix -->"
ENVIRONMENTS = ROOT / ".matrix"
TEXT = (ROOT / "LICENSE").read_bytes()[2000:2700]  # so short that even a random model is best
CHUNK_TOKENS, LEVELS, THREADS, BATCHES = 160, (2, 5), (1, 2), (1, 5)
WAYS = ("plain", "avx2", "avx-vnni", "vnni", "amx")
LIMITS: dict[str, dict[str, str]] = {
    "none": {},
    "oneDNN: AVX2": {"ONEDNN_MAX_CPU_ISA": "AVX2"},
    "oneDNN: SSE4.1": {"ONEDNN_MAX_CPU_ISA": "SSE41"},
    "torch: no vectors": {"ATEN_CPU_CAPABILITY": "default"},
    "numba: any processor": {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""},
}
LIBRARIES = ("torch", "numpy", "numba", "transformers", "tokenizers", "safetensors")
TIMEOUT_S = 1800


@dataclass(frozen=True)
class Row:
    """A process's settings, and what became of it. found: None where it could not be run."""

    libraries: str
    limits: str
    way: str
    found: dict[str, Any] | None
    said: str = ""


def main() -> int:
    """Run what is asked for; 1 if any cell differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="put the table into docs/MATRIX.md")
    parser.add_argument("--venv", choices=["oldest"], help="make this environment first")
    parser.add_argument("--cell", nargs=2, metavar=("MODEL", "FILE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.cell:
        print(json.dumps(cell(given.cell[0], Path(given.cell[1]))))
        return 0
    if given.venv:
        make_environment(given.venv)
    with tempfile.TemporaryDirectory() as name:
        rows = all_rows(Path(name))
    lines = table(rows)
    print("\n".join(lines))
    if given.write:
        text = DOCUMENT.read_text(encoding="utf-8")
        before, after = text.partition(BEGIN)[0], text.partition(END)[2]
        filled = "\n".join([BEGIN, "", *lines, "", END])
        DOCUMENT.write_text(before + filled + after, encoding="utf-8")
    return int(not is_one(rows))


def cell(model: str, file: Path) -> dict[str, Any]:
    """In a row's process: digests by level, threads and batch. Writes `file` if it is not there."""
    from importlib.metadata import version

    import llmzip

    digests = {}
    for level, threads, batch in itertools.product(LEVELS, THREADS, BATCHES):
        how: dict[str, Any] = {"model": model, "device": "cpu", "threads": threads, "batch": batch}
        sink, back = io.BytesIO(), io.BytesIO()
        compressor = llmzip.Compressor(**how, level=level, chunk_tokens=CHUNK_TOKENS)
        stats = compressor.compress(io.BytesIO(TEXT), sink)
        assert stats.n_chunks > 1, "the model had nothing to do"
        first = file.with_suffix(f".{level}")
        if not first.exists():
            first.write_bytes(sink.getvalue())
        llmzip.Decompressor(**how).decompress(io.BytesIO(first.read_bytes()), back)
        assert back.getvalue() == TEXT, "the first row's file decodes to something else"
        key = f"level {level}, {threads} threads, batch {batch}"
        digests[key] = hashlib.sha256(sink.getvalue()).hexdigest()
    return {"versions": {name: version(name) for name in LIBRARIES}, "digests": digests}


def all_rows(folder: Path) -> list[Row]:
    """Run every row there is."""
    model = make_model(folder / "model")
    pythons = {"newest": Path(sys.executable)}
    oldest = ENVIRONMENTS / "oldest" / "bin" / "python"
    if oldest.exists():
        pythons["oldest"] = oldest
    settings = itertools.product(pythons, LIMITS, WAYS)
    return [run_row(pythons[name], name, limits, way, model) for name, limits, way in settings]


def make_model(folder: Path) -> Path:
    """Save the tests' small Llama whose widths all ways take."""
    sys.path.insert(0, str(ROOT / "tests"))
    import conftest

    return conftest.save_team(folder)


def run_row(python: Path, name: str, limits: str, way: str, model: Path) -> Row:
    """Run a row in a process of its own, with a cache of its own."""
    home = model.parent / f"{name} {limits} {way}".replace(" ", "-").replace(":", "")
    environment = {
        **os.environ,
        **LIMITS[limits],
        "LLMZIP_WAY": way,
        "LLMZIP_HOME": str(home),
        "PYTHONPATH": str(ROOT / "src"),
        "NUMBA_CACHE_DIR": str(ENVIRONMENTS / "kernels" / name),  # kept apart by processor there
    }
    (ENVIRONMENTS / "kernels").mkdir(parents=True, exist_ok=True)
    print(f"{name}, {limits}, {way}", file=sys.stderr)
    command = [str(python), __file__, "--cell", str(model), str(model.parent / "first")]
    try:
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Row(name, limits, way, None, f"not done in {TIMEOUT_S} s")
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no word"]
        return Row(name, limits, way, None, lines[-1])
    return Row(name, limits, way, json.loads(done.stdout.splitlines()[-1]))


def is_one(rows: list[Row]) -> bool:
    """Whether rows that ran agree, some ran, and those that did not are excused."""
    ran = [row.found["digests"] for row in rows if row.found is not None]
    excused = all(row.found is not None or "DeviceError" in row.said for row in rows)
    return bool(ran) and excused and all(set(one.values()) == set(ran[0].values()) for one in ran)


def table(rows: list[Row]) -> list[str]:
    """The rows in Markdown, under what they were run on."""
    n_cells = sum(len(row.found["digests"]) for row in rows if row.found is not None)
    verdict = "no differing cell" if is_one(rows) else "CELLS DIFFER OR FAILED"
    machine = f"{processor()}, {platform.system()}, Python {platform.python_version()}"
    lines = [f"{machine}: {n_cells} cells, {verdict}.", ""]
    for name in dict.fromkeys(row.libraries for row in rows):
        of_it = [row.found for row in rows if row.libraries == name and row.found is not None]
        versions = of_it[0]["versions"] if of_it else {}
        lines.append(f"- {name}: " + ", ".join(f"{key} {at}" for key, at in versions.items()))
    lines += [
        "",
        "| libraries | limit | way | cells | SHA-256 of the files |",
        "|---|---|---|---:|---|",
    ]
    return lines + [line_of(row) for row in rows]


def line_of(row: Row) -> str:
    """A row in Markdown."""
    start = f"| {row.libraries} | {row.limits} | {row.way} |"
    if row.found is None:
        return f"{start} 0 | could not be run: {row.said.partition(': ')[2] or row.said} |"
    found = sorted({digest[:12] for digest in row.found["digests"].values()})
    return f"{start} {len(row.found['digests'])} | {' '.join(found)} |"


def processor() -> str:
    """The processor's name, as far as the system tells."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return (names or [platform.machine()])[0]


def make_environment(name: str) -> None:
    """Make a virtual environment with the versions of matrix-NAME.txt; pip finds the rest."""
    folder = ENVIRONMENTS / name
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    wanted = str(ROOT / "scripts" / f"matrix-{name}.txt")
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-input"]
    subprocess.run([*pip, "-c", wanted, "-e", str(ROOT)], check=True)


if __name__ == "__main__":
    sys.exit(main())
