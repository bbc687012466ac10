"""The float predictor: any causal model of transformers, run the usual way.

It computes in floating point, whose last bits depend on the processor, the device,
the number of threads and the versions of libraries. So that encoder and decoder
agree at all, both run the very same computation: one chunk at a time, one token at a
time, with the model's own cache. That makes it slow in both directions, and its files
open only where `machine_tag` is the same. It is the baseline, and the way to use
models that the exact engine does not know.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import math
import os
import platform
from collections.abc import Iterable, Iterator
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from llmzip.errors import DeviceError, ModelUnsupportedError
from llmzip.predict.protocol import Intervals, LearningGroup
from llmzip.predict.windows import Window
from llmzip.processors import processor_name

if TYPE_CHECKING:
    from transformers import PreTrainedModel

SCALE = float(1 << 32)
"""Frequencies are probabilities in this unit, rounded down, plus 1."""

_SETTINGS = (
    "ONEDNN_MAX_CPU_ISA",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_CBWR",
)

_ATTENTIONS = (None, "eager", "sdpa", "flash_attention_2", "flash_attention_3", "flex_attention")
"""What transformers may run a model's attention by."""

_CACHES = ("past_key_values", "cache_params", "state")
"""What models of transformers call that which they know of the tokens so far."""

U64 = NDArray[np.uint64]


class FloatPredictor:
    """Predicts with a transformers model in floating point: tied to this machine."""

    default_lanes = 1  # more lanes would take memory and save no time
    groups_together = 1

    def __init__(self, model: PreTrainedModel, window: Window) -> None:
        """Take a model in evaluation mode, on the device where it shall run."""
        self._model = model
        self._window = window
        self.in_view = window.size
        self._n_threads = torch.get_num_threads()  # as the machine's tag has it
        self.vocab_size: int = model.config.get_text_config().vocab_size
        self.way = f"{model.device.type}, float"

    def intervals(self, chunks: Iterable[NDArray[np.int32]]) -> Iterator[Intervals]:
        """Yield the intervals of each chunk, in order, token by token as the decoder does."""
        for chunk in chunks:
            self._take_threads()
            yield self._chunk(chunk)

    def lane_bytes(self, n_tokens: int | None = None) -> int:
        """Return about what memory a lane takes: the keys and values of all positions."""
        size = self._window.size
        config = self._model.config.get_text_config()
        row = 2 * config.num_hidden_layers * config.hidden_size * self._model.dtype.itemsize
        return int(row * min(size, n_tokens or size))

    @property
    def row_bytes(self) -> int:
        """None beside a lane's own: there are no drafts."""
        return 1

    def _chunk(self, chunk: NDArray[np.int32]) -> Intervals:
        rows: U64 = np.empty((3, chunk.size), dtype=np.uint64)
        bits = 0.0
        context = _Context(self._model, self._window)
        for i, token in enumerate(chunk.tolist()):
            probabilities = context.predict()
            freq = frequencies(probabilities)
            rows[:, i] = freq[:token].sum(), freq[token], freq.sum()
            bits -= math.log2(max(probabilities[token], math.ulp(0)))
            context.append(token)
        low, freq, total = rows
        return Intervals(low, freq, total, bits)

    def group(self) -> LearningGroup:
        """Raise ModelUnsupportedError: only the exact predictor learns."""
        raise ModelUnsupportedError("the float predictor cannot learn while it codes")

    def lanes(self, n_lanes: int) -> FloatLanes:
        """Return a decoder for up to `n_lanes` chunks, which it runs one after the other."""
        self._take_threads()
        return FloatLanes([_Context(self._model, self._window) for _ in range(n_lanes)])

    def _take_threads(self) -> None:
        """Compute with as many threads as in the thread that made this: torch counts for each."""
        if torch.get_num_threads() != self._n_threads:
            torch.set_num_threads(self._n_threads)


class FloatLanes:
    """Lanes of a FloatPredictor."""

    def __init__(self, contexts: list[_Context]) -> None:
        self._contexts = contexts
        self._ends: list[U64] = []

    def open(self, lane: int) -> None:
        """Start a new chunk in `lane`."""
        self._contexts[lane].clear()

    def due(self, lanes: NDArray[np.int64]) -> NDArray[np.int64]:
        """All lanes take all steps."""
        return lanes

    def ahead(self, lanes: NDArray[np.int64]) -> NDArray[np.int64]:
        """None: a step has a row of each."""
        return lanes[:0]

    def totals(self, lanes: NDArray[np.int64]) -> U64:
        """Predict the next token of each of `lanes`; return the totals, in order."""
        self._ends = [
            np.cumsum(frequencies(self._contexts[lane].predict())) for lane in lanes.tolist()
        ]
        return np.array([ends[-1] for ends in self._ends], dtype=np.uint64)

    def find(self, lanes: NDArray[np.int64], targets: U64) -> tuple[NDArray[np.int32], U64, U64]:
        """Take the token whose interval holds each target and append it to its lane."""
        ids = np.empty(lanes.size, dtype=np.int32)
        bounds: U64 = np.zeros((2, lanes.size), dtype=np.uint64)
        for i, (lane, ends) in enumerate(zip(lanes.tolist(), self._ends, strict=True)):
            ids[i] = token = int(np.searchsorted(ends, targets[i], side="right"))
            bounds[:, i] = ends[token - 1] if token else 0, ends[token]
            self._contexts[lane].append(token)
        low, high = bounds
        return ids, low, high - low


