"""Making the prepared form of a model. Importing this imports what computes, numba and torch."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

from llmzip.exact import ENGINE_VERSION
from llmzip.exact.families import read_weights
from llmzip.exact.model import ExactModel
from llmzip.exact.prepare import prepare_file
from llmzip.models import notice
from llmzip.models.files import ModelFiles
from llmzip.models.load import StoredWeights, open_stored
from llmzip.models.prepared_info import (
    FINGERPRINT_N_BYTES,
    MODEL,
    TOKENIZER,
    PreparedInfo,
    write_info,
    xxh3,
)
from llmzip.tokens import ByteTokenizer

_LARGE_N_BYTES = 1 << 30


def prepare(files: ModelFiles, folder: Path, quiet: bool) -> None:
    """Fill `folder` with the prepared form.

    Raises: as `load.open_stored` and `exact.prepare.prepare_file`.
    """
    if not notice.on_terminal():
        notice.say(f"preparing {files.name}, once{_how_long(files)}", quiet)
    with notice.work(f"preparing {files.name}, once", quiet) as show:
        stored = open_stored(files)
        tokenizer = ByteTokenizer(stored.tokenizer_json)
        _write_model(stored, folder, show)
    (folder / TOKENIZER).write_text(stored.tokenizer_json, encoding="utf-8")
    write_info(folder, _describe(files, folder, stored.bos_id, tokenizer))


def _how_long(files: ModelFiles) -> str:
    return ", about a minute" if files.n_bytes < _LARGE_N_BYTES else ", which takes a while"


def _write_model(stored: StoredWeights, folder: Path, show: Callable[[float], None]) -> None:
    """Write a model's integers, by way of a folder that is removed again."""
    if stored.is_whole:
        notice.detail(
            "the weights lie in their files in another way than in transformers' model: it loads "
            "them all, which takes four bytes of memory a weight"
        )
    scratch = folder / "scratch"
    scratch.mkdir()
    model = read_weights(stored.config, stored.weights)
    prepare_file(model, folder / MODEL, scratch, show)
    shutil.rmtree(scratch)


def _describe(
    files: ModelFiles, folder: Path, bos_id: int, tokenizer: ByteTokenizer
) -> PreparedInfo:
    state = hashlib.sha256(ExactModel.load(folder / MODEL).digest())
    state.update(tokenizer.fingerprint_bytes())
    state.update(f"\nbos {bos_id}".encode())
    return PreparedInfo(
        name=files.name,
        source=files.source,
        fingerprint=state.digest()[:FINGERPRINT_N_BYTES].hex(),
        bos_id=bos_id,
        engine_version=ENGINE_VERSION,
        checks={name: xxh3(folder / name) for name in (MODEL, TOKENIZER)},
    )
