"""What a model's files say of their sizes, checked before anything is allocated for it.

A configuration of a kilobyte can ask for a vocabulary of billions, and a library that reads it
allocates first. So the files are looked at here before: every size is bounded, and a model can't
claim more weights than its files hold.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from llmzip.errors import ModelDamagedError, ModelUnsupportedError

MOST_JSON_BYTES = 16 << 20
"""Of a configuration, an index of weights, and the header of a file of weights."""
MOST_TOKENIZER_BYTES = 64 << 20
SLACK_WEIGHTS = 1 << 24
"""A model may have so many weights more than twice those in its files: heads that are tied."""
MOST_CONSTANTS = 1 << 30
"""Numbers that a model makes for itself, such as masks."""

_BOUNDS = tuple(
    (re.compile(pattern), most)
    for pattern, most in (
        (r"vocab", 1 << 20),
        (r"layers?$|block_count|depth", 1 << 10),
        (r"position|context|n_ctx|seq_len", 1 << 24),
        (r"head_dim|head_size|key_length|value_length", 1 << 16),
        (r"size|dim|embd|embedding_length|feed_forward|inner|width|rank|d_model|d_ff", 1 << 20),
        (r"head|expert", 1 << 12),
    )
)
"""The largest number believed under a name that holds the pattern; the first that fits counts."""

_ATTENTION = re.compile(r"(attn|experts)_implementation(_internal)?$")
_PLAIN_ATTENTION = (None, "eager", "sdpa")


def check_number(where: str, name: str, value: object) -> None:
    """Make sure that a number under that name is no larger than any honest one.

    Raises: ModelUnsupportedError.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    most = next((most for pattern, most in _BOUNDS if pattern.search(name)), None)
    if most is not None and value > most:
        shown = str(value)[:20]
        raise ModelUnsupportedError(
            f"{where} claims {name} = {shown}, more than the {most:,} that are believed"
        )


def check_folder(folder: Path) -> int:
    """Check all that a model's folder claims; return how many weights its files can hold.

    Raises: ModelUnsupportedError where a claim is too large; ModelDamagedError where files
    contradict themselves; OSError.
    """
    for path in sorted(folder.iterdir()):
        small = path.suffix in (".json", ".txt", ".model", ".jinja")
        if small and path.is_file() and path.stat().st_size > MOST_TOKENIZER_BYTES:
            raise ModelUnsupportedError(f"{path} has more than {MOST_TOKENIZER_BYTES:,} bytes")
    _check_config(folder / "config.json")
    files = weight_files(folder)
    return sum(held_weights(path) for path in files if path.suffix == ".safetensors")


def check_implied(where: Path, n_implied: int, n_held: int, n_constants: int = 0) -> None:
    """Make sure that a model has no more weights than its files hold, and few constants.

    Raises: ModelUnsupportedError.
    """
    if n_constants > MOST_CONSTANTS:
        raise ModelUnsupportedError(f"{where} claims a model with {n_constants:,} constants")
    if n_implied > 2 * n_held + SLACK_WEIGHTS:
        raise ModelUnsupportedError(
            f"{where} claims a model of {n_implied:,} weights, but holds only {n_held:,}: "
            "it is not what it says, or not whole"
        )


def held_weights(path: Path) -> int:
    """Return how many weights a safetensors file can hold, at most, by its header.

    Raises: ModelDamagedError, OSError.
    """
    header, begin = read_header(path)
    n_data = path.stat().st_size - begin
    try:
        return min(2 * n_data, sum(_n_weights(entry, n_data) for entry in header.values()))
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        raise ModelDamagedError(f"{path} is damaged ({exc}): get it again") from exc


