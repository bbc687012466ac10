"""From a model's name and texts to a trainer that is ready to run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from llmzip.errors import UsageError
from llmzip.models import CATALOG
from llmzip.models.files import ModelFiles
from llmzip.training.limits import LEAST_BYTES, N_WINDOW
from llmzip.training.texts import Sample

if TYPE_CHECKING:
    import torch

    from llmzip.training.trainer import Plan, Progress, Trainer


@dataclass(frozen=True)
class Request:
    """What is asked for. base: as -m takes it, see `base_name`. device: "cpu" or "cuda"."""

    base: str
    plan: Plan
    rank: int
    device: str


def base_name(name: str) -> str:
    """Return what to begin with if a person says `name`: of a model with an adapter, its base."""
    if name in CATALOG:
        return CATALOG[name].weights_name
    return str(Path(name).expanduser().absolute()) if Path(name).expanduser().exists() else name


def require_enough(samples: Sequence[Sample]) -> None:
    """Raise UsageError where texts are too short to learn from."""
    n_bytes = sum(len(sample.trained) + len(sample.held_out) for sample in samples)
    if n_bytes < LEAST_BYTES:
        raise UsageError(
            f"{n_bytes:,} bytes of text are too few to learn from: {LEAST_BYTES:,} at least, and "
            "some hundred thousand are better (--dict needs no training)"
        )


def open_trainer(
    request: Request,
    files: ModelFiles,
    samples: Sequence[Sample],
    on_progress: Callable[[Progress], None],
    on_judged: Callable[[Trainer], None],
) -> Trainer:
    """Load a model and return what trains it.

    Raises: ModelError; UsageError where there is too little text; OSError.
    """
    import torch

    from llmzip.exact.families import require_family
    from llmzip.models.load import load_transformers
    from llmzip.tokens import ByteTokenizer
    from llmzip.training.lowrank import TrainedModel
    from llmzip.training.texts import Material
    from llmzip.training.trainer import Trainer

    require_enough(samples)
    loaded = load_transformers(files)
    require_family(loaded.model.config)
    n_window = min(N_WINDOW, int(loaded.model.config.max_position_embeddings))
    material = Material(samples, ByteTokenizer(loaded.tokenizer_json), loaded.bos_id, n_window)
    device = torch.device(request.device)
    model = TrainedModel(
        *(loaded.model, request.rank, device, fastest_type(device)), request.plan.seed, files.name
    )
    return Trainer(model, material, request.plan, on_progress, on_judged)


def fastest_type(device: torch.device) -> torch.dtype:
    """Return the type of number that a device multiplies fastest: bfloat16, if in hardware."""
    import torch

    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    from llvmlite import binding

    features = binding.get_host_cpu_features()
    known = any(features.get(name) for name in ("avx512bf16", "amx-bf16", "bf16"))
    return torch.bfloat16 if known else torch.float32
