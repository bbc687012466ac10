"""Copies of a model's files, to be kept beside what was compressed with it, or given to others."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from llmzip.errors import ModelDamagedError, UsageError
from llmzip.models import adapters, folder, trained
from llmzip.models.adapter import SUFFIX, write_folder
from llmzip.models.catalog import CATALOG, WheelSource
from llmzip.models.files import ModelFiles
from llmzip.models.wheel import beside_weights

_WHOLE = ".gguf", ".safetensors"
"""What files of whole models end in."""


def export(files: ModelFiles, into: Path) -> str:
    """Copy all that the model is loaded from into the folder `into`; return what -m takes there.

    That is a file, or for a model of several files a folder of its own; of a model with an
    adapter, both.

    Terms that go with weights are put beside them, and called after the model.

    Raises UsageError if any of it is there already; ModelDamagedError, OSError.
    """
    if files.base is not None and files.adapter is not None:
        base = export(files.base, into)
        return f"{base}+{export_adapter(files, into / f'{files.name}{SUFFIX}')}"
    files.sha256()  # what is damaged is not worth keeping
    target = into / files.path.name if files.is_gguf else into / files.name.replace("/", "--")
    terms = {into / f"{files.name}.{file.name}": file for file in _terms_of(files)}
    for wanted in (target, *terms):
        _require_free(wanted)
    into.mkdir(parents=True, exist_ok=True)
    with _made_in(into) as made:
        for wanted, file in terms.items():
            shutil.copyfile(file, made / wanted.name)
        copy = made / target.name
        if files.is_gguf:
            shutil.copyfile(files.path, copy)
        else:
            copy.mkdir()
            for file in folder.read_files(files.path):
                shutil.copyfile(file, copy / file.name)
        for wanted in (*terms, target):
            (made / wanted.name).rename(wanted)
    return str(target)


def _terms_of(files: ModelFiles) -> list[Path]:
    """What lies beside weights whose terms ask to be given with them.

    Raises ModelDamagedError if some of it is not there.
    """
    entry = CATALOG.get(files.name)
    if entry is None or not isinstance(entry.source, WheelSource):
        return []
    if str(entry.source) != files.source:
        return []
    found = beside_weights(files.path, entry.source)
    if len(found) != len(entry.source.beside):
        raise ModelDamagedError(
            f"{files.path.parent} lacks the terms that {files.name} is to be given away with: "
            f"run 'llmzip models pull {files.name}'"
        )
    return found


def export_adapter(files: ModelFiles, target: Path) -> Path:
    """Write a model's adapter into one file, which names the base model and does not contain it.

    Raises UsageError if it is there already; ModelDamagedError, OSError.
    """
    assert files.adapter is not None, "a model without an adapter is copied as it is"
    _require_free(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _made_in(target.parent) as made:
        copy = made / target.name
        if files.adapter.is_file():
            shutil.copyfile(files.adapter, copy)
        else:
            _write_as_file(files.adapter, copy)
        copy.rename(target)
    return target


def _write_as_file(adapter: Path, target: Path) -> None:
    """Write the adapter in a folder, and what is known of its training, as one file."""
    from llmzip.models.adapter_file import write_file

    training = adapter / trained.TRAINING
    told = training.read_text(encoding="utf-8") if training.is_file() else ""
    write_file(adapters.read_adapter(adapter), target, told)


def import_adapter(path: Path, name: str, *, replace: bool = False) -> Path:
    """Keep an adapter that somebody has exported as a model of that name; return its folder.

    Raises UsageError for a whole model, or if there is another of that name; ModelDamagedError if
    it is no adapter or not as it was written; OSError.
    """
    from llmzip.models.adapter_file import read_with_training

    if path.is_dir() or path.suffix.lower() in _WHOLE:
        raise UsageError(
            f"{path} is no adapter in one file, and only those are imported: a model's folder or "
            f".gguf, or an adapter's folder, is used where it is, with -m {path}"
        )
    adapter, told = read_with_training(path)
    training = _training(path, told) | {"base": adapter.config.base}
    target = trained.folder_of(trained.require_name(name))
    if target.exists() and not replace:
        raise UsageError(f"there is a model {name} already: -f replaces it, --name takes another")
    keep(partial(write_folder, adapter), training, target)
    return target


def keep(write: Callable[[Path], None], training: dict[str, object], target: Path) -> None:
    """Put what was learnt where it is looked for, whole or not at all, over what is there.

    write: writes it into a folder, which is empty.

    Raises OSError.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with _made_in(target.parent) as made:
        folder = made / target.name
        folder.mkdir()
        write(folder)
        text = json.dumps(training, indent=1) + "\n"
        (folder / trained.TRAINING).write_text(text, encoding="utf-8")
        if target.exists():
            target.rename(made / "replaced")
        folder.rename(target)


def _training(path: Path, told: str) -> dict[str, object]:
    try:
        found = json.loads(told or "{}")
    except ValueError as exc:
        raise ModelDamagedError(f"{path} is damaged ({exc}): get it again") from exc
    return found if isinstance(found, dict) else {}


def _require_free(target: Path) -> None:
    if target.exists():
        raise UsageError(f"{target} exists; remove it, or export elsewhere")


@contextmanager
def _made_in(folder: Path) -> Iterator[Path]:
    """Give an empty folder in the same file system, as others may read it, gone in the end."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".llmzip-export-") as made:
        folder = Path(made)
        folder.chmod(0o755)
        yield folder
