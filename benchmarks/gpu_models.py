"""The models of a run on a GPU, on any engine: the default one, and random ones of GPT-2's shape.

What random weights predict is noise to any other codec, and what they write they foresee; so texts
that they have written themselves are coded by them, and not by a classical method.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from numpy.typing import NDArray

from gpu_plan import CPU, CUDA, INTERPRETER, Gpt2Size
from llmzip.container import ModelRef, Options
from llmzip.container.limits import FINGERPRINT_BYTES
from llmzip.exact.distribution import Engine
from llmzip.exact.engines import make_engine
from llmzip.models import HOME_VARIABLE, OpenedExact, open_exact
from llmzip.predict import OpenedPredictor
from llmzip.predict.exact import ExactPredictor
from llmzip.predict.windows import Window
from llmzip.processors import usable_threads
from random_gpt2 import byte_tokenizer

LETTERS = b"abcdefghijklmnopqrstuvwxyz ,.\n"
_SHARPNESS = 2.5
"""The standard deviation of the logits of letters, in nats."""
_INTERPRETED_ROWS = 64


def open_gpt2(folder: Path, size: Gpt2Size) -> OpenedExact:
    """Open the random model of that size, which is made and prepared in `folder` if it is not."""
    saved = folder / f"gpt2-{size.n_layers}-{size.width}"
    if not (saved / "tokenizer.json").exists():
        _save_gpt2(saved, size)
    with mock.patch.dict(os.environ, {HOME_VARIABLE: str(folder / "home")}):
        return open_exact(str(saved), quiet=True)


def _save_gpt2(folder: Path, size: Gpt2Size) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    config = GPT2Config(
        n_layer=size.n_layers,
        n_embd=size.width,
        n_head=size.n_heads,
        vocab_size=size.vocab_size,
        n_positions=size.n_positions,
        bos_token_id=size.vocab_size - 1,
        eos_token_id=size.vocab_size - 1,
    )
    tokenizer = byte_tokenizer(size.vocab_size - 1)
    letters = torch.tensor(tokenizer.encode(LETTERS.decode()).ids)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(124)
        model = GPT2LMHeadModel(config)
        _let_write(model.transformer, letters, size.width)
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))  # the last: the model is complete


def _let_write(body: torch.nn.Module, letters: torch.Tensor, width: int) -> None:
    """Make letters likely, which ones depending on the position above all.

    Signs in the last norm keep a token, whose own row the tied head reads, from following itself.
    """
    tokens, positions, norm = (body.get_submodule(name) for name in ("wte", "wpe", "ln_f"))
    common = torch.randn(width)
    common /= common.norm()
    rows = torch.randn(len(letters), width) * (_SHARPNESS / width**0.5)
    rows -= torch.outer(rows @ common, common)  # no letter is likelier than others for it
    tokens.get_parameter("weight")[letters] = rows + common
    positions.get_parameter("weight").normal_(std=2 * _SHARPNESS / width**0.5)
    norm.get_parameter("weight").copy_(torch.randint(0, 2, (width,)) * 2.0 - 1)
    norm.get_parameter("bias").copy_(12 * common)


def open_on(
    opened: OpenedExact, where: str, options: Options, n_lanes: int | None = None
) -> OpenedPredictor:
    """Return a model on an engine, as the codec takes it, for files of these options."""
    window = Window.fit(
        options.window_tokens,
        options.carry_tokens,
        opened.model.shape.n_positions,
        opened.bos_id,
    )

    def make(n_threads: int) -> Engine:
        if where != INTERPRETER:
            return make_engine(opened.model, where, window.size, n_threads)
        from llmzip.exact.cuda.engine import CudaEngine

        return CudaEngine(opened.model, "cpu", window.size, _INTERPRETED_ROWS)

    n_workers = usable_threads() if where == CPU else 1
    predictor = ExactPredictor(make, window, n_workers, n_lanes)
    ref = ModelRef(opened.name, opened.source, opened.fingerprint[:FINGERPRINT_BYTES])
    return OpenedPredictor(predictor, opened.tokenizer, ref)


def written_by(model: OpenedPredictor, n_lanes: int, n_tokens: int, seed: int) -> bytes:
    """Return a text that the model writes, of `n_tokens` in each of `n_lanes`, drawn at random.

    A space stands for tokens that spell nothing; bytes that are no UTF-8 are left out.
    """
    table, (space, *_) = model.tokenizer.table, model.tokenizer.encode(b" ")
    columns = np.stack(list(_drawn(model, n_lanes, n_tokens, seed)), axis=1)
    text = table.join(np.where(table.lengths[columns] > 0, columns, space).ravel())
    return text.decode("utf-8", "ignore").encode()


def _drawn(
    model: OpenedPredictor, n_lanes: int, n_tokens: int, seed: int
) -> Iterator[NDArray[np.int32]]:
    """Yield the tokens of all lanes, step by step."""
    chance, lanes = np.random.default_rng(seed), np.arange(n_lanes)
    decoder = model.predictor.lanes(n_lanes)
    for lane in lanes.tolist():
        decoder.open(lane)
    for _ in range(n_tokens):
        totals = decoder.totals(lanes)
        ids, _, _ = decoder.find(lanes, chance.integers(0, totals, dtype=np.uint64))
        yield np.minimum(ids, len(model.tokenizer.table) - 1)


@contextmanager
def synchronised(where: str) -> Iterator[None]:
    """Wait for the device before and after, so that a clock round this sees all of it."""
    _wait(where)
    yield
    _wait(where)


def _wait(where: str) -> None:
    if where == CUDA:
        torch.cuda.synchronize()
