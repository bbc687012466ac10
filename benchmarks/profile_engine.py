"""Where the exact engine's time goes on the CPU: python benchmarks/profile_engine.py [FILE]

Runs what the compressor and the decompressor run, with a clock round every kernel and every
product of matrices. Prints microseconds a token, each thread counting for its share, so that
a column's sum is the time that a token takes. A decoding step is one kernel, which counts its
stages itself. The clocks themselves cost a few per cent.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import torch

from engine_speed import EngineBench
from llmzip.bench import machine
from llmzip.bench.numbers import number
from llmzip.exact.cpu import (
    attention,
    block_attention,
    four_head,
    four_linear,
    head,
    pair_attention,
    pair_head,
    pairs,
    prefill_feed_forward,
    prefill_head,
    rows,
)
from llmzip.exact.cpu.step import STAGES
from llmzip.exact.cpu.team import StepTeam
from llmzip.exact.gemm import exact_gemm
from llmzip.exact.model import ExactModel
from llmzip.models import DEFAULT_MODEL, OpenedExact, open_exact
from llmzip.predict.batches import begin_chunks
from llmzip.processors import usable_threads
from table import markdown_table

DEFAULT_FILE = Path(__file__).parent / "data" / "alice-1-3.txt"
LANES = (1, 8, 32, 64)
KERNELS = (
    (rows, ("embed_normalise", "quantise_rows", "add_normalise", "add_normalise_wide")),
    (rows, ("activate_quantise",)),
    (attention, ("split_heads", "softmax_rows", "mix_heads")),
    (head, ("token_intervals",)),
    (pairs, ("wide_product", "widen", "join_halves")),
    (pair_attention, ("attend",)),
    (pair_head, ("distributions",)),
    (four_linear, ("project_heads", "fill_sums", "close_attention", "feed_forward")),
    (block_attention, ("attend",)),
    (four_head, ("token_intervals",)),
    (prefill_head, ("token_intervals",)),
    (prefill_feed_forward, ("feed_forward",)),
)
TILED = (prefill_feed_forward, prefill_head)
PAIRED = (pairs, pair_attention, pair_head)
FOURS = (four_linear, block_attention, four_head)
REST = "Python between"
SEARCH = "find tokens"

Times = dict[str, float]


class Clock:
    """Seconds by name, from any thread, and the tokens that they were spent on."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.n_tokens = 0
        self._lock = threading.Lock()

    def around(self, name_of: Callable[..., str], function: Callable[..., Any]) -> Any:
        """The function, with its time counted for what `name_of` says of its arguments."""

        def timed(*arguments: Any) -> Any:
            begin_s = time.perf_counter()
            result = function(*arguments)
            seconds = time.perf_counter() - begin_s
            with self._lock:
                self.seconds[name_of(*arguments)] += seconds
            return result

        return timed


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit status."""
    options = parse(arguments)
    opened = open_exact(options.model, quiet=True)
    n_threads = options.threads or usable_threads()
    torch.set_num_threads(n_threads)
    text = options.file.read_bytes()
    bench = EngineBench(opened, "cpu", n_threads, text, options.context, options.steps)
    times = prefill_times(opened, bench, n_threads)
    print(_table(f"prefill of {bench.n_context} tokens", ["prefill"], [times]))
    if options.lanes:
        bench.decode(1)  # compiles
        steps = [step_times(bench, n_lanes) for n_lanes in options.lanes]
        names = [f"{n} lane{'s' * (n > 1)}" for n in options.lanes]
        print(_table(f"a step with {bench.n_context} keys in view", names, steps))
    facts = {**machine.describe(), "threads": n_threads, "model": options.model}
    print("; ".join(f"{name} {fact}" for name, fact in facts.items()) + ".")
    return 0


def _table(title: str, names: Sequence[str], columns: Sequence[Times]) -> str:
    """Microseconds a token, the longest first; their sum, and tokens a second, last."""
    order = sorted(columns[-1], key=lambda name: -columns[-1][name])
    body = [[name, *(number(times[name] * 1e6) for times in columns)] for name in order]
    sums = [sum(times.values()) for times in columns]
    body.append(["sum", *(number(total * 1e6) for total in sums)])
    body.append(["tokens/s", *(number(1 / total) for total in sums)])
    return markdown_table([f"{title}, µs a token", *names], body) + "\n"


def prefill_times(opened: OpenedExact, bench: EngineBench, n_threads: int) -> Times:
    """Seconds a token of each kernel in prefill."""
    bench.prefill(0)  # compiles
    clock = Clock()
    with _timed_kernels(clock, opened.model):
        bench.prefill(2)
    kernels = dict(clock.seconds)
    kernels[REST] = 2 * kernels[REST] - sum(kernels.values())
    return {name: s / n_threads / clock.n_tokens for name, s in kernels.items()}


@contextmanager
def _timed_kernels(clock: Clock, model: ExactModel) -> Iterator[None]:
    """Put the clock round all that prefill calls, for engines made from now on."""
    products = _product_names(model)
    embed = rows.embed_normalise

    def counted_embed(ids: Any, *arguments: Any) -> None:
        clock.n_tokens += ids.size
        embed(ids, *arguments)

    def timed_gemm(device: torch.device) -> Any:
        return clock.around(lambda _a, b, _out: products[tuple(b.shape)], exact_gemm(device))

    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(rows, "embed_normalise", counted_embed))
        for module, names in KERNELS:
            for name in names:
                label = partial(_label, module, name)
                timed = clock.around(label, getattr(module, name))
                stack.enter_context(mock.patch.object(module, name, timed))
        stack.enter_context(mock.patch("llmzip.exact.cpu.plain_prefill.exact_gemm", timed_gemm))
        paired = clock.around(lambda _rows, weight, *_: _pair_name(weight, model), pairs.product)
        stack.enter_context(mock.patch.object(pairs, "product", paired))
        whole = clock.around(lambda *_: REST, begin_chunks)
        stack.enter_context(mock.patch("llmzip.predict.exact.begin_chunks", whole))
        yield


def _label(module: ModuleType, name: str, *arguments: Any) -> str:
    if getattr(arguments[0], "IS_TILED", False):
        return f"tiles: {name}"
    families = {"tiles": TILED, "pairs": PAIRED, "bytes": FOURS}
    return next((f"{own}: {name}" for own, all_ in families.items() if module in all_), name)


def _pair_name(weight: Any, model: ExactModel) -> str:
    """The name of a linear by its packed weight."""
    n_in, n_out = weight.shape[1] * weight.shape[3], weight.shape[0] * weight.shape[2]
    for name in ("qkv", "out", "up"):
        if tuple(getattr(model.layers[0], name).weight.shape) == (n_out, n_in):
            return f"pairs: {name}"
    return "pairs: head"


def _product_names(model: ExactModel) -> defaultdict[tuple[int, ...], str]:
    """Names of products by the shape of their second operand."""
    names: defaultdict[tuple[int, ...], str] = defaultdict(lambda: "product: values")
    for n_keys in range(64, model.shape.n_positions + 65, 64):
        names[model.shape.d_head, n_keys] = "product: scores"
    for name in ("qkv", "out", "up", "down"):
        names[getattr(model.layers[0], name).weight.shape[::-1]] = f"product: {name}"
    names[model.head.weight.shape[::-1]] = "product: head"
    return names


def step_times(bench: EngineBench, n_lanes: int) -> Times:
    """Seconds a token of each stage of decoding steps, and of what is round them."""
    clock, teams = Clock(), []
    run = StepTeam.run

    def noted_run(team: StepTeam, ids: Any, *arguments: Any) -> Any:
        result = run(team, ids, *arguments)
        teams.append(team)
        return result

    timed_run = clock.around(lambda *_: "steps", noted_run)
    timed_find = clock.around(lambda *_: SEARCH, head.find_tokens)
    with (
        mock.patch.object(StepTeam, "run", lambda *arguments: timed_run(*arguments)),
        mock.patch.object(head, "find_tokens", timed_find),
    ):
        speed = bench.decode(n_lanes)
    if not teams:
        raise SystemExit("profile_engine.py: this processor or model has no step kernel")
    n_steps = len(teams)
    ticks = teams[-1].ticks.mean(0)
    step_s = clock.seconds["steps"] / (n_lanes * n_steps)
    times = dict(zip((*STAGES, "waiting"), (ticks / ticks.sum() * step_s).tolist(), strict=True))
    times[SEARCH] = clock.seconds[SEARCH] / (n_lanes * n_steps)
    times[REST] = max(0.0, 1 / speed.tokens_per_s - step_s - times[SEARCH])
    return times


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="benchmarks/profile_engine.py", description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=DEFAULT_FILE, metavar="FILE")
    parser.add_argument("--lanes", type=int, nargs="*", default=LANES, metavar="N")
    parser.add_argument("--context", type=int, default=1024, help="tokens in view")
    parser.add_argument("--steps", type=int, default=64, help="tokens decoded in each lane")
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--threads", type=int)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
