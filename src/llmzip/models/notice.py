"""What a person is told on stderr while they wait: bars on a terminal, lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator


def say(text: str, quiet: bool) -> None:
    """Write one line to stderr."""
    if not quiet and sys.stderr is not None:
        print(f"llmzip: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def transfer(text: str, n_bytes: int, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Show how far a transfer of `n_bytes` is; the function given takes the bytes there so far."""
    if quiet or not on_terminal():
        say(f"{text} ({megabytes(n_bytes)})", quiet)
        yield lambda _: None
        return
    from rich import console, progress

    columns = (
        progress.TextColumn("llmzip: {task.description}"),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TimeRemainingColumn(),
    )
    screen = console.Console(stderr=True)
    with progress.Progress(*columns, console=screen, transient=True) as bar:
        task = bar.add_task(text, total=n_bytes)
        yield lambda done: bar.update(task, completed=min(done, n_bytes))


@contextlib.contextmanager
def work(text: str, quiet: bool) -> Iterator[Callable[[float], None]]:
    """Show how far a long work is; the function given takes how much is done so far, of 1."""
    if quiet or not on_terminal():
        yield lambda _: None
        return
    from rich import console, progress

    columns = (
        progress.TextColumn("llmzip: {task.description}"),
        progress.BarColumn(),
        progress.TaskProgressColumn(),
        progress.TimeRemainingColumn(),
    )
    screen = console.Console(stderr=True)
    with progress.Progress(*columns, console=screen, transient=True) as bar:
        task = bar.add_task(text, total=1.0)
        yield lambda done: bar.update(task, completed=done)


_listeners: list[Callable[[str], None]] = []


@contextlib.contextmanager
def heard_by(listener: Callable[[str], None]) -> Iterator[None]:
    """Have somebody told in detail what is done meanwhile, as the command line does under -v."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def detail(text: str) -> None:
    """Tell whoever wants to know in detail what is done."""
    for listener in _listeners:
        listener(text)


def on_terminal() -> bool:
    """Say whether stderr is a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()


def megabytes(n_bytes: int) -> str:
    """Write a size as people read it, in decimal units."""
    if n_bytes >= 10**9:
        return f"{n_bytes / 1e9:.1f} GB"
    return f"{n_bytes / 1e6:.0f} MB" if n_bytes >= 10**6 else f"{n_bytes / 1e3:.0f} kB"
