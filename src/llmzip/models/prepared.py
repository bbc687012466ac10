"""Prepared models: the exact engine's form of a model, made once and kept in the cache.

    prepared/KEY/
    ├── model.safetensors    the integers, as ExactModel.save writes them
    ├── tokenizer.json
    ├── info.json            PreparedInfo: what it is, checks of the two others, its own check
    └── NAME.form            what is made of these at every start, kept: see forms.py

KEY is a hash of the model's files and the engine's version, so another file or
another engine never meets a stale form. A prepared model needs neither
transformers nor the files it was made from, and it can be found by the
fingerprint in a .llmz file: the way back from a model that has no public name.

What is in the cache is believed because nobody else can have put it there (see home.py); it is
checked all the same, for the kernels trust their tensors: shapes, types and bounds.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from llmzip.errors import (
    FingerprintError,
    ModelDamagedError,
    ModelError,
    ModelNotFoundError,
    UntrustedError,
)
from llmzip.models import home, notice, trained
from llmzip.models.files import ModelFiles, locate, locate_recorded
from llmzip.models.forms import PACKED, TOKENS, Forms
from llmzip.models.prepared_info import (
    MODEL,
    TOKENIZER,
    PreparedInfo,
    read_info,
    xxh3,
)

if TYPE_CHECKING:
    from llmzip.exact.model import ExactModel
    from llmzip.exact.shape import ModelShape
    from llmzip.exact.stored import AnyModel
    from llmzip.tokens import ByteTokenizer

_NOT_READY = FileNotFoundError, PermissionError, ModelDamagedError


@dataclass(frozen=True)
class OpenedExact:
    """A model ready for exact inference, with its tokenizer and what a .llmz file says of it.

    stored: the model, of which a CPU's engine reads no more than it needs.
    fingerprint: 8 bytes over the integers, the token table, `bos_id` and the engine's version.
    """

    stored: AnyModel
    tokenizer: ByteTokenizer
    bos_id: int
    name: str
    source: str
    fingerprint: bytes

    @property
    def shape(self) -> ModelShape:
        """The model's sizes."""
        return self.stored.shape

    @property
    def model(self) -> ExactModel:
        """All of the model. Raises: ModelDamagedError, UntrustedError, OSError."""
        from llmzip.exact.stored import whole_model

        return whole_model(self.stored)


def open_exact(name: str, *, quiet: bool = False) -> OpenedExact:
    """Open a model by the name that a person gave, fetching and preparing it where needed.

    Raises: ModelError, OSError.
    """
    return open_files(locate(name, quiet=quiet), quiet=quiet)


def fingerprint_of(files: ModelFiles, *, quiet: bool = False) -> bytes:
    """Return a model's fingerprint, preparing it where needed; one that is prepared is not loaded.

    Raises: as `open_files`.
    """
    with contextlib.suppress(*_NOT_READY):
        return bytes.fromhex(read_info(prepared_path(files)).fingerprint)
    return open_files(files, quiet=quiet).fingerprint


def open_recorded(
    name: str,
    source: str,
    fingerprint: bytes,
    *,
    allow_hub: bool = False,
    quiet: bool = False,
    in_parts: bool = False,
) -> OpenedExact:
    """Open the model that a .llmz file records, preparing it where needed.

    name: empty for a model of somebody's own that the fingerprint alone tells.
    allow_hub: fetch it even if it is none of the catalog's; see `locate_recorded`.
    in_parts: see `open_files`.

    Raises: FingerprintError if that name now leads to another model; ModelError, OSError.
    """
    folder = find_prepared(fingerprint)
    if folder is not None:
        with contextlib.suppress(*_NOT_READY):  # prepare it anew, if it can be had
            return load_prepared(folder, in_parts=in_parts)
    if not name:
        return open_files(trained_with(fingerprint, quiet=quiet), quiet=quiet, in_parts=in_parts)
    files = locate_recorded(name, source, allow_hub=allow_hub, quiet=quiet)
    opened = open_files(files, quiet=quiet, in_parts=in_parts)
    check_fingerprint(opened, fingerprint)
    return opened


def trained_with(fingerprint: bytes, *, quiet: bool = False) -> ModelFiles:
    """Find the model with this fingerprint among those that were trained here or imported.

    The file that wants it may come from anyone: of those that are not prepared one is fetched and
    prepared for it, where it is the only one.

    Raises: ModelNotFoundError; as `open_files` for the only one.
    """
    known = {name: _trained_fingerprint(name) for name in trained.names()}
    waiting = [name for name, found in known.items() if found is None]
    for name, found in known.items():
        if found is not None and found.startswith(fingerprint):
            return locate(name, quiet=quiet)
    if len(waiting) == 1:
        files = locate(waiting[0], quiet=quiet)
        if fingerprint_of(files, quiet=quiet).startswith(fingerprint):
            return files
    perhaps = f", or is {' or '.join(waiting)}: say so with -m" if len(waiting) > 1 else ""
    raise ModelNotFoundError(
        f"the file needs a model of somebody's own, of fingerprint {fingerprint.hex()}, which is "
        f"not here{perhaps}; 'llmzip models import' what its owner has exported, or give its "
        "folder or file with -m"
    )


def _trained_fingerprint(name: str) -> bytes | None:
    """Return the fingerprint of a trained model, or None if it is not prepared here."""
    with contextlib.suppress(ModelError, UntrustedError, OSError):
        info = read_info(prepared_path(locate(name, fetch=False, quiet=True)))
        return bytes.fromhex(info.fingerprint)
    return None


