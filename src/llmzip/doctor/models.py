"""Which models are here, and what it takes to use the default one."""

from __future__ import annotations

from collections.abc import Iterator

from llmzip.doctor.findings import Finding, State, looked_at
from llmzip.doctor.ready import ready_folder
from llmzip.exact import ENGINE_VERSION
from llmzip.models.catalog import CATALOG, DEFAULT_MODEL
from llmzip.models.files import is_here
from llmzip.models.prepared import list_prepared


def look() -> Iterator[Finding]:
    """Yield the default model, then all others that are fetched or prepared."""
    yield _default()
    for folder, info in list_prepared():
        if info.engine_version == ENGINE_VERSION and folder != ready_folder():
            yield Finding(info.name, f"prepared, fingerprint {info.fingerprint}, {info.source}")
    yield from looked_at("models of the hub", _of_the_hub)


def _default() -> Finding:
    folder = ready_folder()
    if folder is not None:
        fingerprint = next(info.fingerprint for at, info in list_prepared() if at == folder)
        return Finding(DEFAULT_MODEL, f"prepared, fingerprint {fingerprint}")
    if is_here(DEFAULT_MODEL):
        value = "fetched; its first use prepares it, which takes a minute or more, once"
        return Finding(DEFAULT_MODEL, value, State.NOTE)
    value = "not here; its first use fetches and prepares it"
    return Finding(DEFAULT_MODEL, value, State.NOTE, "llmzip models pull")


def _of_the_hub() -> Iterator[Finding]:
    for name in CATALOG:
        if name != DEFAULT_MODEL and is_here(name):
            yield Finding(name, "fetched")
