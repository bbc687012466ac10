"""One kernel of the exact engine on the CPU: python benchmarks/kernel.py NAME --way WAY[,WAY...]

Times one of the kernels that take blocks of rows through a layer or the head, or a decoding step,
alone, with one thread, on a model of random numbers in the shape that the options say. What the
whole layer or step gives is compared with the reference first: a difference is an error. Prints
microseconds of processor time a row: the least of the runs, and the median. Several ways take
turns, run by run.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from llmzip.doctor.tiny import tiny_model, tiny_shape
from llmzip.exact.cpu.engine import CpuEngine
from llmzip.exact.cpu.ways import Way
from llmzip.exact.distribution import Engine, TokenIntervals
from llmzip.exact.model import ExactModel
from llmzip.exact.shape import ModelShape
from llmzip.exact.torch_engine import TorchEngine
from script_options import names_among

Ids = NDArray[np.int64]

PREFILL = {
    "project": "_project",
    "attend": "_attend",
    "close-attention": "_close_attention",
    "feed-forward": "_feed_forward",
}
"""What there is of a layer in prefill, and what it is called in a `LayerPrefill`."""
NAMES = (*PREFILL, "layer", "head", "step")


class Bench:
    """A model of one layer, and lanes that have `keys` tokens in view when rows come."""

    def __init__(self, options: argparse.Namespace, way: str) -> None:
        self._n_keys, self._n_rows, self._n_lanes = options.keys, options.rows, options.lanes
        self.model, self._way = tiny_model(shape_of(options)), Way(way)
        self._ids = np.random.default_rng(1).integers(0, options.vocab, self.n_positions)

    @property
    def n_positions(self) -> int:
        """Positions of a lane: what is in view, the rows, and steps behind them."""
        return int(self._n_keys + self._n_rows + 2)

    def check(self) -> None:
        """Compare what rows and a step give with the reference. Raises SystemExit."""
        model = self.model
        ours, wanted = (
            self._answers(engine) for engine in (self._engine(model), TorchEngine(model, "cpu"))
        )
        if not all((a == b).all() for a, b in zip(ours, wanted, strict=True)):
            raise SystemExit("kernel.py: the reference gives other numbers")

    def _engine(self, model: ExactModel) -> CpuEngine:
        return CpuEngine(model, self.n_positions, 1, self._way)

    def _fill(self, engine: Engine, lanes: Ids) -> Any:
        """A cache of which each lane has seen `keys` tokens."""
        cache, first = engine.cache(len(lanes), self.n_positions), 0
        while first < self._n_keys:
            last = min(first + 512, self._n_keys)
            for lane in lanes:
                block = self._ids[None, first:last]
                engine.forward(block, np.array([lane]), np.array([first]), cache)
            first = last
        return cache

    def _rows(self) -> tuple[Ids, Ids, Ids]:
        """The block of rows: ids, their lane, where they begin."""
        block = self._ids[None, self._n_keys : self._n_keys + self._n_rows]
        return block, np.array([0]), np.array([self._n_keys])

    def _answers(self, engine: Engine) -> list[NDArray[np.generic]]:
        cache = self._fill(engine, np.arange(1))
        after = self._ids[self._n_keys + 1 : self._n_keys + 1 + self._n_rows]
        found = engine.intervals(engine.forward(*self._rows(), cache), after)
        at = np.array([self._n_keys + self._n_rows])
        totals = engine.step(self._ids[:1], np.array([0]), at, cache).totals()
        return [found.low.copy(), found.freq.copy(), found.total.copy(), totals]

    def timed(self, name: str) -> tuple[Callable[[], object], int]:
        """What is timed, and how many rows it takes."""
        engine = self._engine(self.model)
        if name == "step":
            return self._step(engine), self._n_lanes
        cache = self._fill(engine, np.arange(1))
        hidden = engine.forward(*self._rows(), cache)
        ids, lanes, starts = self._rows()
        if name == "head":
            found = TokenIntervals.empty(self._n_rows)
            return lambda: engine._prefill.intervals(hidden, ids[0], found), self._n_rows
        at, row_lanes = starts[0] + np.arange(self._n_rows), np.repeat(lanes, self._n_rows)
        arguments = {
            "layer": (0, lanes, starts, row_lanes, at, cache),
            "project": (0, row_lanes, at, cache),
            "attend": (0, lanes, starts, self._n_rows, cache),
        }.get(name, (0, self._n_rows))
        method = getattr(engine._prefill, PREFILL.get(name, name))
        return lambda: method(*arguments), self._n_rows

    def _step(self, engine: CpuEngine) -> Callable[[], object]:
        lanes = np.arange(self._n_lanes)
        cache, at = self._fill(engine, lanes), np.full(self._n_lanes, self._n_keys)
        return lambda: engine.step(self._ids[lanes % len(self._ids)], lanes, at, cache)


def shape_of(options: argparse.Namespace) -> ModelShape:
    """The shape of the model, which has one layer."""
    shape = replace(
        tiny_shape(),
        n_layers=1,
        d_model=options.d_model,
        n_heads=options.heads,
        n_kv_heads=options.kv_heads or options.heads,
        d_head=options.d_head,
        d_ff=options.d_ff,
        vocab_size=options.vocab,
        n_positions=options.keys + options.rows + 2,
        gated=not options.gpt2,
        rotary=not options.gpt2,
    )
    return replace(shape, layer_window=(options.window,)) if options.window else shape


def main(arguments: Sequence[str] | None = None) -> None:
    """Check and time, print a line."""
    options = parse(arguments)
    torch.set_num_threads(1)
    benches = [Bench(options, way) for way in options.way]
    for bench in benches:
        bench.check()
    runs = [bench.timed(options.name) for bench in benches]
    for way, seconds in zip(options.way, in_turn(runs, options.runs), strict=True):
        print(
            f"{options.name}, {way}: {min(seconds) * 1e6:.2f} µs a row at the least, "
            f"{statistics.median(seconds) * 1e6:.2f} in the middle of {len(seconds)} runs"
        )


def in_turn(runs: Sequence[tuple[Callable[[], object], int]], count: int) -> list[list[float]]:
    """Seconds of processor time a row of each run, `count` times one after the other."""
    found: list[list[float]] = [[] for _ in runs]
    for run, _ in runs:
        run()
    for _ in range(count):
        for (run, n_rows), seconds in zip(runs, found, strict=True):
            began = time.process_time()
            run()
            seconds.append((time.process_time() - began) / n_rows)
    return found


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="benchmarks/kernel.py", description=__doc__)
    parser.add_argument("name", choices=NAMES, metavar="NAME", help=", ".join(NAMES))
    ways = [str(way) for way in Way]
    parser.add_argument("--way", required=True, type=names_among(ways), help=", ".join(ways))
    parser.add_argument("--d-head", type=int, default=64)
    parser.add_argument("--heads", type=int, default=9)
    parser.add_argument("--kv-heads", type=int, default=0, help="as many as heads by default")
    parser.add_argument("--d-model", type=int, default=576)
    parser.add_argument("--d-ff", type=int, default=1536)
    parser.add_argument("--vocab", type=int, default=4096)
    parser.add_argument("--window", type=int, default=0, help="keys that the layer sees; 0: all")
    parser.add_argument("--gpt2", action="store_true", help="no RoPE and no gates")
    parser.add_argument("--keys", type=int, default=512, help="in view before the rows")
    parser.add_argument("--rows", type=int, default=512, help="of a block of prefill, at most 512")
    parser.add_argument("--lanes", type=int, default=8, help="of a step")
    parser.add_argument("--runs", type=int, default=50)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
