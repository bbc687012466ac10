"""What the machine could do at most: multiply-adds and bytes a second, measured now."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from llmzip.exact.gemm import exact_gemm, product
from llmzip.exact.model import ExactModel, Linear

LARGE_SHAPES = ((2048, 2048, 2048), (4096, 1024, 4096), (1024, 4096, 4096))
"""(M, K, N) of products that keep the int8 units as busy as they get."""
ROW_COUNTS = (1, 8, 32, 64, 256)
"""M of the model's own products: decoding in lanes, and a block of prefill."""
COPY_BYTES = 1 << 28

_MIN_RUNS = 3


@dataclass(frozen=True)
class Gemm:
    """The speed of one int8 product, (m, k) · (k, n)."""

    name: str
    m: int
    k: int
    n: int
    macs_per_s: float


@dataclass(frozen=True)
class Limits:
    """The ceilings that other figures are fractions of.

    int8_macs_per_s: the best of all products measured, the model's own included.
    bytes_per_s: reading plus writing, in a copy too large for any cache.
    """

    int8_macs_per_s: float
    bytes_per_s: float
    backend: str
    gemms: list[Gemm]

    def tokens_per_s(self, macs_per_token: float, n_lanes: int, work: Traffic) -> float:
        """Return the tokens a second at which the first of the two ceilings is reached."""
        compute_s = n_lanes * macs_per_token / self.int8_macs_per_s
        return n_lanes / max(compute_s, work.step_bytes(n_lanes) / self.bytes_per_s)


@dataclass(frozen=True)
class Traffic:
    """What a decoding step must read: all weights once, and each lane's keys and values."""

    weight_bytes: int
    lane_bytes: float

    def step_bytes(self, n_lanes: int) -> float:
        """Return the bytes of a step over `n_lanes`."""
        return self.weight_bytes + n_lanes * self.lane_bytes


def measure_limits(model: ExactModel, device: torch.device, min_s: float) -> Limits:
    """Measure for at least `min_s` seconds each, with all of torch's threads."""
    gemms = [large_gemm(shape, device, min_s) for shape in LARGE_SHAPES]
    for rows in ROW_COUNTS:
        gemms += [_own_gemm(name, linear, rows, device, min_s) for name, linear in _linears(model)]
    return Limits(
        int8_macs_per_s=max(gemm.macs_per_s for gemm in gemms),
        bytes_per_s=copy_speed(device, min_s),
        backend=exact_gemm(device).__name__,
        gemms=gemms,
    )


def _linears(model: ExactModel) -> list[tuple[str, Linear]]:
    layer = model.layers[0]
    linears = [(name, getattr(layer, name)) for name in ("qkv", "out", "up", "down")]
    return [*linears, ("head", model.head)]


def large_gemm(shape: tuple[int, int, int], device: torch.device, min_s: float) -> Gemm:
    """Time a product that is none of a model's."""
    m, k, n = shape
    weight = _random_int8(n, k, device=device)
    return _gemm("large", _random_int8(m, k, device=device), weight, min_s)


def _own_gemm(name: str, linear: Linear, rows: int, device: torch.device, min_s: float) -> Gemm:
    weight = torch.from_numpy(linear.weight).to(device)
    return _gemm(name, _random_int8(rows, weight.shape[1], device=device), weight, min_s)


def _gemm(name: str, a: Tensor, weight: Tensor, min_s: float) -> Gemm:
    """Time a · weight^T by the backend that the engine would take."""
    multiply = exact_gemm(a.device)
    (m, k), n = a.shape, weight.shape[0]
    out = product(multiply, a, weight.t())
    seconds = best_seconds(lambda: multiply(a, weight.t(), out), a.device, min_s)
    return Gemm(name, m, k, n, m * k * n / seconds)


def _random_int8(*shape: int, device: torch.device) -> Tensor:
    return torch.randint(-127, 128, shape, dtype=torch.int8).to(device)


def copy_speed(device: torch.device, min_s: float) -> float:
    """Return the bytes a second, read and written, of the fastest large copy."""
    source = torch.ones(COPY_BYTES // 4, dtype=torch.int32, device=device)
    target = torch.empty_like(source)
    seconds = best_seconds(lambda: target.copy_(source), device, min_s)
    return 2 * COPY_BYTES / seconds


def best_seconds(work: Callable[[], object], device: torch.device, min_s: float) -> float:
    """Return the shortest time that `work` took, of at least `min_s` seconds of trying."""
    work()
    best_s, spent_s, n_runs = float("inf"), 0.0, 0
    while spent_s < min_s or n_runs < _MIN_RUNS:
        seconds = seconds_of(work, device)
        best_s, spent_s, n_runs = min(best_s, seconds), spent_s + seconds, n_runs + 1
    return best_s


def seconds_of(work: Callable[[], object], device: torch.device) -> float:
    """Return how long `work` takes, all that it gives the device included."""
    _synchronise(device)
    begin_s = time.perf_counter()
    work()
    _synchronise(device)
    return time.perf_counter() - begin_s


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
