"""Where a device's time goes, kernel by kernel, beside what the work would take at the limits."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

from engine_speed import macs_per_token
from gpu_devices import DeviceLimits
from gpu_models import open_on, synchronised
from gpu_plan import CUDA, Plan
from gpu_report import Found
from llmzip.codec.levels import LEVELS
from llmzip.exact.shape import ModelShape
from llmzip.models import OpenedExact
from llmzip.predict import OpenedPredictor

COPIES, REST = "copies and fills", "torch, the rest"
TRITON = (
    "embed_normalise",
    "project_heads",
    "attend_rows",
    "attend_step",
    "quantise_rows",
    "add_linear",
    "activate_linear",
    "split_rows",
    "normalise_rows",
    "multiply",
    "token_intervals",
    "block_sums",
    "find_tokens",
    "look_up",
    "subtract_probabilities",
)
_COPY_WORDS = ("memcpy", "memset", "copy", "fill")
HOST = "the device waits for the host"


@dataclass(frozen=True)
class Work:
    """Seconds of the device by kernel, and of the clock, over so many tokens."""

    seconds: Mapping[str, float]
    wall_s: float
    n_tokens: int

    def found(self, title: str, limits_us: Mapping[str, float]) -> Iterator[Found]:
        """Yield microseconds a token, the longest first; then what is no kernel's, and the sum."""
        order = sorted(self.seconds, key=lambda name: -self.seconds[name])
        busy_s = sum(self.seconds.values())
        for name in order:
            yield self._time(f"{title}: {name}", self.seconds[name], limits_us.get(name))
        yield self._time(f"{title}: {HOST}", max(0.0, self.wall_s - busy_s), None)
        yield self._time(f"{title}: in all", self.wall_s, sum(limits_us.values()) or None)

    def _time(self, what: str, seconds: float, limit_us: float | None) -> Found:
        share = f"{seconds / self.wall_s:.0%} of the time"
        us = seconds / self.n_tokens * 1e6
        return Found(what, us, "µs a token", limit_us, share, is_rate=False)


def kernel_times(
    name: str, opened: OpenedExact, limits: DeviceLimits | None, plan: Plan
) -> Iterator[Found]:
    """Yield where prefill's time goes, then that of steps in many lanes."""
    shape = opened.model.shape
    model = open_on(opened, plan.where, LEVELS[1].options, plan.profile_lanes)
    size = min(plan.chunk_tokens, LEVELS[1].options.window_tokens, shape.n_positions)
    prefill = _prefill(model, size, plan)
    yield from prefill.found(f"{name}, prefill of {size}", prefill_limits(shape, limits, size / 2))
    steps = _steps(model, size // 2, plan)
    keys = size // 2 + plan.profile_steps
    yield from steps.found(
        f"{name}, {plan.profile_lanes} lanes, {keys} keys in view",
        step_limits(shape, limits, plan.profile_lanes, keys),
    )


def products(shape: ModelShape) -> dict[str, int]:
    """Multiply-adds a token of each kernel that does a linear, each done once."""
    d, layers, width = shape.d_model, shape.n_layers, shape.n_heads * shape.d_head
    d_qkv = width + 2 * shape.n_kv_heads * shape.d_head
    return {
        "project_heads": layers * d * d_qkv,
        "add_linear": layers * d * (width + shape.d_ff),
        "activate_linear": layers * d * shape.d_ff * (2 if shape.gated else 1),
        "multiply": d * shape.vocab_size,
    }


def prefill_limits(
    shape: ModelShape, limits: DeviceLimits | None, mean_keys: float
) -> dict[str, float]:
    """Microseconds a token that int8 products take at least: linears and head, attention."""
    if limits is None:
        return {}
    attention = macs_per_token(shape, mean_keys) - macs_per_token(shape, 0)
    macs = {**products(shape), "attend_rows": attention}
    return {name: own / limits.int8_macs_per_s * 1e6 for name, own in macs.items()}


def step_limits(
    shape: ModelShape, limits: DeviceLimits | None, n_lanes: int, mean_keys: float
) -> dict[str, float]:
    """The same of steps: reading weights once for all lanes, and each lane's keys and values."""
    if limits is None:
        return {}
    cache = 2 * shape.n_layers * shape.n_kv_heads * (shape.d_head + 4) * mean_keys
    found = {
        name: max(macs / n_lanes / limits.bytes_per_s, macs / limits.int8_macs_per_s) * 1e6
        for name, macs in products(shape).items()
    }
    return {**found, "attend_step": cache / limits.bytes_per_s * 1e6}


def name_of(kernel: str) -> str:
    """Return what a kernel of the device is counted as."""
    for own in sorted(TRITON, key=len, reverse=True):
        if kernel.startswith(own):
            return own
    low = kernel.lower()
    return COPIES if any(word in low for word in _COPY_WORDS) else REST


def _prefill(model: OpenedPredictor, size: int, plan: Plan) -> Work:
    """Chunks of one window, as the compressor runs them; twice as many as run side by side."""
    n_chunks = 2 if plan.is_rehearsal else 64
    chance = np.random.default_rng(3)
    words = np.flatnonzero(model.tokenizer.is_text)
    chunks = [chance.choice(words, size).astype(np.int32) for _ in range(n_chunks)]

    def run() -> None:
        list(model.predictor.intervals(chunks))

    run()
    return measured(run, n_chunks * size, plan.where)


def _steps(model: OpenedPredictor, n_before: int, plan: Plan) -> Work:
    """Steps of lanes that decode what chance says; those before are not counted."""
    lanes, chance = np.arange(plan.profile_lanes), np.random.default_rng(4)
    decoder = model.predictor.lanes(len(lanes))
    for lane in lanes.tolist():
        decoder.open(lane)

    def step() -> None:
        totals = decoder.totals(lanes)
        decoder.find(lanes, chance.integers(0, totals, dtype=np.uint64))

    def run(n_steps: int) -> None:
        for _ in range(n_steps):
            step()

    run(n_before)
    return measured(lambda: run(plan.profile_steps), len(lanes) * plan.profile_steps, plan.where)


def measured(work: Callable[[], None], n_tokens: int, where: str) -> Work:
    """Run `work` with a profiler on the device, and again without one for the clock."""
    kind = ProfilerActivity.CUDA if where == CUDA else ProfilerActivity.CPU
    with profile(activities=[kind]) as profiler, synchronised(where):
        work()
    seconds: defaultdict[str, float] = defaultdict(float)
    for event in profiler.key_averages():
        seconds[name_of(event.key)] += _own_us(event) / 1e6
    with synchronised(where):
        begin_s = time.perf_counter()
        work()
    wall_s = time.perf_counter() - begin_s
    return Work({name: s for name, s in seconds.items() if s}, wall_s, n_tokens)


def _own_us(event: Any) -> float:
    """Microseconds of the device that an event took itself, by any name that torch had for it."""
    if torch.cuda.is_available():
        for name in ("self_device_time_total", "self_cuda_time_total"):
            if hasattr(event, name):
                return float(getattr(event, name))
    return float(event.self_cpu_time_total)
