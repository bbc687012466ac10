"""Models through transformers: silent, in float32, never a pickle, never foreign code.

Nothing is fetched here, and what files claim of their sizes is checked before it is believed.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

from llmzip.errors import LlmzipError, ModelDamagedError, ModelUnsupportedError
from llmzip.models import claims, gguf_claims, gguf_config
from llmzip.models.adapters import read_adapter
from llmzip.models.files import ModelFiles

if TYPE_CHECKING:
    from transformers import PreTrainedModel

END_OF_TEXT = "<|endoftext|>"

_parsing = Lock()


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory with its tokenizer.

    model: float32, on the CPU, in evaluation mode.
    tokenizer_json: in the format of the tokenizers library.
    bos_id: the token that stands before a text's first one.
    """

    model: PreTrainedModel
    tokenizer_json: str
    bos_id: int
    name: str
    source: str


def load_transformers(files: ModelFiles) -> LoadedModel:
    """Load a model for computing with it.

    Raises: ModelUnsupportedError if transformers does not know the architecture, the tokenizer
    has no table form or a size is beyond belief; ModelDamagedError if files contradict each other.
    """
    with _silence(), _translated(files.path):
        changed = _check_claims(files)
        with _parsed_once() if files.is_gguf else contextlib.nullcontext():
            tokenizer_json = _read_tokenizer(files)
            model = _load_model(files, changed)
    if files.adapter is not None:
        from llmzip.models.merge import merge  # and with it the compiler of kernels

        merge(model, read_adapter(files.adapter), files.adapter)
    bos_id = _check_tokenizer(files.path, tokenizer_json, model)
    return LoadedModel(model, tokenizer_json, bos_id, files.name, files.source)


def _check_claims(files: ModelFiles) -> dict[str, Any]:
    """Refuse what would take more memory than its files account for, before any of it is taken.

    Returns what transformers' configuration lacks.
    """
    if files.is_gguf:
        return gguf_config.changes(files.path, gguf_claims.check_gguf(files.path))
    if (files.path / "adapter_config.json").exists() and find_spec("peft") is not None:
        raise ModelUnsupportedError(
            f"{files.path} has an adapter beside the model, which the peft library would add to it "
            "unasked: remove adapter_config.json, or merge the adapter"
        )
    n_held = claims.check_folder(files.path)
    import torch
    import transformers

    config = transformers.AutoConfig.from_pretrained(**_where(files))
    with torch.random.fork_rng(devices=[]), torch.device("meta"):  # sizes without memory
        model = transformers.AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    n_implied, n_constants = (
        sum(tensor.numel() for tensor in tensors)
        for tensors in (model.parameters(), model.buffers())
    )
    claims.check_implied(files.path, n_implied, n_held, n_constants)
    return {}


def _where(files: ModelFiles) -> dict[str, Any]:
    """Return the arguments by which from_pretrained finds the files, and only these files."""
    safe = {"trust_remote_code": False, "local_files_only": True}
    if files.is_gguf:
        return {
            "pretrained_model_name_or_path": str(files.path.parent),
            "gguf_file": files.path.name,
            **safe,
        }
    return {"pretrained_model_name_or_path": str(files.path), **safe}


def _load_model(files: ModelFiles, changed: dict[str, Any]) -> PreTrainedModel:
    import torch
    import transformers

    given = {}
    if changed:
        given["config"] = transformers.AutoConfig.from_pretrained(**_where(files))
        gguf_config.amend(given["config"], changed)

    release = tuple(int(part) for part in transformers.__version__.split(".")[:2])
    dtype_option = "dtype" if release >= (4, 56) else "torch_dtype"
    with torch.random.fork_rng(devices=[]):  # weights are drawn at random before they are read
        model, info = transformers.AutoModelForCausalLM.from_pretrained(
            **_where(files),
            **given,
            **{dtype_option: torch.float32},
            use_safetensors=True,
            output_loading_info=True,
        )
    absent = sorted(info["missing_keys"]) + [str(key[0]) for key in info["mismatched_keys"]]
    if absent:  # transformers has filled them with random numbers
        raise ModelDamagedError(
            f"{files.path} lacks {len(absent)} of the model's weights, {absent[0]} for one: "
            "get the model again"
        )
    model.eval()
    model.requires_grad_(False)
    return cast("PreTrainedModel", model)


def _read_tokenizer(files: ModelFiles) -> str:
    """Return the tokenizer as JSON: as it lies in the folder, else as transformers converts it."""
    as_saved = files.path / "tokenizer.json"
    if not files.is_gguf and as_saved.exists():
        return as_saved.read_text(encoding="utf-8")
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(**_where(files))
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ModelUnsupportedError(
            f"{files.path}: a {type(tokenizer).__name__} has no table of tokens that can be read; "
            "save a tokenizer.json with the model"
        )
    return str(backend.to_str())


def _check_tokenizer(path: Path, tokenizer_json: str, model: PreTrainedModel) -> int:
    """Make sure that the tokenizer is this model's as far as one can tell; return bos_id."""
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_str(tokenizer_json)
    except Exception as exc:  # the library raises bare Exception
        raise ModelDamagedError(f"{path}: the tokenizer cannot be read ({_line(exc)})") from exc
    largest = max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1)
    vocab_size = int(model.config.get_text_config().vocab_size)
    if not 0 <= largest < vocab_size:
        raise ModelDamagedError(
            f"{path}: the tokenizer goes up to token {largest}, but the model knows "
            f"{vocab_size} tokens: they do not belong together"
        )
    ends = model.config.eos_token_id
    if isinstance(ends, list):  # some models end in several ways
        ends = ends[0] if ends else None
    for bos_id in (tokenizer.token_to_id(END_OF_TEXT), model.config.bos_token_id, ends):
        if bos_id is not None and 0 <= bos_id < vocab_size:
            return int(bos_id)
    raise ModelUnsupportedError(f"{path}: no token marks the beginning or end of a text")


@contextlib.contextmanager
def _parsed_once() -> Iterator[None]:
    """Have a GGUF's header parsed once, and the table of its tensors' names made once.

    transformers does the one three times and the other for each module of the model, which takes
    longer than reading the weights.
    """
    import gguf

    with _parsing:
        parse, name = gguf.GGUFReader, gguf.get_tensor_name_map
        gguf.GGUFReader, gguf.get_tensor_name_map = lru_cache(1)(parse), lru_cache(1)(name)
        try:
            yield
        finally:
            gguf.GGUFReader, gguf.get_tensor_name_map = parse, name


@contextlib.contextmanager
def _silence() -> Iterator[None]:
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
def _translated(path: Path) -> Iterator[None]:
    """Turn what transformers and the readers below it raise into our errors."""
    try:
        yield
    except LlmzipError:
        raise
    except (MemoryError, RecursionError):
        raise
    except Exception as exc:  # OSError, ValueError, KeyError, SafetensorError, RuntimeError, ...
        text = f"{type(exc).__name__}: {_line(exc)}"
        if isinstance(exc, ValueError | KeyError | ImportError | NotImplementedError):
            raise ModelUnsupportedError(f"transformers cannot load {path} ({text})") from exc
        raise ModelDamagedError(f"{path} cannot be read ({text}): get the model again") from exc


def _line(exc: BaseException) -> str:
    lines = str(exc).strip().splitlines()
    return lines[0] if lines else type(exc).__name__
