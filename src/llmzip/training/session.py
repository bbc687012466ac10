"""From what is asked for and texts to a trainer that is ready to run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from llmzip.errors import UsageError
from llmzip.models import CATALOG, adapters, trained
from llmzip.models.files import ModelFiles, parted
from llmzip.training.limits import LEAST_BYTES, LEAST_SCRATCH_BYTES
from llmzip.training.texts import Sample

if TYPE_CHECKING:
    import torch

    from llmzip.training.learner import Learner
    from llmzip.training.scratch import ScratchModel
    from llmzip.training.texts import Material
    from llmzip.training.trainer import Plan, Progress, Trainer

SCRATCH_RATE, SCRATCH_DECAY = 2e-3, 0.1
"""Learning rate and weight decay of a model from scratch."""


@dataclass(frozen=True)
class Pace:
    """How a device trains adapters.

    n_window: tokens in a window at most. n_rows: windows in a batch, of short trainings and of long
    ones. The rest: see `Plan`.
    """

    n_window: int
    n_rows: tuple[int, int]
    learning_rate: float
    n_judged: int


PACES = {"cpu": Pace(512, (2, 6), 1e-3, 0), "cuda": Pace(1024, (24, 24), 1.5e-3, 96)}
"""By device. On a CPU time is short, and many small steps learn more than few large ones."""
_MINUTES_A_ROW = 10
"""Of training, for each window in a batch: about a thousand steps on two cores, however long."""


@dataclass(frozen=True)
class Request:
    """What is asked for.

    base: as -m takes it, see `base_name`; empty for a model from scratch. scratch: its size, one
    of SIZES; empty for an adapter of that rank. device: "cpu" or "cuda". plain: the model to begin
    with, as -m takes it: the base, perhaps with an adapter.
    """

    base: str
    plan: Plan
    rank: int
    device: str
    scratch: str = ""
    plain: str = ""


def base_name(name: str, files: ModelFiles) -> str:
    """Return what `-m` takes for the model without its adapter, if `-m name` finds these files."""
    if name in CATALOG:
        return CATALOG[name].weights_name
    if files.adapter is None:
        return str(Path(name).expanduser().absolute()) if Path(name).expanduser().exists() else name
    parts = parted(name)
    if parts is not None:
        return parts[0]
    if trained.is_trained(name):
        return str(trained.training_of(name)["base"])
    return adapters.base_of(files.adapter)


def require_enough(samples: Sequence[Sample], is_scratch: bool = False) -> None:
    """Raise UsageError where texts are too short to learn from."""
    n_bytes = sum(len(sample.trained) + len(sample.held_out) for sample in samples)
    if is_scratch and n_bytes < LEAST_SCRATCH_BYTES:
        raise UsageError(
            f"{n_bytes:,} bytes of text are too few for a model from scratch: "
            f"{LEAST_SCRATCH_BYTES:,} at least, and some million are better (without "
            "--from-scratch fewer will do)"
        )
    if n_bytes < LEAST_BYTES:
        raise UsageError(
            f"{n_bytes:,} bytes of text are too few to learn from: {LEAST_BYTES:,} at least, and "
            "some hundred thousand are better (--dict needs no training)"
        )
    if not any(sample.held_out for sample in samples):
        raise UsageError("no text is long enough for a tenth of it to be held out: join them")


def adapter_plan(minutes: float, seed: int, device: str) -> Plan:
    """Return how an adapter is trained on a device."""
    from llmzip.training.trainer import Plan

    pace = PACES[device]
    least, most = pace.n_rows
    n_rows = min(max(int(minutes / _MINUTES_A_ROW), least), most)
    return Plan(minutes, n_rows, seed, learning_rate=pace.learning_rate, n_judged=pace.n_judged)


def scratch_request(
    asked: str, samples: Sequence[Sample], minutes: float, seed: int, device: str
) -> Request:
    """Return what a model from scratch for these texts asks for.

    asked: one of SIZES, or AUTO.
    """
    from llmzip.training.sizes import N_ROWS, size_for
    from llmzip.training.trainer import Plan

    size = size_for(asked, _n_trained(samples), minutes, device)
    plan = Plan(
        minutes=minutes,
        n_rows=N_ROWS[device],
        seed=seed,
        learning_rate=SCRATCH_RATE,
        weight_decay=SCRATCH_DECAY,
    )
    return Request("", plan, 0, device, size)


def open_trainer(
    request: Request,
    files: ModelFiles | None,
    samples: Sequence[Sample],
    on_progress: Callable[[Progress], None],
    on_judged: Callable[[Trainer], None],
) -> Trainer:
    """Load a model, or make one, and return what trains it.

    files: of the model to begin with; None for a model from scratch.

    Raises: ModelError; UsageError where there is too little text; OSError.
    """
    from llmzip.training.trainer import Trainer

    require_enough(samples, files is None)
    learner, material = (
        _adapted(request, files, samples) if files is not None else _scratch(request, samples)
    )
    return Trainer(learner, material, request.plan, on_progress, on_judged)


def _adapted(
    request: Request, files: ModelFiles, samples: Sequence[Sample]
) -> tuple[Learner, Material]:
    """Return a model that is here with an adapter to be trained, and texts in its tokens."""
    import torch

    from llmzip.exact.families import read_model
    from llmzip.models.load import load_transformers
    from llmzip.tokens import ByteTokenizer
    from llmzip.training.lowrank import TrainedModel
    from llmzip.training.texts import Material

    base = files.base or files
    loaded = load_transformers(base)
    read_model(loaded.model)  # a model that we could not run is not trained for an hour
    n_window = min(PACES[request.device].n_window, int(loaded.model.config.max_position_embeddings))
    material = Material(samples, ByteTokenizer(loaded.tokenizer_json), loaded.bos_id, n_window)
    device = torch.device(request.device)
    model = TrainedModel(
        *(loaded.model, request.rank, device, fastest_type(device)), request.plan.seed, base.name
    )
    if files.adapter is not None:
        model.begin_with(adapters.read_adapter(files.adapter), files.adapter)
    return model, material


def _scratch(request: Request, samples: Sequence[Sample]) -> tuple[ScratchModel, Material]:
    """Return a model that knows nothing, and texts in a vocabulary learnt from them."""
    import torch

    from llmzip.tokens import ByteTokenizer
    from llmzip.training.bpe import train_tokenizer
    from llmzip.training.scratch import ScratchModel
    from llmzip.training.sizes import SHAPES, vocab_size_for
    from llmzip.training.texts import Material

    shape = SHAPES[request.scratch]
    tokenizer_json = train_tokenizer(samples, vocab_size_for(_n_trained(samples)))
    tokenizer = ByteTokenizer(tokenizer_json)
    # A window's last position predicts, too: one more token than there are positions.
    material = Material(samples, tokenizer, 0, shape.n_positions + 1)
    device = torch.device(request.device)
    model = ScratchModel(
        *(shape, tokenizer.vocab_size, tokenizer_json, device, fastest_type(device)),
        request.plan.seed,
    )
    return model, material


def _n_trained(samples: Sequence[Sample]) -> int:
    """Return how many bytes are trained on."""
    return sum(len(sample.trained) for sample in samples)


def fastest_type(device: torch.device) -> torch.dtype:
    """Return the type of number that a device multiplies fastest: bfloat16, if in hardware."""
    import torch

    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    from llvmlite import binding

    features = binding.get_host_cpu_features()
    known = any(features.get(name) for name in ("avx512bf16", "amx-bf16", "bf16"))
    return torch.bfloat16 if known else torch.float32
