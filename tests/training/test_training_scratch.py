"""Models from scratch: vocabularies, sizes, what is learnt, and that files made with them open."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from training_samples import log_lines, own_time

import llmzip
from llmzip.codec.classical import classical_chunk
from llmzip.errors import ModelNotFoundError, ResumeError, UsageError
from llmzip.exact.cpu.ways import Way, takes
from llmzip.models import locate, open_exact, trained
from llmzip.models.export import keep
from llmzip.tokens import ByteTokenizer
from llmzip.training import sizes
from llmzip.training.bpe import train_tokenizer
from llmzip.training.checkpoint import Checkpoints
from llmzip.training.scratch import LearntModel
from llmzip.training.session import Request, open_trainer, scratch_request
from llmzip.training.texts import Sample, split
from llmzip.training.trainer import Plan, Trainer

__all__ = ["own_time"]  # a fixture

LOG = log_lines(2_400)
SAMPLES = [split("log", LOG)]
SOURCES = Path(llmzip.__file__).parents[1]
MESSAGE = log_lines(3, seed=9)
TINY = sizes.Shape(n_layers=1, d_model=64, n_positions=128)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make small models tiny."""
    monkeypatch.setitem(sizes.SHAPES, "small", TINY)


def trainer(minutes: float = 0.03, seed: int = 0) -> Trainer:
    """Return what trains a tiny model for a moment."""
    plan = Plan(minutes, n_rows=8, seed=seed, learning_rate=5e-3, weight_decay=0.1)
    request = Request("", plan, 0, "cpu", "small")
    return open_trainer(request, None, SAMPLES, lambda _: None, lambda _: None)


def learnt(made: Trainer) -> LearntModel:
    """Return the best that was learnt."""
    assert isinstance(made.best, LearntModel)
    return made.best


def test_a_vocabulary_writes_any_bytes() -> None:
    tokenizer = ByteTokenizer(train_tokenizer(SAMPLES, 1024))
    anything = bytes(range(256)) + "Größe, 大きさ\r\n\n\t x".encode() + b"<|endoftext|>"
    assert tokenizer.decode(tokenizer.encode(anything)) == anything
    assert tokenizer.vocab_size <= 1024
    assert len(tokenizer.encode(MESSAGE)) < len(MESSAGE) / 2


