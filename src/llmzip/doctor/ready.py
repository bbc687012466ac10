"""The default model where it can be opened at once: nothing is fetched or prepared for a look."""

from __future__ import annotations

from pathlib import Path

from llmzip.exact import ENGINE_VERSION
from llmzip.models.catalog import CATALOG, DEFAULT_MODEL
from llmzip.models.prepared import OpenedExact, list_prepared, load_prepared


def ready_default() -> OpenedExact | None:
    """Open the default model's prepared form, if it is there.

    Raises: ModelDamagedError, UntrustedError, OSError.
    """
    folder = ready_folder()
    return None if folder is None else load_prepared(folder)


def ready_folder() -> Path | None:
    """Return where the default model's prepared form is, if it is there and of this engine.

    Raises: UntrustedError.
    """
    wanted = DEFAULT_MODEL, str(CATALOG[DEFAULT_MODEL].source), ENGINE_VERSION
    for folder, info in list_prepared():
        if (info.name, info.source, info.engine_version) == wanted:
            return folder
    return None
