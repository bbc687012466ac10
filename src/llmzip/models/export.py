"""Copies of a model's files, to be kept beside what was compressed with it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from llmzip.errors import UsageError
from llmzip.models import folder
from llmzip.models.files import ModelFiles


def export(files: ModelFiles, into: Path) -> Path:
    """Copy all that the model is loaded from into the folder `into`; return what -m takes there.

    That is a file, or for a model of several files a folder of its own.
    Raises UsageError if it is there already; ModelDamagedError, OSError.
    """
    files.sha256()  # what is damaged is not worth keeping
    target = into / files.path.name if files.is_gguf else into / files.name.replace("/", "--")
    if target.exists():
        raise UsageError(f"{target} exists; remove it, or export into another folder")
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into, prefix=".llmzip-export-") as made:
        copy = Path(made) / target.name
        if files.is_gguf:
            shutil.copyfile(files.path, copy)
        else:
            copy.mkdir()
            for file in folder.read_files(files.path):
                shutil.copyfile(file, copy / file.name)
        copy.rename(target)
    return target
