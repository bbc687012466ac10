"""What the head takes by the size of its vocabulary, beside the layers below it.

    python benchmarks/heads.py [--sizes 262144,185523,160348,47712]

A Llama of random weights, by default of Gemma 3 270M's widths but heads of 64, and lists of so many
of its tokens. All sizes in turn, several times; processor time, for the clock says little where
others work: the least of the rounds, for others only add to it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from llmzip.exact.cpu.buffers import CpuHidden
from llmzip.exact.cpu.engine import CpuEngine
from llmzip.exact.model import ExactModel, Layer, Linear
from llmzip.exact.narrowed import NarrowedModel
from llmzip.exact.shape import ModelShape

N_POSITIONS, N_HEADS, N_KV_HEADS, D_HEAD = 1024, 10, 2, 64
SLICE_ROWS, STEP_LANES = 64, (1, 8, 32)


def random_model(vocab_size: int, d_model: int, d_ff: int, n_layers: int) -> ExactModel:
    """A Llama that says nothing sensible, at the cost of one that does."""
    rng = np.random.default_rng(1)

    def linear(n_out: int, n_in: int) -> Linear:
        weight = rng.integers(-127, 128, (n_out, n_in), dtype=np.int8)
        return Linear(weight, np.full(n_out, 2e-4, np.float32), None)

    def layer() -> Layer:
        qkv = linear((N_HEADS + 2 * N_KV_HEADS) * D_HEAD, d_model)
        out, up = linear(d_model, N_HEADS * D_HEAD), linear(2 * d_ff, d_model)
        return Layer(qkv, out, up, linear(d_model, d_ff))

    sizes = n_layers, d_model, N_HEADS, N_KV_HEADS, D_HEAD, d_ff, vocab_size, N_POSITIONS
    angles = np.outer(np.arange(N_POSITIONS), 1e4 ** (-np.arange(D_HEAD // 2) / (D_HEAD / 2)))
    return ExactModel(
        ModelShape(*sizes, eps=1e-6, gated=True, rotary=True),
        rng.integers(-3000, 3000, (vocab_size, d_model), dtype=np.int16),
        np.full(vocab_size, 1e-3, np.float32),
        None,
        np.cos(angles).astype(np.float32),
        np.sin(angles).astype(np.float32),
        tuple(layer() for _ in range(n_layers)),
        linear(vocab_size, d_model),
    )


class Subject:
    """An engine by a list, and what is measured of it."""

    def __init__(self, model: ExactModel, n_tokens: int, n_rows: int) -> None:
        whole = model.shape.vocab_size
        ids = np.unique(np.arange(n_tokens, dtype=np.int64) * whole // n_tokens)
        begin_s = time.process_time()
        narrowed = model if n_tokens == whole else NarrowedModel(model, ids)
        self.engine = CpuEngine(narrowed, N_POSITIONS, 2)
        _ = self.engine.head_bias
        self.narrowing_s = time.process_time() - begin_s
        self.ids = np.arange(n_rows, dtype=np.int64)[None] % n_tokens
        self.lane = np.zeros(1, np.int64)
        self.bias = np.zeros(n_tokens, np.float32)
        self.hidden = self.layers()

    def layers(self) -> CpuHidden:
        """Run the layers over all rows."""
        cache = self.engine.cache(1, N_POSITIONS)
        return self.engine.forward(self.ids, self.lane, self.lane, cache).followed_by([])

    def learning(self) -> None:
        """Run the head over a slice as a group that learns does."""
        rows = self.hidden.part(slice(0, SLICE_ROWS))
        tokens = self.ids[0, : len(rows.scale)]
        found = self.engine.distributions(rows, self.bias)
        found.totals()
        found.add_gradient(tokens, np.zeros(len(self.bias), np.int64))

    def stepper(self, n_lanes: int) -> Callable[[], None]:
        """What takes a step of so many lanes."""
        cache, lanes = self.engine.cache(n_lanes, N_POSITIONS), np.arange(n_lanes)
        ids, at = self.ids[0, :1].repeat(n_lanes), np.zeros(n_lanes, np.int64)

        def step() -> None:
            self.engine.step(ids, lanes, at, cache, self.bias)
            at[:] += 1

        return step


def measured(subjects: dict[int, Subject], n_rounds: int) -> dict[int, list[float]]:
    """Milliseconds of each size: layers and head, a token; then steps."""
    found: dict[tuple[int, int], list[float]] = defaultdict(list)
    jobs = {size: list(_jobs(subject)) for size, subject in subjects.items()}
    for _ in range(n_rounds + 1):  # the first compiles
        for size, own in jobs.items():
            for number, (job, n_tokens) in enumerate(own):
                begin_s = time.process_time()
                job()
                found[size, number].append((time.process_time() - begin_s) * 1e3 / n_tokens)
    n_jobs = 2 + len(STEP_LANES)
    return {size: [min(found[size, number][1:]) for number in range(n_jobs)] for size in subjects}


def _jobs(subject: Subject) -> Iterator[tuple[Callable[[], object], int]]:
    """What is measured, and for how many tokens each is."""
    yield subject.layers, subject.ids.size
    yield subject.learning, min(SLICE_ROWS, subject.ids.size)
    for n_lanes in STEP_LANES:
        yield subject.stepper(n_lanes), 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table; return the exit status."""
    parser = argparse.ArgumentParser(prog="benchmarks/heads.py", description=__doc__)
    parser.add_argument("--sizes", default="262144,185523,160348,47712")
    parser.add_argument("--layers", type=int, default=18)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--feed-forward", type=int, default=2048)
    parser.add_argument("--rows", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args(arguments)
    sizes = sorted(map(int, options.sizes.split(",")), reverse=True)
    model = random_model(sizes[0], options.width, options.feed_forward, options.layers)
    subjects = {size: Subject(model, size, options.rows) for size in sizes}
    steps = " | ".join(f"a step of {n} lanes, ms" for n in STEP_LANES)
    print(f"| tokens | made in, s | layers, µs a token | head, µs a token | {steps} |")
    print("|---:" * (4 + len(STEP_LANES)) + "|")
    for size, (layers, head, *own) in measured(subjects, options.rounds).items():
        cells = [f"{size:,}", f"{subjects[size].narrowing_s:.2f}"]
        cells += [f"{ms * 1e3:,.0f}" for ms in (layers, head)] + [f"{ms:.1f}" for ms in own]
        print("| " + " | ".join(cells) + " |")
    print(f"\nway {subjects[sizes[0]].engine.way}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
