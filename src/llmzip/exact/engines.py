"""Which engine runs an exact model on which device."""

from __future__ import annotations

from importlib.util import find_spec

from llmzip.errors import DeviceError
from llmzip.exact.distribution import Engine
from llmzip.exact.stored import AnyModel, whole_model


def make_engine(
    model: AnyModel,
    device: str,
    n_positions: int,
    step_threads: int = 1,
    way: str | None = None,
) -> Engine:
    """An engine for `model`, over at most `n_positions` positions a lane.

    device: "cpu", "cuda".
    step_threads: how many threads may share a decoding step.
    way: how the CPU computes, see `Way`; else LLMZIP_WAY says, else the fastest.

    Raises DeviceError if nothing on the device computes exactly, or not that way.
    """
    if device == "cpu":
        from llmzip.exact.cpu.engine import CpuEngine

        return CpuEngine(model, n_positions, step_threads, way)
    if way is not None:
        raise DeviceError(f"the way {way} is one of the CPU's; use --device cpu")
    if device == "cuda" and find_spec("triton") is not None:
        from llmzip.exact.cuda.engine import CudaEngine

        return CudaEngine(whole_model(model), device, n_positions)
    from llmzip.exact.torch_engine import TorchEngine

    return TorchEngine(whole_model(model), device)