def read_header(path: Path) -> tuple[dict[str, Any], int]:
    """Return what a safetensors file says of its tensors, and where their bytes begin.

    Raises: ModelDamagedError, OSError.
    """
    with path.open("rb") as file:
        n_header = int.from_bytes(file.read(8), "little")
        if n_header > MOST_JSON_BYTES or 8 + n_header > path.stat().st_size:
            raise ModelDamagedError(f"{path} is no safetensors file, or not whole: get it again")
        header = _parsed(path, file.read(n_header))
    header.pop("__metadata__", None)
    return header, 8 + n_header


def _n_weights(entry: dict[str, Any], n_data: int) -> int:
    """Return how many elements a tensor has: no more than two a byte."""
    begin, end = entry["data_offsets"]
    if not 0 <= begin <= end <= n_data:
        raise ValueError("a tensor lies outside the file")
    n_weights = 1
    for size in entry["shape"]:
        n_weights = min(n_weights * size, 2 * (end - begin))
    return int(n_weights)


def weight_files(folder: Path) -> list[Path]:
    """Return the files that transformers reads weights from, all of them in the folder itself.

    An index comes first. Never a pickle.

    Raises: ModelDamagedError, ModelUnsupportedError, OSError.
    """
    named = read_json(folder / "config.json").get("transformers_weights")
    if named is not None:
        return _named_weights(folder, str(named))
    whole, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if whole.exists():
        return [whole]
    if not index.exists():
        raise ModelDamagedError(f"{folder} lacks model.safetensors.index.json: get the model again")
    return [index, *_shards(index)]


def _named_weights(folder: Path, name: str) -> list[Path]:
    """Return what a configuration names as the weights."""
    path = folder / name
    if not re.fullmatch(r"[\w.-]+\.safetensors(\.index\.json)?", name, re.ASCII):
        raise ModelUnsupportedError(
            f"{folder / 'config.json'} names the weights {name[:60]!r}, which are no safetensors "
            "file of its folder: pickles are never loaded; save the model as safetensors"
        )
    if not path.is_file():
        raise ModelDamagedError(f"{folder} lacks {name}: get the model again")
    return [path, *_shards(path)] if name.endswith(".json") else [path]


def _shards(index: Path) -> list[Path]:
    weights = read_json(index).get("weight_map")
    names = list(weights.values()) if isinstance(weights, dict) else [None]
    for name in names:
        plain = isinstance(name, str) and re.fullmatch(r"[\w.-]+\.safetensors", name, re.ASCII)
        if not plain or not (index.parent / str(name)).is_file():
            raise ModelDamagedError(
                f"{index} names a file of weights that is not in its folder: get the model again"
            )
    return sorted({index.parent / str(name) for name in names})


def _check_config(path: Path) -> None:
    for name, value in _numbers(path, read_json(path)):
        check_number(str(path), name, value)
        if _ATTENTION.search(name) and value not in _PLAIN_ATTENTION:
            raise ModelUnsupportedError(
                f"{path} wants {name} = {str(value)[:60]!r}, which may be code from elsewhere: "
                "remove that line to use the model"
            )


def _numbers(path: Path, content: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value in a JSON tree with the name nearest to it."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield from _numbers(path, value, key)
        if _ATTENTION.search(name):  # one for each part of the model
            yield from ((name, value) for value in content.values())
    elif isinstance(content, list):
        for value in content:
            yield from _numbers(path, value, name)
    else:
        yield name, content


def read_json(path: Path) -> dict[str, Any]:
    """Read an object in JSON. Raises: ModelUnsupportedError, ModelDamagedError, OSError."""
    with path.open("rb") as file:
        data = file.read(MOST_JSON_BYTES + 1)
    if len(data) > MOST_JSON_BYTES:
        raise ModelUnsupportedError(f"{path} has more than {MOST_JSON_BYTES:,} bytes")
    return _parsed(path, data)


def _parsed(path: Path, data: bytes) -> dict[str, Any]:
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as exc:
        raise ModelDamagedError(
            f"{path} cannot be read ({type(exc).__name__}): get it again"
        ) from exc
    if not isinstance(content, dict):
        raise ModelDamagedError(f"{path} is not what its name says: get it again")
    return content
