"""How fast others run the same model: transformers, and llama.cpp where its binding is there."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import torch

from limits import best_seconds, seconds_of
from llmzip.models import ModelFiles, load_transformers, locate


@dataclass(frozen=True)
class PeerSpeed:
    """Tokens a second of one text: all at once, and step by step with the cache."""

    name: str
    bytes_per_weight: float
    prefill_tokens_per_s: float
    decode_tokens_per_s: float
    note: str = ""


@dataclass(frozen=True)
class Task:
    """What every peer does: predict `ids` from `n_context` on, step by step, after a prefill."""

    ids: list[int]
    n_weights: int
    n_context: int
    device: torch.device
    threads: int
    min_s: float

    @property
    def n_steps(self) -> int:
        """How many tokens are predicted one at a time."""
        return len(self.ids) - self.n_context


@torch.inference_mode()
def transformers_speed(model_name: str, task: Task, dtype: torch.dtype) -> PeerSpeed:
    """Measure transformers with its cache; prefill gives the logits of every position."""
    model: Any = load_transformers(locate(model_name, quiet=True)).model
    model = model.to(device=task.device, dtype=dtype)
    torch.set_num_threads(task.threads)
    ids = torch.tensor([task.ids], device=task.device)
    context = ids[:, : task.n_context]
    prefill_s = best_seconds(lambda: model(input_ids=context), task.device, task.min_s)
    cache = model(input_ids=context, use_cache=True).past_key_values

    def steps() -> None:
        for at in range(task.n_context, len(task.ids)):
            model(input_ids=ids[:, at : at + 1], past_key_values=cache, use_cache=True)

    return PeerSpeed(
        f"transformers {str(dtype).removeprefix('torch.')}",
        dtype.itemsize,
        task.n_context / prefill_s,
        task.n_steps / seconds_of(steps, task.device),
    )


def llama_cpp_speed(model_name: str, task: Task) -> PeerSpeed:
    """Measure llama.cpp on the same GGUF file; its prefill computes the last position's logits.

    Raises ImportError where llama-cpp-python is not there, or the model is no GGUF file.
    """
    llama_cpp = importlib.import_module("llama_cpp")
    files: ModelFiles = locate(model_name, quiet=True)
    if not files.is_gguf:
        raise ImportError(f"llama.cpp reads GGUF files, which {files.name} is not")
    model = llama_cpp.Llama(
        model_path=str(files.path),
        n_ctx=len(task.ids) + 8,
        n_batch=512,
        n_threads=task.threads,
        n_threads_batch=task.threads,
        n_gpu_layers=-1 if task.device.type == "cuda" else 0,
        verbose=False,
    )

    def prefill() -> None:
        model.reset()
        model.eval(task.ids[: task.n_context])

    prefill_s = best_seconds(prefill, task.device, task.min_s)

    def steps() -> None:
        for token in task.ids[task.n_context :]:
            model.eval([token])

    return PeerSpeed(
        "llama.cpp",
        files.path.stat().st_size / task.n_weights,
        task.n_context / prefill_s,
        task.n_steps / seconds_of(steps, task.device),
        f"{files.path.name}; prefill without the head but at its end",
    )
