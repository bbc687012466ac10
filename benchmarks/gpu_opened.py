"""What stages measure on an opened model, and where the default one is from."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from gpu_devices import DeviceLimits, limits_of
from gpu_plan import Plan
from gpu_report import Found
from llmzip.models import OpenedExact, locate, open_files


def default_model(plan: Plan) -> OpenedExact:
    """Open the model that the plan names. Nothing is fetched. Raises ModelError."""
    return open_files(locate(plan.model, fetch=False), quiet=True)


def device_limits() -> DeviceLimits | None:
    """Return the ceilings of the device that is here, if there is one and they are known."""
    if not torch.cuda.is_available():
        return None
    return limits_of(torch.cuda.get_device_properties(0))


def measure(work: str, name: str, opened: OpenedExact, plan: Plan) -> Iterator[Found]:
    """Yield what one of "speed", "kernels" and "host" finds."""
    if work == "speed":
        from gpu_speed import speeds

        yield from speeds(name, opened, device_limits(), plan)
    elif work == "kernels":
        from gpu_kernels import kernel_times

        yield from kernel_times(name, opened, device_limits(), plan)
    else:
        from gpu_host import host_times

        yield from host_times(name, opened, plan)
