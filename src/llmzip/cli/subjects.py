"""What is to be explained: texts, or .llmz files of texts, each with the model that sees it."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from llmzip import looking
from llmzip.cli.files import STDIO
from llmzip.cli.inputs import Input, refuse_terminal
from llmzip.cli.settings import Settings
from llmzip.compressor import DEFAULT_LEVEL
from llmzip.container.catalog import LOCAL_SOURCE
from llmzip.errors import ModelNotFoundError, UsageError
from llmzip.escaping import one_line
from llmzip.models.prepared import trained_with
from llmzip.models.trained import is_trained

if TYPE_CHECKING:
    from llmzip.compressor import Compressor
    from llmzip.container import ModelRef, Summary


@dataclass(frozen=True)
class Asked:
    """A file, as it was named, and the model that was named for it, if any was."""

    path: Path
    model: str | None


@dataclass(frozen=True)
class Text:
    """What is in a file. settings: how to compress it so that it becomes what the file is.

    model: that a .llmz records, by a name that leads to it. n_file_bytes: of a .llmz.
    """

    data: bytes
    settings: Settings
    model: str | None = None
    n_file_bytes: int | None = None

    def compressor(self, model: str | None) -> Compressor:
        """Return what compresses it. model: that was named. Raises UsageError, OSError."""
        model = model or self.model or os.environ.get("LLMZIP_MODEL")
        return replace(self.settings, model=model).compressor()


def asked(settings: Settings) -> Sequence[Asked]:
    """Return what a person has asked for: one or two. Raises UsageError."""
    files, models = settings.files or (STDIO,), settings.models
    if len(files) > 2:
        raise UsageError(f"{len(files)} files: explain takes one, or two to be compared")
    if len(models) > 2:
        raise UsageError(f"{len(models)} models: explain takes one, or two to be compared")
    if len(files) == 2 and len(models) == 2:
        raise UsageError("two files and two models: compare one with the other, not both")
    if files == (STDIO, STDIO):
        raise UsageError("standard input can be read only once")
    named = models or (None,)
    return [Asked(path, model) for path in files for model in named]


def text_of(path: Path, reading: Input, settings: Settings) -> Text:
    """Read a file that is open; decompress it, if it is a .llmz.

    Raises UsageError, OSError, and for a .llmz what decompressing raises.
    """
    if path == STDIO:
        refuse_terminal(reading.stream)
    data = reading.stream.read()
    if not looking.is_llmz(data):
        return Text(data, settings)
    model = settings.models[0] if len(settings.models) == 1 else None
    source, sink = io.BytesIO(data), io.BytesIO()
    with replace(settings, model=model).decompressor() as decompressor:
        decompressor.decoded_size(source)
        decompressor.decompress(source, sink)
    members = list(looking.inspect(data))
    recorded = next((one.model for one in members if one.model is not None), None)
    as_it_was = replace(settings, level=_level_of(members[0], settings.level))
    return Text(sink.getvalue(), as_it_was, _name_of(recorded, settings), len(data))


def _name_of(recorded: ModelRef | None, settings: Settings) -> str | None:
    """Return the name of a model that a file records, if it leads to it.

    Raises UsageError for a folder or file, which nobody can find by its name, if none was given.
    """
    if recorded is None:
        return None
    is_asked_for = bool(settings.models or os.environ.get("LLMZIP_MODEL"))
    name = recorded.name
    if not name and not is_asked_for:
        name = _name_by(recorded.fingerprint, settings)
    if name and (recorded.source != LOCAL_SOURCE or is_trained(name)):
        return name
    if not is_asked_for:
        raise UsageError(
            f"it was made with the model {one_line(recorded.shown)}, which is a folder or file of "
            "whoever made it: give that with -m"
        )
    return None


def _name_by(fingerprint: bytes, settings: Settings) -> str:
    """Return the name of the trained model that has this fingerprint; empty if there is none."""
    with contextlib.suppress(ModelNotFoundError):
        return trained_with(fingerprint, quiet=settings.quiet).name
    return ""


def _level_of(member: Summary, wanted: int) -> int:
    """Return a level that writes such a member: that is `wanted`, or else nearest to the default.

    Of a small one it is not known which of several it was.
    """
    from llmzip.codec.levels import levels_with

    levels = levels_with(member.options, member.n_waves == 1)
    if wanted in levels or not levels:
        return wanted
    return min(levels, key=lambda level: abs(level - DEFAULT_LEVEL))
