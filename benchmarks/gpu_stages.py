"""The stages of a run on a GPU, each in a process of its own: gpu_stages.py NAME PLAN RESULTS

A stage writes what it finds to RESULTS, a line of JSON each, as soon as it has found it: what is
there when it fails, or is stopped, counts. gpu.py runs them.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from gpu_plan import CPU, INTERPRETER, Plan
from gpu_processes import SKIP_STATUS
from gpu_report import Found


@dataclass(frozen=True)
class Stage:
    """A stage.

    most_s: what it may take. needs: stages that must be done before. beside: whether others go on
    meanwhile. without_device: the engine of a small random model that it is rehearsed on where
    there is none; None where it is skipped.
    """

    name: str
    most_s: float
    needs: tuple[str, ...] = ()
    beside: bool = False
    without_device: str | None = CPU


NEEDED = (
    *("triton", "transformers", "tokenizers", "numba", "platformdirs", "gguf", "accelerate"),
    *("safetensors", "threadpoolctl", "xxhash", "click", "rich", "pytest", "hypothesis"),
)
"""Packages that llmzip or its tests cannot do without, beside torch and numpy."""

STAGES = (
    Stage("device", 60),
    Stage("default model", 300, beside=True, without_device=None),
    Stage("gpt2 model", 300, beside=True),
    Stage("tests", 240, without_device=INTERPRETER),
    Stage("files", 90, needs=("default model",), without_device=None),
    Stage("files gpt2", 90, needs=("gpt2 model",), without_device=INTERPRETER),
    Stage("limits", 30, without_device=None),
    Stage("speed", 270, needs=("default model",), without_device=None),
    Stage("kernels", 60, needs=("default model",), without_device=None),
    Stage("host", 60, needs=("default model",), without_device=None),
    Stage("speed gpt2", 120, needs=("gpt2 model",)),
    Stage("kernels gpt2", 60, needs=("gpt2 model",)),
    Stage("host gpt2", 60, needs=("gpt2 model",)),
)
"""In order of worth: what does not fit into the time is at the end."""


class NothingToDoError(Exception):
    """What a stage is about is not here; its text says what, and what to do about it."""


def run_stage(name: str, plan: Plan, sink: Callable[[Found], None]) -> None:
    """Run a stage here; `sink` takes what it finds."""
    for found in _WORK[name](plan):
        sink(found)


def _device(_plan: Plan) -> Iterator[Found]:
    """What there is: a device, and the libraries that all stages need."""
    import torch

    from gpu_devices import limits_of

    yield Found("torch", torch.__version__)
    yield Found("packages that are missing", ", ".join(_missing()) or "none")
    if not torch.cuda.is_available():
        return
    properties = torch.cuda.get_device_properties(0)
    yield Found("name", properties.name)
    yield Found("memory", properties.total_memory / 1e9, "GB")
    yield Found("multiprocessors", float(properties.multi_processor_count))
    limits = limits_of(properties)
    if limits is not None:
        yield Found("int8, at most", limits.int8_macs_per_s / 1e12, "10¹²/s", note=limits.source)
        yield Found("memory, at most", limits.bytes_per_s / 1e9, "GB/s", note=limits.source)


def _missing() -> list[str]:
    """Those of NEEDED that are not installed."""
    from importlib.util import find_spec

    return [name for name in NEEDED if find_spec(name) is None]


def _default_model(plan: Plan) -> Iterator[Found]:
    """Open the default model, which prepares it where that has not been done."""
    from gpu_opened import default_model
    from llmzip.errors import ModelNotFoundError

    try:
        opened = default_model(plan)
    except ModelNotFoundError as exc:
        raise NothingToDoError(str(exc)) from exc
    yield Found("fingerprint", opened.fingerprint.hex())


def _gpt2_model(plan: Plan) -> Iterator[Found]:
    """The same of the random one, which is made here."""
    from gpu_models import open_gpt2

    opened = open_gpt2(plan.keep, plan.gpt2)
    yield Found("fingerprint", opened.fingerprint.hex())


def _tests(plan: Plan) -> Iterator[Found]:
    from gpu_tests import run_tests

    yield from run_tests(plan)


def _limits(plan: Plan) -> Iterator[Found]:
    """What the device does at most, measured: large products and copies, and the model's own."""
    import torch

    from gpu_opened import device_limits
    from limits import LARGE_SHAPES, copy_speed, large_gemm

    known, device = device_limits(), torch.device(plan.where)
    for shape in LARGE_SHAPES:
        gemm = large_gemm(shape, device, plan.min_s)
        limit = None if known is None else known.int8_macs_per_s / 1e12
        name = f"int8 multiply-adds, product of {gemm.m}, {gemm.k}, {gemm.n}"
        yield Found(name, gemm.macs_per_s / 1e12, "10¹²/s", limit)
    limit = None if known is None else known.bytes_per_s / 1e9
    yield Found("copying", copy_speed(device, plan.min_s) / 1e9, "GB/s", limit)


def _files(plan: Plan) -> Iterator[Found]:
    from gpu_files import exchange
    from gpu_opened import default_model

    text = plan.text.read_bytes()[: plan.file_bytes]
    yield from exchange("default model", default_model(plan), text, plan)


def _files_gpt2(plan: Plan) -> Iterator[Found]:
    from gpu_files import exchange, foreseen_text
    from gpu_models import open_gpt2

    opened = open_gpt2(plan.keep, plan.gpt2)
    text = foreseen_text(opened, plan)
    yield from exchange("GPT-2, random", opened, text, plan, plan.chunk_tokens)


def _on_default(work: str) -> Callable[[Plan], Iterator[Found]]:
    def run(plan: Plan) -> Iterator[Found]:
        from gpu_opened import default_model, measure

        yield from measure(work, "default model", default_model(plan), plan)

    return run


def _on_gpt2(work: str) -> Callable[[Plan], Iterator[Found]]:
    def run(plan: Plan) -> Iterator[Found]:
        from gpu_models import open_gpt2
        from gpu_opened import measure

        yield from measure(work, "GPT-2, random", open_gpt2(plan.keep, plan.gpt2), plan)

    return run


_WORK: dict[str, Callable[[Plan], Iterator[Found]]] = {
    "device": _device,
    "default model": _default_model,
    "gpt2 model": _gpt2_model,
    "tests": _tests,
    "limits": _limits,
    "files": _files,
    "files gpt2": _files_gpt2,
    "speed": _on_default("speed"),
    "kernels": _on_default("kernels"),
    "host": _on_default("host"),
    "speed gpt2": _on_gpt2("speed"),
    "kernels gpt2": _on_gpt2("kernels"),
    "host gpt2": _on_gpt2("host"),
}


def main(arguments: Sequence[str]) -> int:
    """Run the stage; what goes wrong is told by its traceback, and by the exit status."""
    name, plan, results = arguments
    with Path(results).open("a", encoding="utf-8") as file:

        def sink(found: Found) -> None:
            print(json.dumps(asdict(found), ensure_ascii=False), file=file, flush=True)

        try:
            run_stage(name, Plan.from_json(plan), sink)
        except NothingToDoError as exc:
            print(exc, file=sys.stderr)
            return SKIP_STATUS
    return 0


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    sys.exit(main(sys.argv[1:]))
