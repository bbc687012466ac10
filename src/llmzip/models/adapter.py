"""Adapters: what was learnt beside a model, a few megabytes, in the layout of the PEFT library.

    FOLDER/
    ├── adapter_config.json         which model it is for, rank, alpha, which layers
    └── adapter_model.safetensors   two thin matrices for each layer, norms as a whole

docs/EXACT.md says how one is merged with its model so that every machine has the same weights.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmzip.errors import ModelDamagedError, ModelNotFoundError, ModelUnsupportedError
from llmzip.models import claims

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SUFFIX = ".adapter"
"""How the names of adapters that are single files end: see adapter_file.py."""
CONFIG, TENSORS = "adapter_config.json", "adapter_model.safetensors"
MOST_BYTES = 1 << 30
"""The largest adapter that is read."""
_PREFIX = "base_model.model."
_PLAIN: dict[str, tuple[Any, ...]] = {
    "peft_type": ("LORA",),
    "bias": (None, "none"),
    "use_dora": (None, False),
    "rank_pattern": (None, {}),
    "alpha_pattern": (None, {}),
    "trainable_token_indices": (None,),
    "init_lora_weights": (None, True, False, "gaussian"),
    "lora_bias": (None, False),
    "layer_replication": (None,),
    "target_parameters": (None, []),
}
"""What adapters may say for us to know what they do to a model; None: nothing."""


@dataclass(frozen=True)
class AdapterConfig:
    """What adapter_config.json says.

    base: the model that it was made for, as `-m` takes it.
    layers, norms: last parts of the names of linear layers and norms that it changes.
    is_transposed: whether the layers hold their weights as (inputs, outputs), as GPT-2's do.
    """

    base: str
    rank: int
    alpha: float
    layers: tuple[str, ...]
    norms: tuple[str, ...] = ()
    is_transposed: bool = False

    @property
    def scale(self) -> float:
        """What the product of the two thin matrices is multiplied by."""
        return self.alpha / self.rank


@dataclass(frozen=True)
class Adapter:
    """An adapter in memory.

    tensors: by the names of the model's own layers: `….lora_A` (rank, inputs), `….lora_B`
    (outputs, rank), and `….weight`, `….bias` of norms.
    """

    config: AdapterConfig
    tensors: dict[str, NDArray[np.float32]]


def read_files(folder: Path) -> list[Path]:
    """Return the files that make an adapter what it is. Raises: ModelNotFoundError."""
    files = [folder / CONFIG, folder / TENSORS]
    for path in files:
        if not path.is_file():
            raise ModelNotFoundError(f"{folder} has no {path.name}: it is no adapter's folder")
    return files


def read_config(folder: Path) -> AdapterConfig:
    """Read what an adapter is for.

    Raises: ModelNotFoundError, ModelDamagedError; ModelUnsupportedError for what is more than
    thin matrices and whole norms; OSError.
    """
    path, _ = read_files(folder)
    return config_of(path, claims.read_json(path))


def config_of(path: Path, content: dict[str, Any]) -> AdapterConfig:
    """Return what a configuration says; path: where it stands, for messages."""
    for name, allowed in _PLAIN.items():
        if content.get(name) not in allowed:
            raise ModelUnsupportedError(
                f"{path} has {name} = {str(content[name])[:60]!r}, which llmzip does not merge: "
                "merge it with its model by the library that made it, and give -m the result"
            )
    try:
        rank, alpha = int(content["r"]), float(content["lora_alpha"])
        base = str(content.get("base_model_name_or_path") or "")
        layers, norms = (content.get(key) or () for key in ("target_modules", "modules_to_save"))
        if rank < 1 or not math.isfinite(alpha) or not base.isprintable():
            raise ValueError("a number or a name that cannot be")
        return AdapterConfig(
            base=base,
            rank=rank,
            alpha=alpha * math.sqrt(rank) if content.get("use_rslora") else alpha,
            layers=(layers,) if isinstance(layers, str) else tuple(map(str, layers)),
            norms=tuple(map(str, norms)),
            is_transposed=bool(content.get("fan_in_fan_out")),
        )
    except (KeyError, ValueError, TypeError) as exc:
        raise ModelDamagedError(f"{path} is damaged ({exc}): get the adapter again") from exc


def read_folder(folder: Path) -> Adapter:
    """Read an adapter. Raises: as `read_config`."""
    config = read_config(folder)
    path = folder / TENSORS
    if path.stat().st_size > MOST_BYTES:
        raise ModelUnsupportedError(f"{path} has more than {MOST_BYTES:,} bytes")
    claims.held_weights(path)
    import numpy as np
    from safetensors import SafetensorError
    from safetensors.torch import load_file  # numpy knows no bfloat16

    try:
        found = load_file(path)
    except (SafetensorError, ValueError, KeyError) as exc:
        raise ModelDamagedError(f"{path} is damaged ({exc}): get the adapter again") from exc
    tensors = {_own_name(path, name): tensor.float().numpy() for name, tensor in found.items()}
    if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
        raise ModelDamagedError(f"{path} holds infinities or NaN: get the adapter again")
    return Adapter(config, tensors)


def write_folder(adapter: Adapter, folder: Path) -> None:
    """Write an adapter into a folder that is there: in bf16 what that holds exactly."""
    import torch
    from safetensors.torch import save_file

    tensors = {}
    for name, array in adapter.tensors.items():
        wide = torch.from_numpy(array).contiguous()
        narrow = wide.to(torch.bfloat16)
        tensors[_stored_name(name)] = narrow if torch.equal(narrow.float(), wide) else wide
    save_file(tensors, folder / TENSORS, {"format": "pt"})
    (folder / TENSORS).chmod(0o644)  # the library lets only their owner read them
    text = json.dumps(as_peft(adapter.config), indent=2, sort_keys=True)
    (folder / CONFIG).write_text(text + "\n", encoding="utf-8")


def _own_name(path: Path, stored: str) -> str:
    """Return what a tensor is called in the model. Raises: ModelDamagedError."""
    if not stored.startswith(_PREFIX):
        raise ModelDamagedError(f"{path} has a tensor {stored[:80]!r}, which no adapter has")
    name = stored.removeprefix(_PREFIX).replace(".modules_to_save.default.", ".")
    for part in (".lora_A", ".lora_B"):
        for suffix in (".weight", ".default.weight"):
            if name.endswith(part + suffix):
                return name.removesuffix(suffix)
    return name


def _stored_name(name: str) -> str:
    return _PREFIX + name + (".weight" if name.endswith((".lora_A", ".lora_B")) else "")


def as_peft(config: AdapterConfig) -> dict[str, Any]:
    """Return the configuration as PEFT writes it."""
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": config.base,
        "r": config.rank,
        "lora_alpha": config.alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": list(config.layers),
        "modules_to_save": list(config.norms) or None,
        "fan_in_fan_out": config.is_transposed,
        "inference_mode": True,
    }
