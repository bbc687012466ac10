"""What is learnt: held-out text gets cheaper, the best is kept, and another run can go on."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional
from training_samples import log_lines, own_time

from llmzip.errors import ModelUnsupportedError, ResumeError
from llmzip.models import locate
from llmzip.models.adapter import Adapter, write_folder
from llmzip.models.adapter_file import rank_axis, rounded
from llmzip.models.merge import merge
from llmzip.training.checkpoint import Checkpoints
from llmzip.training.entropy import cross_entropy
from llmzip.training.lowrank import LearntAdapter
from llmzip.training.session import Request, adapter_plan, base_name, open_trainer
from llmzip.training.texts import split
from llmzip.training.trainer import PATIENCE, Plan, Trainer

__all__ = ["own_time"]  # a fixture

SAMPLES = [split("log", log_lines(1_200))]


def trainer(folder: Path, **how: Any) -> Trainer:
    """Return one that is to train for a moment, on one window at once."""
    begins, rank = how.pop("begins", str(folder)), how.pop("rank", 4)
    plan = Plan(**{"minutes": 0.04, "n_rows": 2, **how})
    request = Request(str(folder), plan, rank, "cpu", plain=begins)
    return open_trainer(request, locate(begins), SAMPLES, lambda _: None, lambda _: None)


def ran(made: Trainer) -> Trainer:
    """Return it when it has run."""
    made.run()
    return made


def bits(model: Any, made: Trainer) -> float:
    """Return what a model makes of the held-out windows, in bits per byte."""
    ids = torch.from_numpy(made.judged.ids)
    with torch.no_grad():
        logits = model(ids).logits[:, :-1]
    nats = functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="sum")
    return float(nats) / math.log(2) / made.judged.n_bytes


def adapter(made: Trainer) -> Adapter:
    """Return the best that was learnt."""
    assert isinstance(made.best, LearntAdapter)
    return made.best.adapter


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def first(request: pytest.FixtureRequest) -> tuple[Path, Trainer]:
    """A model's folder, and what has learnt beside it; none may change that."""
    folder: Path = request.getfixturevalue(f"tiny_{request.param}_folder")
    return folder, ran(trainer(folder))


def test_merged_with_the_model_it_does_what_was_judged(first: tuple[Path, Trainer]) -> None:
    from llmzip.models.load import load_transformers

    folder, made = first
    before, after = made.progress.held_out[0], made.progress.best
    assert after < 0.98 * before
    plain = load_transformers(locate(str(folder))).model
    assert bits(plain, made) == pytest.approx(before, rel=0.02)
    merge(plain, adapter(made), folder)
    assert bits(plain, made) == pytest.approx(after, rel=0.02)


@pytest.mark.parametrize("rank", [4, 7, 2])
def test_training_goes_on_from_an_adapter(
    rank: int, first: tuple[Path, Trainer], tmp_path: Path
) -> None:
    folder, made = first
    adapter_folder = tmp_path / "first"
    adapter_folder.mkdir()
    write_folder(adapter(made), adapter_folder)
    named = f"{folder}+{adapter_folder}"
    second = trainer(folder, begins=named, rank=rank, minutes=0.01)
    assert base_name(named, locate(named)) == str(folder)
    second.run()
    begun = second.progress.held_out[0]
    if rank < 4:  # not all of it fits
        assert made.progress.best < begun < made.progress.held_out[0]
    else:
        assert begun == pytest.approx(made.progress.best, rel=0.005)


def test_an_adapter_of_another_model_is_no_beginning(
    tiny_llama_folder: Path, tiny_gpt2_folder: Path, tmp_path: Path
) -> None:
    write_folder(adapter(ran(trainer(tiny_gpt2_folder, minutes=0.01))), tmp_path)
    with pytest.raises(ModelUnsupportedError, match="layers that the model does not have"):
        trainer(tiny_llama_folder, begins=f"{tiny_llama_folder}+{tmp_path}")


