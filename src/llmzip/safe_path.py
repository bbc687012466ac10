"""Keep `python -m llmzip` from importing what lies in the current folder.

Python puts the current folder before all others when it is told -m, so that a `torch.py` or
`click.py` in an unpacked archive would run. A program that is installed is not looked for there,
and neither is what it imports. The script `llmzip` never looks there, nor does `python -P -m`.
Importing this is enough; it is to be imported before anything else.
"""

from __future__ import annotations

import os
import sys


def forget_current_folder() -> None:
    """Take the current folder off the module search path, if -m has put it there for llmzip.

    Does nothing in a program that imports llmzip: its path is its own.
    """
    if sys.flags.safe_path or sys.argv[:1] != ["-m"] or _module_started() != "llmzip":
        return
    if sys.path and sys.path[0] in ("", _current_folder()):
        del sys.path[0]


def _module_started() -> str | None:
    """Return the package that -m names, which Python imports before it says so in sys.argv."""
    words = iter(sys.orig_argv[1:])
    for word in words:
        if word in ("-W", "-X", "--check-hash-based-pycs"):
            next(words, None)
        elif word.startswith("-") and not word.startswith(("-W", "-X", "--")) and "m" in word:
            return (word.partition("m")[2] or next(words, "")).partition(".")[0]
    return None


def _current_folder() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109 - pathlib would be imported from there
    except OSError:  # it has been removed
        return None


forget_current_folder()
