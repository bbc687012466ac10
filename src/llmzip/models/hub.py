"""Repositories on the Hugging Face hub, in the cache that every program on the machine shares.

What is cached is used without asking the network; `refresh` asks. HF_HUB_OFFLINE,
HF_HOME, HF_ENDPOINT and a stored token mean here what they mean everywhere.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

from llmzip.errors import ModelError, ModelNotFoundError
from llmzip.models import folder, notice
from llmzip.models.catalog import HubSource


def cached(source: HubSource) -> Path | None:
    """Return the folder with all that is needed from the repository, if the cache has it."""
    import huggingface_hub

    for repo in (source.repo, *source.aliases):
        with contextlib.suppress(Exception):  # missing, incomplete, damaged: not cached
            path = Path(
                huggingface_hub.snapshot_download(
                    repo,
                    revision=source.revision,
                    allow_patterns=list(folder.READ_PATTERNS),
                    local_files_only=True,
                )
            )
            folder.check(path)
            return path
    return None


def refresh(source: HubSource, *, quiet: bool) -> Path:
    """Bring the cache up to date with the repository and return the folder.

    Raises: ModelNotFoundError if the hub cannot be asked or has no such thing.
    """
    import huggingface_hub

    with _bars(quiet):
        if not notice.on_terminal():
            notice.say(f"fetching {source.repo} from the hub", quiet)
        try:
            path = huggingface_hub.snapshot_download(
                source.repo,
                revision=source.revision,
                allow_patterns=list(folder.READ_PATTERNS),
            )
        except Exception as exc:  # the hub's, the HTTP client's, the system's: dozens of types
            raise _explain(source, exc) from exc
    return Path(path)


@contextlib.contextmanager
def _bars(quiet: bool) -> Iterator[None]:
    """Let the hub's client draw its bars on a terminal only, and keep its advice to itself."""
    from huggingface_hub.utils import logging as hub_logging
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    verbosity, were_off = hub_logging.get_verbosity(), are_progress_bars_disabled()
    hub_logging.set_verbosity(logging.ERROR)
    if quiet or not notice.on_terminal():
        disable_progress_bars()
    try:
        yield
    finally:
        hub_logging.set_verbosity(verbosity)
        if not were_off:
            enable_progress_bars()


def _explain(source: HubSource, exc: Exception) -> ModelError:
    """Turn what the hub's client raised into one line with a remedy."""
    from huggingface_hub import constants, errors

    what = source.repo + (f" at revision {source.revision}" if source.revision else "")
    if isinstance(exc, errors.GatedRepoError):
        return ModelNotFoundError(f"{what} needs its owner's consent: ask for it on the hub")
    if isinstance(exc, errors.RepositoryNotFoundError | errors.HFValidationError):
        return ModelNotFoundError(f"the hub has no model {what}: check the name, or log in")
    if isinstance(exc, errors.RevisionNotFoundError):
        return ModelNotFoundError(f"the hub has no {what}: check the revision")
    if constants.HF_HUB_OFFLINE:
        return ModelNotFoundError(
            f"model {what} is not in the hub's cache, and HF_HUB_OFFLINE forbids to fetch it: "
            "unset that, or give a folder"
        )
    first_line = (str(exc) or type(exc).__name__).splitlines()[0]
    return ModelNotFoundError(
        f"cannot fetch model {what} from the hub ({first_line}): "
        "check the network, or give a folder"
    )
