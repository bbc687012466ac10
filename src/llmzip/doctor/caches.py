"""The folders that llmzip keeps things in: where, how large, whose; and what is of no more use."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from llmzip.doctor.findings import Finding, State
from llmzip.errors import LlmzipError, ModelDamagedError, UntrustedError
from llmzip.exact import ENGINE_VERSION
from llmzip.models import home, removal
from llmzip.models.forms import forms_in
from llmzip.models.notice import megabytes
from llmzip.models.prepared import prepared_folders
from llmzip.models.prepared_info import read_info
from llmzip.ownership import require_trusted

CLEAN = "llmzip doctor --clean"
_OTHER_KERNELS = "kernels of other sources; an installation that still has them compiles them anew"


@dataclass(frozen=True)
class Stale:
    """A folder that is of no more use. discard: removes it, if it is not in use by then."""

    path: Path
    reason: str
    discard: Callable[[], int | None]

    def finding(self) -> Finding:
        """Return that it is there, and what removes it."""
        n_bytes = removal.folder_n_bytes(self.path)
        value = f"{self.path}, {megabytes(n_bytes)}: {self.reason}"
        return Finding("stale", value, State.NOTE, CLEAN, {"bytes": n_bytes})

    def removed(self) -> Finding:
        """Remove it; return what became of it."""
        try:
            n_bytes = self.discard()
        except (LlmzipError, OSError) as exc:
            return Finding("kept", f"{self.path}: {exc}", State.NOTE)
        if n_bytes is None:
            return Finding("kept", f"{self.path}: another llmzip is at work with it", State.NOTE)
        value = f"{self.path}, {megabytes(n_bytes)}: {self.reason}"
        return Finding("removed", value, figures={"bytes": n_bytes})


def look_at_models(*, clean: bool) -> Iterator[Finding]:
    """Yield the folder of models and what lies in it; remove what is stale if that is wanted."""
    top = home.home_folder()
    for name, path in (("cache", top), ("models", top / "models"), ("prepared", top / "prepared")):
        folder = _folder(name, path, f"set {home.HOME_VARIABLE} to a folder of your own")
        yield folder
        if folder.state is State.WRONG:
            return
    if (top / "prepared").exists():
        yield _forms()
    for stale in (*_stale_prepared(), *_stale_staging()):
        yield stale.removed() if clean else stale.finding()


def look_at_kernels(*, clean: bool) -> Iterator[Finding]:
    """Yield the folders of compiled kernels, likewise."""
    from llmzip.compiled.folders import kernel_homes, sources_digest, stale_folders

    for folder in kernel_homes():
        yield _folder("kernel folder", folder / (sources_digest() or ""))
        for path in stale_folders(folder):
            stale = Stale(path, _OTHER_KERNELS, partial(_discard_kernels, path))
            yield stale.removed() if clean else stale.finding()


def _folder(name: str, path: Path, advice: str = "") -> Finding:
    """Return where a folder is, how large, and what keeps llmzip from using it.

    advice: what to do where nothing can be written there.
    """
    try:
        require_trusted(path)
    except UntrustedError as exc:
        return Finding(name, str(exc), State.WRONG)
    if not path.exists():
        if os.access(_nearest(path), os.W_OK):
            return Finding(name, f"{path}, not there yet")
        return Finding(name, f"{path}, not there, and cannot be made", State.NOTE, advice)
    n_bytes = removal.folder_n_bytes(path)
    value = f"{path}, {megabytes(n_bytes)}"
    if os.access(path, os.W_OK):
        return Finding(name, value, figures={"bytes": n_bytes})
    value += ", which this user may read but not write to"
    return Finding(name, value, State.NOTE, advice, {"bytes": n_bytes})


def _forms() -> Finding:
    """Return how much is kept of models that is made of them at every start otherwise."""
    sizes = []
    for path in (path for folder in prepared_folders() for path in forms_in(folder)):
        with suppress(FileNotFoundError):  # it is being replaced
            sizes.append(path.stat().st_size)
    value = f"{len(sizes)} in the folders of prepared models, {megabytes(sum(sizes))}"
    return Finding("forms", value, figures={"bytes": sum(sizes)})


def _nearest(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _stale_prepared() -> Iterator[Stale]:
    for folder in prepared_folders():
        reason = _why_stale(folder)
        if reason is not None and not home.is_held(home.lock_path(folder.name)):
            yield Stale(folder, reason, partial(_discard_unheld, folder))


def _why_stale(folder: Path) -> str | None:
    try:
        info = read_info(folder)
    except (ModelDamagedError, FileNotFoundError):
        return "a prepared model that is damaged"
    except (UntrustedError, OSError):
        return None  # not ours to judge
    if info.engine_version == ENGINE_VERSION:
        return None
    return f"{info.name} prepared by engine version {info.engine_version}, not {ENGINE_VERSION}"


def _stale_staging() -> Iterator[Stale]:
    """Yield what processes have left behind that were killed: nobody holds the lock of its name."""
    folder = home.trusted(home.home_folder() / "staging")
    for path in sorted(folder.glob("*/")):
        if not home.is_held(home.lock_path(_lock_name(path))):
            yield Stale(path, "left behind by a run that was killed", partial(_discard_left, path))


def _lock_name(path: Path) -> str:
    return path.name.removeprefix(removal.REMOVED)


def _discard_unheld(folder: Path) -> int | None:
    with home.held_if_free(home.lock_path(folder.name)) as held:
        return removal.discard(folder) if held else None


def _discard_left(folder: Path) -> int | None:
    with home.held_if_free(home.lock_path(_lock_name(folder))) as held:
        return removal.delete(home.trusted(folder)) if held else None


def _discard_kernels(folder: Path) -> int | None:
    """Remove kernels; whoever runs them has them in memory, and would compile them anew."""
    require_trusted(folder)
    return removal.delete(folder)
