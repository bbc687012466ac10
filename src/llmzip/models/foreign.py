"""Calling transformers and the readers below it: silent, without double work, errors ours."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

from llmzip.errors import LlmzipError, ModelDamagedError, ModelUnsupportedError

_parsing = Lock()


@contextlib.contextmanager
def parsed_once() -> Iterator[None]:
    """Have a GGUF's header parsed once, and the table of its tensors' names made once.

    transformers does the one three times and the other for each module of the model, which takes
    longer than reading the weights.
    """
    import gguf

    with _parsing:
        parse, name = gguf.GGUFReader, gguf.get_tensor_name_map
        gguf.GGUFReader = lru_cache(1)(_of_an_array(parse))
        gguf.get_tensor_name_map = lru_cache(1)(name)
        try:
            yield
        finally:
            gguf.GGUFReader, gguf.get_tensor_name_map = parse, name


def _of_an_array(reader: Any) -> Any:
    """A reader of GGUF that sees the mapped file as a plain array.

    It takes a dozen slices for each token of the vocabulary, and those of a memmap are made by
    Python: most of the time that parsing takes.
    """
    import numpy as np

    class Reader(reader):  # type: ignore[misc]  # gguf has no types
        def __setattr__(self, name: str, value: Any) -> None:
            super().__setattr__(name, np.asarray(value) if name == "data" else value)

    return Reader


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Keep transformers' bars, reports and advice off stderr."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        import transformers.utils.logging as log

        verbosity, bars = log.get_verbosity(), log.is_progress_bar_enabled()
        log.set_verbosity_error()
        log.disable_progress_bar()
        try:
            yield
        finally:
            log.set_verbosity(verbosity)
            if bars:
                log.enable_progress_bar()


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what transformers and the readers below it raise into our errors."""
    try:
        yield
    except LlmzipError:
        raise
    except (MemoryError, RecursionError):
        raise
    except Exception as exc:  # OSError, ValueError, KeyError, SafetensorError, RuntimeError, ...
        text = f"{type(exc).__name__}: {line_of(exc)}"
        if isinstance(exc, ValueError | KeyError | ImportError | NotImplementedError):
            raise ModelUnsupportedError(f"transformers cannot load {path} ({text})") from exc
        raise ModelDamagedError(f"{path} cannot be read ({text}): get the model again") from exc


def line_of(exc: BaseException) -> str:
    """Return the first line of what an exception says, or its kind."""
    lines = str(exc).strip().splitlines()
    return lines[0] if lines else type(exc).__name__
