"""Training that goes on later: all that it has come to, written whole or not at all."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from llmzip.errors import ModelError, ResumeError
from llmzip.training.trainer import Progress, Trainer

_STATE, _PROGRESS, _BEST = "state.safetensors", "progress.json", "best"


class Checkpoints:
    """A folder of its own for one training; `plan` tells it from others.

    plan: what must be the same for another run to go on with this one, as JSON can hold it.
    """

    def __init__(self, folder: Path, plan: dict[str, Any]) -> None:
        self._folder, self._plan = folder, plan

    def save(self, trainer: Trainer) -> None:
        """Keep all that training has come to."""
        new = self._folder.with_name(self._folder.name + ".new")
        shutil.rmtree(new, ignore_errors=True)  # what a run that was killed has left
        try:
            (new / _BEST).mkdir(parents=True)
            save_file(_tensors(trainer), new / _STATE)
            if trainer.best is not None:
                trainer.best.write(new / _BEST)
            told = {"plan": self._plan, "progress": asdict(trainer.progress)}
            (new / _PROGRESS).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
            self.remove()
            new.rename(self._folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def restore(self, trainer: Trainer) -> None:
        """Bring a trainer to where an earlier run was.

        Raises: ResumeError if there is none, or of something else; OSError.
        """
        try:
            told = json.loads((self._folder / _PROGRESS).read_text(encoding="utf-8"))
            if told["plan"] != self._plan:
                raise ResumeError(
                    f"{self._folder} is of other texts, another model, release or other options: "
                    "give the same again, or leave --resume out"
                )
            trainer.best = trainer.learner.read(self._folder / _BEST)
            _restore(trainer, load_file(self._folder / _STATE))
            trainer.progress = Progress(**told["progress"])
        except FileNotFoundError as exc:
            raise ResumeError(f"there is nothing to go on with: {exc.filename} is missing") from exc
        except (ModelError, ValueError, KeyError, TypeError, SafetensorError) as exc:
            raise ResumeError(f"{self._folder} is damaged ({exc}): leave --resume out") from exc

    def remove(self) -> None:
        """Remove what is kept, if anything is."""
        shutil.rmtree(self._folder / _BEST, ignore_errors=True)
        for name in (_STATE, _PROGRESS):
            (self._folder / name).unlink(missing_ok=True)
        if self._folder.is_dir():
            self._folder.rmdir()


def _tensors(trainer: Trainer) -> dict[str, Tensor]:
    """Return parameters and the optimizer's two moments of each, by number."""
    made = {}
    for number, parameter in enumerate(trainer.parameters):
        made[f"{number}.value"] = parameter.detach()
        for name in ("exp_avg", "exp_avg_sq", "step"):
            value = trainer.optimizer.state[parameter].get(name)
            if value is not None:
                made[f"{number}.{name}"] = value
    return {name: tensor.cpu().contiguous() for name, tensor in made.items()}


def _restore(trainer: Trainer, tensors: dict[str, Tensor]) -> None:
    for number, parameter in enumerate(trainer.parameters):
        with torch.no_grad():
            parameter.copy_(tensors[f"{number}.value"])
        state = trainer.optimizer.state[parameter]
        for name in ("exp_avg", "exp_avg_sq", "step"):
            if f"{number}.{name}" in tensors:
                device = "cpu" if name == "step" else parameter.device
                state[name] = tensors[f"{number}.{name}"].to(device)
