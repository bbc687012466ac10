"""Profiles as a person gives them: a file's name, or what such a file holds."""

from __future__ import annotations

from llmzip.errors import DictionaryError
from llmzip.messages.profile import MOST_FILE_BYTES, Profile


def read_profile(given: str) -> Profile:
    """Return the profile in a file, or in `given` itself, if that begins with a brace.

    Raises DictionaryError, OSError.
    """
    if given.lstrip().startswith("{"):
        return Profile.from_json(given)
    with open(given, "rb") as file:  # noqa: PTH123 - an empty name is none, not this folder
        text = file.read(MOST_FILE_BYTES + 1)
    try:
        if len(text) > MOST_FILE_BYTES:
            raise DictionaryError(f"this is no profile: it has more than {MOST_FILE_BYTES:,} bytes")
        return Profile.from_json(text)
    except DictionaryError as exc:
        raise DictionaryError(f"{given}: {exc}") from exc


def told(profile: Profile) -> str:
    """Return what a profile is, on one line, its id first."""
    return (
        f"profile {profile.id.hex()}: {profile.model}, dictionary of {len(profile.dictionary):,} "
        f"bytes, check of {profile.n_check_bytes}"
    )
