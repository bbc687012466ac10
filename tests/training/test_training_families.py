"""Training begins where the model is, whatever its family, and what it learns is merged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from family_models import VARIANTS, VOCAB_SIZE, random_model
from llmzip.exact.families import read_model
from llmzip.models.merge import merge
from llmzip.training.lowrank import TrainedModel

N_PREDICTED = 2 * 23
CAPPED = "gemma2, low caps"
PARALLEL = "falcon"  # adds to what a linear layer has returned, in place
FAMILIES = {variant.kind: variant for variant in VARIANTS.values()} | {
    CAPPED: VARIANTS[CAPPED],
    "falcon, parallel": VARIANTS[PARALLEL],
}


@pytest.mark.parametrize("kind", FAMILIES)
def test_an_adapter_of_any_family_is_learnt_and_merged(kind: str, tmp_path: Path) -> None:
    variant = FAMILIES[kind]
    ids = np.random.default_rng(1).integers(0, VOCAB_SIZE, (2, 24))
    tokens = torch.from_numpy(ids)
    with torch.inference_mode():
        wanted = float(random_model(variant, 0.1)(tokens, labels=tokens).loss)
    trained = TrainedModel(random_model(variant, 0.1), 2, torch.device("cpu"), torch.float32)
    loss = trained.entropy(ids) / N_PREDICTED
    assert float(loss.detach()) == pytest.approx(wanted, rel=1e-4)
    optimiser = torch.optim.SGD([{"params": group.parameters} for group in trained.groups()], 0.3)
    torch.autograd.backward(loss)
    optimiser.step()
    learnt = trained.learnt()
    learnt.write(tmp_path)
    model = random_model(variant, 0.1)
    merge(model, learnt.adapter, tmp_path)
    with torch.inference_mode():
        merged = float(model(tokens, labels=tokens).loss)
    assert merged == pytest.approx(float(trained.entropy(ids).detach()) / N_PREDICTED, rel=1e-2)
    assert merged < wanted
    read_model(model)