def test_a_vocabulary_knows_nothing_of_what_is_held_out() -> None:
    whole = train_tokenizer(SAMPLES, 1024)
    assert whole == train_tokenizer([Sample("log", SAMPLES[0].trained, b"other words")], 1024)
    assert whole != train_tokenizer([split("log", LOG[: len(LOG) // 2])], 1024)


def test_another_process_makes_the_same_vocabulary(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(LOG)
    code = (
        "import sys; from pathlib import Path; from llmzip.training.bpe import train_tokenizer; "
        "from llmzip.training.texts import split; "
        "print(train_tokenizer([split('log', Path(sys.argv[1]).read_bytes())], 1024), end='')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "log"],
        env=os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": str(SOURCES)},
        stdout=subprocess.PIPE,
        check=True,
    )
    assert done.stdout.decode() == train_tokenizer(SAMPLES, 1024)


@pytest.mark.parametrize(
    ("n_bytes", "n_tokens"),
    [(1, 1024), (1_000_000, 1024), (1_100_000, 2048), (3_000_000, 4096), (1 << 40, 8192)],
)
def test_vocabularies_grow_with_texts(n_bytes: int, n_tokens: int) -> None:
    assert sizes.vocab_size_for(n_bytes) == n_tokens


@pytest.mark.parametrize("name", sizes.SHAPES)
def test_the_fastest_ways_take_all_sizes(name: str) -> None:
    from llmzip.exact.shape import ModelShape

    shape = sizes.SHAPES[name]
    made = ModelShape(
        n_layers=shape.n_layers,
        d_model=shape.d_model,
        n_heads=shape.n_heads,
        n_kv_heads=shape.n_heads,
        d_head=sizes.D_HEAD,
        d_ff=4 * shape.d_model,
        vocab_size=sizes.LEAST_TOKENS,
        n_positions=shape.n_positions,
        eps=1e-5,
        gated=False,
        rotary=False,
    )
    assert all(takes(way, made) for way in Way)


@pytest.mark.parametrize(
    ("asked", "n_bytes", "minutes", "device", "name"),
    [
        ("large", 1, 1, "cpu", "large"),
        ("auto", 200_000, 20, "cpu", "small"),
        ("auto", 10_000_000, 20, "cpu", "small"),
        ("auto", 10_000_000, 90, "cpu", "medium"),
        ("auto", 10_000_000, 600, "cpu", "large"),
        ("auto", 10_000_000, 20, "cuda", "large"),
        ("auto", 200_000, 600, "cuda", "small"),
    ],
)
def test_auto_takes_what_text_and_time_are_enough_for(
    asked: str, n_bytes: int, minutes: float, device: str, name: str
) -> None:
    assert sizes.size_for(asked, n_bytes, minutes, device) == name


def test_all_weights_are_counted(tiny: None) -> None:
    made = trainer()
    n_tokens = ByteTokenizer(train_tokenizer(SAMPLES, 1024)).vocab_size
    n_weights = sum(parameter.numel() for parameter in made.parameters)
    assert n_weights == pytest.approx(TINY.n_weights(n_tokens), rel=0.02)


def test_all_positions_learn(tiny: None) -> None:
    made = trainer()
    positions = next(p for p in made.parameters if p.shape == (TINY.n_positions, TINY.d_model))
    made.learner.entropy(made.judged.ids).backward()  # type: ignore[no-untyped-call]
    assert positions.grad is not None
    assert bool((positions.grad != 0).any(1).all())


def test_the_same_seed_begins_with_the_same_weights(tiny: None) -> None:
    one, same, other = trainer(), trainer(), trainer(seed=1)
    assert all(map(torch.equal, one.parameters, same.parameters))
    assert not all(map(torch.equal, one.parameters, other.parameters))


@pytest.fixture(scope="module")
def kept() -> str:
    """Return the name of a model that was trained for a moment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sizes.SHAPES, "small", TINY)
        made = trainer(0.06)
        made.run()
    assert made.progress.best < 0.7 * made.progress.held_out[0]
    keep(learnt(made).write, {"base": "", "scratch": "small"}, trained.folder_of("scratched"))
    return "scratched"


def test_it_is_found_by_its_name(kept: str) -> None:
    folder = trained.folder_of(kept)
    assert trained.is_trained(kept)
    assert trained.is_one(folder)
    assert trained.is_whole(folder)
    assert kept in trained.names()
    found = locate(kept)
    assert (found.name, found.source, found.path, found.adapter) == (kept, "local", folder, None)
    assert {path.stat().st_mode & 0o444 for path in folder.iterdir()} == {0o444}


def test_what_it_compresses_comes_back(kept: str) -> None:
    packed = llmzip.compress(MESSAGE, model=kept)
    assert len(packed) < len(classical_chunk(MESSAGE).payload)
    assert llmzip.decompress(packed) == MESSAGE
    noise = bytes(range(256)) * 3
    assert llmzip.decompress(llmzip.compress(noise, model=kept)) == noise


def test_without_its_prepared_form_it_is_found_all_the_same(kept: str, tmp_path: Path) -> None:
    from llmzip.models.prepared import open_recorded

    opened = open_exact(kept)
    with pytest.MonkeyPatch.context() as patch:
        where = trained.trained_home()
        patch.setenv("LLMZIP_HOME", str(tmp_path))
        (tmp_path / "trained").symlink_to(where)
        again = open_recorded(kept, "local", opened.fingerprint)
        assert again.fingerprint == opened.fingerprint
        shutil.rmtree(tmp_path / "prepared")
        again = open_recorded("", "local", opened.fingerprint[:6])  # as small files name it
    assert (again.name, again.fingerprint) == (kept, opened.fingerprint)


def test_a_small_file_does_without_its_name(kept: str, tmp_path: Path) -> None:
    packed = llmzip.compress(MESSAGE, model=kept)
    (member,) = llmzip.inspect(packed)
    model = member.model
    assert model is not None
    assert (model.name, model.source) == ("", "local")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLMZIP_HOME", str(tmp_path))
        with pytest.raises(ModelNotFoundError, match=f"{model.fingerprint.hex()}.*import.*-m"):
            llmzip.decompress(packed)
        patch.setattr(trained, "names", lambda: ["one", "other"])
        with pytest.raises(ModelNotFoundError, match="or is one or other: say so with -m"):
            llmzip.decompress(packed)  # a stranger's file does not have two models prepared


def test_another_run_goes_on(tiny: None, tmp_path: Path) -> None:
    first = trainer()
    checkpoints = Checkpoints(tmp_path / "kept", {"seed": 0})

    def stop(_: Any) -> None:
        if len(first.progress.held_out) == 3:
            checkpoints.save(first)
            raise KeyboardInterrupt

    first._on_judged = stop
    with pytest.raises(KeyboardInterrupt):
        first.run()
    second = trainer()
    checkpoints.restore(second)
    assert second.progress == first.progress
    assert all(map(torch.equal, first.parameters, second.parameters))
    best, same = learnt(first).tensors, learnt(second).tensors
    assert all(torch.equal(best[name], same[name]) for name in best.keys() | same.keys())
    (tmp_path / "kept" / "best" / trained.TOKENIZER).write_text("another", encoding="utf-8")
    with pytest.raises(ResumeError, match="vocabulary"):
        checkpoints.restore(trainer())
    checkpoints.remove()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        ([split("log", LOG[:60_000])], "too few for a model from scratch"),
        ([Sample("a", b"x" * 9, b"")] * 20_000, "held out"),
    ],
)
def test_too_little_text_is_refused(samples: list[Sample], words: str) -> None:
    request = scratch_request("auto", samples, 1.0, 0, "cpu")
    with pytest.raises(UsageError, match=words):
        open_trainer(request, None, samples, lambda _: None, lambda _: None)