class _Context:
    """The tokens that one chunk has shown so far, and the model's cache of them."""

    def __init__(self, model: PreTrainedModel, window: Window) -> None:
        self._model = model
        self._window = window
        # Where the model can, it computes the one row of logits that is looked at.
        known = inspect.signature(model.forward).parameters
        self._options: dict[str, Any] = {"logits_to_keep": 1} if "logits_to_keep" in known else {}
        self._cache_name = cache_name(model)
        self.clear()

    def clear(self) -> None:
        """Forget all tokens."""
        self._seen: list[int] = []
        self._cache: Any = None

    def append(self, token: int) -> None:
        """Go on to the token after `token`."""
        self._seen.append(token)

    @torch.inference_mode()
    def predict(self) -> NDArray[np.float64]:
        """Return the probabilities of the next token, shape (vocab_size,); once for each token.

        Raises:
            ModelUnsupportedError: they are no finite numbers.
        """
        if self._window.begins(len(self._seen)):
            self._cache = None
        inputs = self._seen[-1:]
        if self._cache is None:  # always so with models that keep no such cache
            inputs = self._window.inputs(np.array(self._seen, dtype=np.int64)).tolist()
        output = self._model(
            input_ids=torch.tensor([inputs], device=self._model.device),
            use_cache=True,
            **{self._cache_name: self._cache},
            **self._options,
        )
        self._cache = getattr(output, self._cache_name, None)
        logits: NDArray[np.float64] = output.logits[0, -1].double().cpu().numpy()
        return _softmax(logits)


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = np.exp(logits - logits.max())
    total = weights.sum()
    if not math.isfinite(total):
        raise ModelUnsupportedError(
            "the model's predictions are not finite numbers; choose another model or device"
        )
    probabilities: NDArray[np.float64] = weights / total
    return probabilities


def frequencies(probabilities: NDArray[np.float64]) -> U64:
    """Return the integer frequencies of `probabilities`, of the same shape, each at least 1."""
    return np.floor(probabilities * SCALE).astype(np.uint64) + np.uint64(1)


def n_positions(model: PreTrainedModel) -> int:
    """Return how many positions the model was made for; a large number if it does not say."""
    config = model.config.get_text_config()
    for name in ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len"):
        known = getattr(config, name, None)
        if isinstance(known, int) and known > 1:
            return known
    return 1 << 16


def cache_name(model: PreTrainedModel) -> str:
    """Return what a model calls that which it knows of the tokens so far."""
    known = inspect.signature(model.forward).parameters
    return next((name for name in _CACHES if name in known), _CACHES[0])


def machine_tag(model: PreTrainedModel) -> bytes:
    """Return 8 bytes that differ wherever floating point might: equal tags, equal predictions.

    They cover the processor, the device, the number of threads and the versions of the
    libraries that compute.
    """
    attention = getattr(model.config, "_attn_implementation", None)
    return _machine_tag(model.device, model.dtype, attention, cache_name(model))


def require_machine(wanted: bytes, device: torch.device) -> None:
    """Make sure, with no model loaded, that some float32 model might have the tag `wanted` here.

    Raises: DeviceError.
    """
    kinds = product(_ATTENTIONS, _CACHES)
    if all(wanted != _machine_tag(device, torch.float32, *kind) for kind in kinds):
        raise foreign_machine()


def foreign_machine() -> DeviceError:
    """The error for a file of another machine."""
    return DeviceError(
        "the file was made in floating point and can be decoded only on the machine, device "
        "and library versions that made it; --force-foreign tries all the same"
    )


def _machine_tag(
    device: torch.device, dtype: torch.dtype, attention: str | None, cache: str
) -> bytes:
    import transformers

    model = [str(dtype), str(attention)]
    if cache != _CACHES[0]:  # such models were fed all tokens anew before: other last bits
        model.append(cache)

    facts = {
        "libraries": [torch.__version__, transformers.__version__, np.__version__],
        "processor": [
            platform.machine(),
            processor_name(),
            torch.backends.cpu.get_cpu_capability(),
        ],
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "model": model,
        "settings": [torch.get_float32_matmul_precision(), *map(os.environ.get, _SETTINGS)],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).digest()[:8]