def check_fingerprint(opened: OpenedExact, fingerprint: bytes) -> None:
    """Make sure that an opened model is the one that a file was made with.

    Raises: FingerprintError.
    """
    if not opened.fingerprint.startswith(fingerprint):
        raise FingerprintError(
            f"the file was made with a model of fingerprint {fingerprint.hex()}, but {opened.name} "
            f"here has {opened.fingerprint.hex()}: it needs that other model, or the llmzip "
            "release that made it"
        )


def open_files(files: ModelFiles, *, quiet: bool = False, in_parts: bool = False) -> OpenedExact:
    """Open a model from its files, preparing it if that has not been done.

    in_parts: for the CPU's engine, which takes a form that is kept instead of the model: then the
        model itself is read, and found to be damaged, only when somebody asks for it.

    Raises: ModelError, OSError.
    """
    folder = prepared_path(files)
    with contextlib.suppress(*_NOT_READY):
        return _named(load_prepared(folder, in_parts=in_parts), files)
    waiting = f"waiting for another llmzip that prepares {files.name}"
    what = f"the prepared form of model {files.name!r}"
    with home.staging(folder.name, lambda: notice.say(waiting, quiet), what) as tmp:
        with contextlib.suppress(*_NOT_READY):
            return _named(load_prepared(folder), files)
        from llmzip.models.preparing import prepare

        prepare(files, tmp, quiet)
        home.publish(tmp, folder)
    return load_prepared(folder)


def prepared_path(files: ModelFiles) -> Path:
    """Return the folder where the prepared form of a model lies or will lie.

    Raises: ModelDamagedError if the files are not what was published; OSError.
    """
    from llmzip.exact import ENGINE_VERSION

    text = f"engine {ENGINE_VERSION}\n{files.prepared_sha256()}\n"
    return _prepared_home() / hashlib.sha256(text.encode()).hexdigest()[:32]


def find_prepared(fingerprint: bytes) -> Path | None:
    """Return the folder of the prepared model whose fingerprint begins so, if the cache has it."""
    for folder, info in list_prepared():
        if info.fingerprint.startswith(fingerprint.hex()):
            return folder
    return None


def list_prepared() -> Iterator[tuple[Path, PreparedInfo]]:
    """Yield every prepared model in the cache that this user may read, by name.

    Raises: UntrustedError if others can have put one there.
    """
    found = []
    for folder in prepared_folders():
        with contextlib.suppress(*_NOT_READY):
            found.append((folder, read_info(folder)))
    yield from sorted(found, key=lambda item: (item[1].name, item[0]))


def prepared_folders() -> list[Path]:
    """The folders of prepared models in the cache, whole or not, by name.

    Raises: UntrustedError if others can have put one there.
    """
    with contextlib.suppress(PermissionError):
        return sorted(home.trusted(_prepared_home()).glob("*/"))
    return []


def _prepared_home() -> Path:
    return home.home_folder() / "prepared"


def load_prepared(folder: Path, *, in_parts: bool = False) -> OpenedExact:
    """Load the prepared model in a folder, after checking that it is as it was written.

    in_parts: see `open_files`.

    Raises: ModelDamagedError, UntrustedError, OSError.
    """
    info = read_info(folder)
    for name in info.checks:
        home.trusted(folder / name)  # also what is not read now
    forms = Forms(folder, info.checks[MODEL])
    from llmzip.exact.model import shape_of
    from llmzip.exact.stored import StoredModel

    shape = shape_of(folder / MODEL)
    stored = StoredModel(shape, forms, partial(_load_checked, folder, info))
    if not (in_parts and forms.look_ahead(PACKED)):
        _ = stored.whole  # one that is damaged is prepared anew by whoever asked
    opened = OpenedExact(
        stored=stored,
        tokenizer=_open_tokenizer(folder, info),
        bos_id=info.bos_id,
        name=info.name,
        source=info.source,
        fingerprint=bytes.fromhex(info.fingerprint),
    )
    n_tokens = opened.shape.vocab_size
    if not (0 <= opened.bos_id < n_tokens and opened.tokenizer.vocab_size <= n_tokens):
        raise ModelDamagedError(f"{folder}: its tokenizer is another model's: remove {folder}")
    return opened


def _load_checked(folder: Path, info: PreparedInfo) -> ExactModel:
    """Load all of the model. Raises: as `load_prepared`."""
    from llmzip.exact.model import ExactModel

    return ExactModel.load(_checked_file(folder, MODEL, info))


def _open_tokenizer(folder: Path, info: PreparedInfo) -> ByteTokenizer:
    """Open the tokenizer by what is kept of it, or keep that now. Raises: as `load_prepared`."""
    from llmzip.tokens import ByteTokenizer
    from llmzip.tokens.parts import TokenizerParts

    forms = Forms(folder, info.checks[TOKENIZER])
    if (arrays := forms.load(TOKENS, TokenizerParts.RULES)) is not None:
        with contextlib.suppress(KeyError, ValueError):
            return ByteTokenizer.of(TokenizerParts.from_arrays(arrays))
    text = _checked_file(folder, TOKENIZER, info).read_text(encoding="utf-8")
    parts = TokenizerParts.read(text)
    forms.keep(TOKENS, TokenizerParts.RULES, parts.arrays())
    return ByteTokenizer.of(parts)


def _checked_file(folder: Path, name: str, info: PreparedInfo) -> Path:
    """Return the path of a file that is as it was written. Raises: as `load_prepared`."""
    path = home.trusted(folder / name)
    if xxh3(path) != info.checks[name]:
        raise ModelDamagedError(f"{path} is damaged: remove {folder}")
    return path


def _named(opened: OpenedExact, files: ModelFiles) -> OpenedExact:
    """Give an opened model the name it was asked by: copies of a model share one prepared form."""
    return replace(opened, name=files.name, source=files.source)