def test_what_is_kept_fits_into_eight_bits(tiny_llama_folder: Path) -> None:
    made = trainer(tiny_llama_folder, minutes=0.01)
    made.run()
    best = adapter(made)
    thin = {name: array for name, array in best.tensors.items() if rank_axis(name) is not None}
    assert len(thin) == 2 * 7 * 2
    again = rounded(best)
    assert all(np.array_equal(again.tensors[name], array) for name, array in thin.items())


def test_it_ends_where_nothing_is_gained(
    tiny_gpt2_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = trainer(tiny_gpt2_folder, minutes=0.05, learning_rate=0.0)
    made.run()
    assert len(made.progress.held_out) == PATIENCE + 1
    assert made.progress.elapsed_s < 0.05 * 60


def test_another_run_goes_on(tiny_gpt2_folder: Path, tmp_path: Path) -> None:
    first = trainer(tiny_gpt2_folder)
    kept = Checkpoints(tmp_path / "kept", {"seed": 0})

    def stop(_: Any) -> None:
        if len(first.progress.held_out) == 4:
            kept.save(first)
            raise KeyboardInterrupt

    first._on_judged = stop
    with pytest.raises(KeyboardInterrupt):
        first.run()
    second = trainer(tiny_gpt2_folder)
    kept.restore(second)
    assert second.progress == first.progress
    pairs = zip(first.parameters, second.parameters, strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    second.run()
    assert second.progress.n_steps > first.progress.n_steps
    assert second.progress.best < first.progress.best
    kept.remove()
    assert not (tmp_path / "kept").exists()


def test_it_goes_on_with_nothing_else(tiny_gpt2_folder: Path, tmp_path: Path) -> None:
    made = trainer(tiny_gpt2_folder)
    with pytest.raises(ResumeError, match="nothing to go on with"):
        Checkpoints(tmp_path / "none", {}).restore(made)
    Checkpoints(tmp_path / "kept", {"seed": 0}).save(made)
    with pytest.raises(ResumeError, match="other texts"):
        Checkpoints(tmp_path / "kept", {"seed": 1}).restore(made)
    (tmp_path / "kept" / "state.safetensors").write_bytes(b"no")
    with pytest.raises(ResumeError, match="damaged"):
        Checkpoints(tmp_path / "kept", {"seed": 0}).restore(made)


@pytest.mark.parametrize("cap", [0.0, 3.0])
def test_the_cross_entropy_and_its_gradient_are_torchs_own(cap: float) -> None:
    draw = torch.Generator().manual_seed(3)
    hidden = torch.randn(600, 16, generator=draw, requires_grad=True)
    head, targets = torch.randn(90, 16, generator=draw), torch.randint(90, (600,), generator=draw)
    logits = hidden @ head.T
    logits = torch.tanh(logits / cap) * cap if cap else logits
    wanted = functional.cross_entropy(logits, targets, reduction="sum")
    (gradient,) = torch.autograd.grad(2 * wanted, hidden)
    found = cross_entropy(hidden, head, targets, cap=cap)
    assert float(found.detach()) == pytest.approx(float(wanted.detach()), rel=1e-5)
    torch.testing.assert_close(torch.autograd.grad(2 * found, hidden)[0], gradient)


def test_a_name_of_the_catalogue_is_no_folder_that_is_called_so(
    tiny_gpt2_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gpt2").mkdir()
    monkeypatch.chdir(tmp_path)
    assert base_name("gpt2", locate(str(tiny_gpt2_folder))) == "gpt2"
    assert base_name("./gpt2", locate(str(tiny_gpt2_folder))) == str(tmp_path / "gpt2")


def test_a_gpu_has_larger_batches_and_is_judged_by_more() -> None:
    here, there = (adapter_plan(20, 3, device) for device in ("cpu", "cuda"))
    assert [adapter_plan(minutes, 3, "cpu").n_rows for minutes in (1, 35, 600)] == [2, 3, 6]
    assert (here.minutes, here.seed, here.n_rows, here.n_judged) == (20, 3, 2, 0)
    assert there.n_rows > here.n_rows
    assert there.n_judged > 48
