"""Makes the golden files: run it to compare them with what is written now, with --write to pin.

    python tests/golden/make.py            # says which files are as they are pinned
    python tests/golden/make.py --write    # pins the files that are not there yet
    python tests/golden/make.py --texts    # lets the models write texts that are not there yet

What is pinned stays: a file that is there is never written anew. One that must change is a new
version of the format or of the engine, and is removed by hand. Needs the package installed, or
its src folder on PYTHONPATH.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import bad_files
from golden_cases import CASES, FILES, Case, path_of
from golden_models import RECIPES, golden_model
from golden_texts import TEXTS, save_text, written_by

from llmzip.container import Reader, Wave


def save(name: str, case: Case, file: bytes) -> None:
    """Pin a file."""
    digits = file.hex()
    lines = [digits[at : at + 96] for at in range(0, len(digits), 96)]
    FILES.mkdir(exist_ok=True)
    path_of(name).write_text("\n".join([f"# {case.says}", *lines, ""]), encoding="ascii")


def load(name: str) -> bytes:
    """Return a pinned file."""
    return bad_files.load(path_of(name))


def kinds(file: bytes) -> str:
    """Return the kinds of a file's chunks, in words."""
    waves = [record for record in Reader(io.BytesIO(file)) if isinstance(record, Wave)]
    return " ".join("+".join(chunk.kind.name.lower() for chunk in wave.chunks) for wave in waves)


def main() -> int:
    """Write or compare; return the exit status."""
    if "--texts" in sys.argv[1:]:
        for name in RECIPES:
            if not (TEXTS / f"{name}.hex").exists():
                save_text(name, written_by(golden_model(name)))
    if "--write" in sys.argv[1:]:
        bad_files.pin_new()
    status = 0
    wanted = [word for word in sys.argv[1:] if not word.startswith("-")]
    for name, case in CASES.items():
        if wanted and not any(name.startswith(one) for one in wanted):
            continue
        file = case.encode()
        if "--write" in sys.argv[1:] and not path_of(name).exists():
            assert case.decode(file) == case.text
            save(name, case, file)
        same = not case.is_written or (path_of(name).exists() and load(name) == file)
        status |= not same
        verdict = "same" if same else "OTHER"
        print(f"{verdict:6} {name:26} {len(case.text):6} -> {len(file):5}  {kinds(file)[:100]}")
    return status


if __name__ == "__main__":
    sys.exit(main())
