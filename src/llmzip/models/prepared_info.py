"""What a prepared model is, in a file beside it: enough to find it without loading it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import xxhash

from llmzip.errors import ModelDamagedError
from llmzip.models import home

FINGERPRINT_N_BYTES = 8

MODEL, TOKENIZER, _INFO = "model.safetensors", "tokenizer.json", "info.json"
_BLOCK_N_BYTES = 1 << 20
_MOST_BYTES = 1 << 16


@dataclass(frozen=True)
class PreparedInfo:
    """What is known of a prepared model without loading it.

    fingerprint: hex of 8 bytes, the first of which a .llmz file records.
    checks: file name to XXH3-128 in hex.
    """

    name: str
    source: str
    fingerprint: str
    bos_id: int
    engine_version: int
    checks: dict[str, str]


def write_info(folder: Path, info: PreparedInfo) -> None:
    """Write what a prepared model is. Raises: OSError."""
    fields = asdict(info)
    text = json.dumps({"info": fields, "check": _info_check(fields)}, indent=1)
    (folder / _INFO).write_text(text + "\n", encoding="utf-8")


def read_info(folder: Path) -> PreparedInfo:
    """Read what a prepared model is. Raises: ModelDamagedError, UntrustedError, OSError."""
    try:
        with home.trusted(folder / _INFO).open("rb") as file:
            content = json.loads(file.read(_MOST_BYTES))
        if content["check"] == _info_check(content["info"]):
            return _checked(PreparedInfo(**content["info"]))
    except (ValueError, TypeError, KeyError, RecursionError) as exc:
        raise ModelDamagedError(f"{folder / _INFO} is damaged: remove {folder}") from exc
    raise ModelDamagedError(f"{folder / _INFO} has been changed: remove {folder}")


def _checked(info: PreparedInfo) -> PreparedInfo:
    """Return `info` if every field is of its kind. Raises: ValueError, TypeError."""
    texts = (info.name, info.source, info.fingerprint, *info.checks, *info.checks.values())
    whole = (type(info.bos_id), type(info.engine_version)) == (int, int)
    if not whole or any(type(text) is not str for text in texts):
        raise TypeError("a field of another type")
    if len(bytes.fromhex(info.fingerprint)) != FINGERPRINT_N_BYTES:
        raise ValueError("a fingerprint of another length")
    if info.checks.keys() != {MODEL, TOKENIZER}:  # no other file is ever read
        raise ValueError("checks of other files")
    return info


def _info_check(fields: dict[str, object]) -> str:
    return xxhash.xxh3_128_hexdigest(json.dumps(fields, sort_keys=True).encode())


def xxh3(path: Path) -> str:
    """Return the XXH3-128 of a file, in hex. Raises: OSError."""
    state = xxhash.xxh3_128()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_N_BYTES):
            state.update(block)
    return state.hexdigest()
