"""Repositories on the Hugging Face hub, in the cache that every program on the machine shares.

What is cached is used without asking the network; `refresh` asks. HF_HUB_OFFLINE,
HF_HOME, HF_ENDPOINT and a stored token mean here what they mean everywhere; but a token goes
only where a person asked to go, never where a file leads.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from llmzip.errors import ModelError, ModelNotFoundError, ModelUnsupportedError
from llmzip.models import folder, notice
from llmzip.models.catalog import HubSource

MOST_FETCHED_BYTES = 32 * 10**9
"""What is fetched of one repository at most."""


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
                    token=False,
                )
            )
            folder.check(path)
            return path
    return None


def is_commit(revision: str | None) -> bool:
    """Say whether a revision is a commit, which stays what it is."""
    return revision is not None and re.fullmatch(r"[0-9a-f]{40}", revision) is not None


def at_commit(source: HubSource, path: Path) -> HubSource:
    """Return the source with the commit that a folder of the cache, named by it, is of."""
    return replace(source, revision=path.name) if is_commit(path.name) else source


def refresh(source: HubSource, *, quiet: bool, with_token: bool = True) -> Path:
    """Bring the cache up to date with the repository and return the folder.

    with_token: whether the hub may know who asks.

    Raises: ModelNotFoundError if the hub cannot be asked or has no such thing;
    ModelUnsupportedError if it is too large.
    """
    import huggingface_hub

    token = None if with_token else False
    with _bars(quiet):
        try:
            names, n_bytes = _fetched(source, token)
        except ModelError:
            raise
        except Exception as exc:  # the hub's, the HTTP client's, the system's: dozens of types
            if (path := cached(source)) is not None:  # which is then the newest to be had
                return path
            raise _explain(source, exc) from exc
        notice.say(f"fetching {source.repo} from the hub ({notice.megabytes(n_bytes)})", quiet)
        try:
            found = huggingface_hub.snapshot_download(
                source.repo,
                revision=source.revision,
                allow_patterns=names,
                token=token,
            )
        except Exception as exc:
            raise _explain(source, exc) from exc
    return Path(found)


def _fetched(source: HubSource, token: bool | None) -> tuple[list[str], int]:
    """Ask the hub what would be fetched, and how large that is.

    Raises: ModelUnsupportedError, theirs.
    """
    import huggingface_hub

    info = huggingface_hub.HfApi().model_info(
        source.repo, revision=source.revision, files_metadata=True, token=token
    )
    sizes = {sibling.rfilename: sibling.size for sibling in info.siblings or []}
    wanted = folder.wanted_of(sizes)
    if unknown := [name for name in wanted if sizes[name] is None]:
        raise ModelUnsupportedError(
            f"the hub does not say how large {unknown[0]} of {source.repo} is: fetch the "
            "repository by other means and give its folder"
        )
    n_bytes = sum(sizes[name] or 0 for name in wanted)
    if n_bytes > MOST_FETCHED_BYTES:
        raise ModelUnsupportedError(
            f"{source.repo} has {notice.megabytes(n_bytes)} to fetch, more than "
            f"{notice.megabytes(MOST_FETCHED_BYTES)}: fetch it by other means and give its folder"
        )
    return wanted, n_bytes


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
