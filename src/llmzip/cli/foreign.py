"""Options of gzip, bzip2, xz and zstd that llmzip does not have: what to type instead."""

from __future__ import annotations

from collections.abc import Iterable

_FORMAT = "llmzip reads and writes .llmz files only; leave it out"
_CHECKED = "checksums are always written and always checked; leave it out"
_ALWAYS = "llmzip does so anyway; leave it out"
_NAMES = "names are those of the files, without the suffix; -o FILE gives another"
_SMALLEST = "-9 is as small as it gets"
_QUIET = "-q shows neither progress nor warnings"
_THREADS = "-T N sets the number of threads"
_MEMORY = "--memlimit SIZE limits the memory of decompressing"
_LESS_MEMORY = "--batch 1 takes the least memory"
_DICTIONARY = "--dict FILE takes a text that is like the input"
_NEVER_ASKS = "llmzip never asks; -f replaces files"

_FOLDER = "--output-dir DIR writes into a folder"
_LIST = "--files-from FILE takes names from a list"

_INSTEAD = {
    "-O": _FOLDER, "--output-dir-flat": _FOLDER, "--output-dir-mirror": _FOLDER,
    "--filelist": _LIST, "--files": _LIST, "--files0": "--files-from0 FILE takes names from a list",
    "--robot": "list --json is for programs",
    "-a": _FORMAT, "--ascii": _FORMAT, "-F": _FORMAT, "--format": _FORMAT,
    "-C": _CHECKED, "--check": _CHECKED, "--no-check": _CHECKED, "--ignore-check": _CHECKED,
    "-n": _ALWAYS, "--no-name": _ALWAYS, "--synchronous": _ALWAYS,
    "-N": _NAMES, "--name": _NAMES,
    "-e": _SMALLEST, "--extreme": _SMALLEST, "--ultra": _SMALLEST, "--max": _SMALLEST,
    "-Q": _QUIET, "--no-warn": _QUIET, "--no-progress": _QUIET,
    "-p": _THREADS,
    "-M": _MEMORY, "--memory": _MEMORY, "--memlimit-decompress": _MEMORY,
    "-s": _LESS_MEMORY, "--small": _LESS_MEMORY, "--memlimit-compress": _LESS_MEMORY,
    "-D": _DICTIONARY, "--train": _DICTIONARY, "--patch-from": _DICTIONARY,
    "-i": _NEVER_ASKS, "--interactive": _NEVER_ASKS,
}  # fmt: skip


def advice(name: str, known: Iterable[str]) -> str:
    """Return a line about an option that is none: what to type instead, as far as that is known.

    known: the options that there are.
    """
    if name in _INSTEAD:
        return f"no such option {name}: {_INSTEAD[name]}"
    from difflib import get_close_matches

    near = get_close_matches(name, known, n=1) if name.startswith("--") else []
    hint = f"did you mean {near[0]}? " if near else ""
    return f"no such option {name}: {hint}(llmzip --long-help shows all)"
