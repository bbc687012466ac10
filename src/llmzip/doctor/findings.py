"""What is found: one line each, with what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from llmzip.errors import LlmzipError


class State(StrEnum):
    """Whether something is as it should be."""

    OK = "ok"
    NOTE = "note"  # slow, missing or left behind; all the same llmzip does what it promises
    WRONG = "wrong"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    value: what was found, in words. advice: what to do about it, "" for nothing.
    figures: the numbers in `value`, by names with their units.
    """

    name: str
    value: str
    state: State = State.OK
    advice: str = ""
    figures: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Section:
    """Findings that belong together."""

    title: str
    findings: list[Finding]


def looked_at(name: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Return what `look` finds, up to what it fails of; that it failed is a finding itself."""
    found: list[Finding] = []
    try:
        found.extend(look())
    except Exception as exc:
        found.append(Finding(name, in_words(exc), State.WRONG, _remedy(exc)))
    return found


def in_words(exc: Exception) -> str:
    """Return what an exception says; of those of other libraries, what kind it is."""
    if isinstance(exc, LlmzipError):
        return str(exc)
    return f"{type(exc).__name__}: {exc}" if str(exc) else type(exc).__name__


def _remedy(exc: Exception) -> str:
    if isinstance(exc, LlmzipError):
        return ""  # it is in the message
    if isinstance(exc, ImportError):
        return install_again((exc.name or _raised_in(exc)).partition(".")[0])
    if isinstance(exc, OSError):
        return "see to it that this user may read it"
    return "report it, with this output"


def _raised_in(exc: Exception) -> str:
    """Return the module whose code has raised it."""
    name, traceback = "llmzip", exc.__traceback__
    while traceback is not None:
        name = str(traceback.tb_frame.f_globals.get("__name__", name))
        traceback = traceback.tb_next
    return name


def install_again(package: str) -> str:
    """What to do about a package that is missing or does not work."""
    return f"pip install --force-reinstall {package}"
