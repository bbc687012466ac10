"""From the command line: `cd docs && python -m decoder FILE.llmz MODEL > text`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from decoder import RefusedError, decode


def main() -> int:
    """Write a file's text to standard output, all of it or nothing; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m decoder", description="Decode a .llmz file.")
    parser.add_argument("file", type=Path)
    parser.add_argument("model", type=Path, nargs="?", help="the folder of a prepared model")
    parser.add_argument("--dict", type=Path, help="the dictionary that the file was made with")
    parser.add_argument("--patch-from", type=Path, help="the file that the file was made from")
    arguments = parser.parse_args()
    try:
        dictionary = arguments.dict.read_bytes() if arguments.dict else None
        reference = arguments.patch_from.read_bytes() if arguments.patch_from else b""
        text = decode(arguments.file.read_bytes(), arguments.model, dictionary, reference)
    except (RefusedError, OSError) as exc:
        print(f"decoder: {exc}", file=sys.stderr)
        return 1
    sys.stdout.buffer.write(text)
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
