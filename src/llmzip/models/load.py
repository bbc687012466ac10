"""Models through transformers: silent, in float32, never a pickle, never foreign code.

Nothing is fetched here, and what files claim of their sizes is checked before it is believed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from llmzip.errors import ModelDamagedError, ModelUnsupportedError
from llmzip.models import claims, gguf_claims, gguf_config, gguf_tokens
from llmzip.models.adapters import read_adapter
from llmzip.models.files import ModelFiles
from llmzip.models.foreign import line_of, parsed_once, silence, translated
from llmzip.models.gguf_claims import GgufHeader

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

END_OF_TEXT = "<|endoftext|>"


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


@dataclass(frozen=True)
class StoredWeights:
    """A model whose weights are read when they are asked for, with its tokenizer.

    config: transformers' configuration.
    weights: tensors by the names of transformers' model, see `exact.families.weights.Weights`.
    is_whole: they are in memory all the same, for they lie in the files in another way.
    tokenizer_json, bos_id: see `LoadedModel`.
    """

    config: Any
    weights: Mapping[str, Any]
    is_whole: bool
    tokenizer_json: str
    bos_id: int


def open_stored(files: ModelFiles) -> StoredWeights:
    """Open a model of which no more is read than is asked for. Raises: as `load_transformers`."""
    weights: Mapping[str, Any] | None
    with silence(), translated(files.path):
        checked = _check_claims(files)
        with parsed_once() if files.is_gguf else contextlib.nullcontext():
            tokenizer_json = _read_tokenizer(files, checked.header)
            model = checked.sketch or _sketch(files, checked.changed)
            weights = _stored_weights(files, checked.header, model)
            is_whole = weights is None
            if weights is None:
                model = _load_model(files, checked.changed)
    if files.adapter is not None:
        from llmzip.models import merge, stored  # and with them the compiler of kernels

        adapter = read_adapter(files.adapter)
        if weights is None:
            merge.merge(model, adapter, files.adapter)
        else:
            weights = stored.changed(weights, merge.changes(model, adapter, files.adapter))
    bos_id = _check_tokenizer(files.path, tokenizer_json, model)
    state = model.state_dict() if weights is None else weights
    return StoredWeights(model.config, state, is_whole, tokenizer_json, bos_id)


def load_transformers(files: ModelFiles) -> LoadedModel:
    """Load a model for computing with it.

    Raises: ModelUnsupportedError if transformers does not know the architecture, the tokenizer
    has no table form or a size is beyond belief; ModelDamagedError if files contradict each other.
    """
    with silence(), translated(files.path):
        checked = _check_claims(files)
        with parsed_once() if files.is_gguf else contextlib.nullcontext():
            tokenizer_json = _read_tokenizer(files, checked.header)
            model = _load_model(files, checked.changed)
    if files.adapter is not None:
        from llmzip.models.merge import merge  # and with it the compiler of kernels

        merge(model, read_adapter(files.adapter), files.adapter)
    bos_id = _check_tokenizer(files.path, tokenizer_json, model)
    return LoadedModel(model, tokenizer_json, bos_id, files.name, files.source)


@dataclass(frozen=True)
class _Checked:
    """What is known of a model whose claims are believed.

    changed: what transformers' configuration lacks. header: a GGUF's.
    sketch: the model without weights, where it was needed.
    """

    changed: dict[str, Any] = field(default_factory=dict)
    header: GgufHeader | None = None
    sketch: PreTrainedModel | None = None


def _check_claims(files: ModelFiles) -> _Checked:
    """Refuse what would take more memory than its files account for, before any of it is taken."""
    if files.is_gguf:
        header = gguf_claims.check_gguf(files.path)
        return _Checked(gguf_config.changes(files.path, header), header)
    if (files.path / "adapter_config.json").exists() and find_spec("peft") is not None:
        raise ModelUnsupportedError(
            f"{files.path} has an adapter beside the model, which the peft library would add to it "
            "unasked: remove adapter_config.json, or merge the adapter"
        )
    n_held = claims.check_folder(files.path)
    model = _sketch(files, {})
    n_implied, n_constants = (
        sum(tensor.numel() for tensor in tensors)
        for tensors in (model.parameters(), model.buffers())
    )
    claims.check_implied(files.path, n_implied, n_held, n_constants)
    return _Checked(sketch=model)


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


def _config(files: ModelFiles, changed: dict[str, Any]) -> PretrainedConfig:
    import transformers

    config = transformers.AutoConfig.from_pretrained(**_where(files))
    if changed:
        gguf_config.amend(config, changed)
    return cast("PretrainedConfig", config)


def _sketch(files: ModelFiles, changed: dict[str, Any]) -> PreTrainedModel:
    """The model without its weights: names and sizes, which take no memory."""
    import torch
    import transformers

    config = _config(files, changed)
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    return cast("PreTrainedModel", model)


def _stored_weights(
    files: ModelFiles, header: GgufHeader | None, sketch: PreTrainedModel
) -> dict[str, Any] | None:
    """The weights where they lie; None where transformers has to make the model's of them."""
    from llmzip.models import stored, stored_gguf

    if header is None:
        return stored.in_folder(files.path, sketch)
    return stored_gguf.in_gguf(files.path, header, sketch)


def _load_model(files: ModelFiles, changed: dict[str, Any]) -> PreTrainedModel:
    import torch
    import transformers

    given = {"config": _config(files, changed)} if changed else {}
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


def _read_tokenizer(files: ModelFiles, header: GgufHeader | None) -> str:
    """Return the tokenizer as JSON: as it lies in the folder, else as transformers converts it.

    Of a Gemma's vocabulary without merges each of its releases makes them in another way.
    """
    as_saved = files.path / "tokenizer.json"
    if not files.is_gguf and as_saved.exists():
        return as_saved.read_text(encoding="utf-8")
    if header is not None and gguf_tokens.is_known(header):
        return gguf_tokens.read_tokenizer(files.path)
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
        raise ModelDamagedError(f"{path}: the tokenizer cannot be read ({line_of(exc)})") from exc
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
