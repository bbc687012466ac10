"""Which engine runs an exact model on which device."""

from __future__ import annotations

import torch

from llmzip.exact.distribution import Engine
from llmzip.exact.model import ExactModel


def make_engine(model: ExactModel, device: torch.device, n_positions: int) -> Engine:
    """An engine for `model` on `device`, over at most `n_positions` positions a lane.

    Raises DeviceError if nothing on the device computes exactly.
    """
    if device.type == "cpu":
        from llmzip.exact.cpu.engine import CpuEngine

        return CpuEngine(model, n_positions)
    from llmzip.exact.torch_engine import TorchEngine

    return TorchEngine(model, device)
