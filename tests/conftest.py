"""Fixtures that several rooms' tests share: small tokenizers and small models, made on the spot.

The models are random, but not flat: their weights are wide enough that some
tokens are likely and others are not, as with a trained model.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from platformdirs import user_cache_path

import llmzip
from llmzip.models import CATALOG, DEFAULT_MODEL, HOME_VARIABLE, locate
from llmzip.models.prepared import prepared_path

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from transformers import PretrainedConfig

    from tiny_files import Tiny

# Before anything imports the hub's client: no test asks the hub, unless whoever runs them says 0.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# Workers share the cores: a thread that waits for others leaves its core to them.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Tests say themselves which way of computing they are for.
os.environ.pop("LLMZIP_WAY", None)

# HYPOTHESIS_PROFILE=expensive looks much longer. No deadlines: models share the cores.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("expensive", deadline=None, max_examples=2000)
_OUR_PROFILE = "ci" if "CI" in os.environ else "default"
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", _OUR_PROFILE))

VOCAB_SIZE = 512
N_POSITIONS = 128
END_OF_TEXT = "<|endoftext|>"
MISSING_BYTES = frozenset(b"\x04\x06\x13\x14\x16\x1d\xc0\xc1\xf1\xf2") | frozenset(range(0xF5, 256))
"""The bytes for which SmolLM2's vocabulary has no token."""

SOURCES = Path(llmzip.__file__).parents[1]
_HOME_OUTSIDE = os.environ.get(HOME_VARIABLE)


@pytest.fixture(scope="session", autouse=True)
def llmzip_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give the tests, and every process they start, a cache folder of this session's own."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("llmzip home")
        patch.setenv(HOME_VARIABLE, str(folder))
        yield folder


@pytest.fixture(scope="session")
def default_model(llmzip_home: Path) -> str:
    """Return the default model's name, its weights being there.

    They are fetched into the cache of whoever runs the tests, once and for all, and
    linked into the session's.
    """
    with pytest.MonkeyPatch.context() as patch:
        if _HOME_OUTSIDE is None:
            patch.delenv(HOME_VARIABLE)
        else:
            patch.setenv(HOME_VARIABLE, _HOME_OUTSIDE)
        weights = locate(DEFAULT_MODEL).path
    _link(llmzip_home / "models" / _kept_as(DEFAULT_MODEL) / weights.name, weights)
    return DEFAULT_MODEL


@pytest.fixture(scope="session")
def prepared_default_model(default_model: str, llmzip_home: Path) -> str:
    """Return the default model's name, its prepared form being there too.

    That takes minutes, so it is kept for all runs of the same sources: see `_kept_home`. It is
    made in a process of its own, whose gigabytes end with it, and by one thread, for the other core
    is another worker's; other workers wait for the cache's lock.
    """
    weights = locate(default_model)
    home = _kept_home()
    _link(home / "models" / _kept_as(default_model) / weights.path.name, weights.path.resolve())
    script = "import sys; from llmzip.models.prepared import open_exact; open_exact(sys.argv[1])"
    key = prepared_path(weights).name
    if not (home / "prepared" / key).exists():
        subprocess.run(
            [sys.executable, "-c", script, default_model],
            env=os.environ
            | {HOME_VARIABLE: str(home), "PYTHONPATH": str(SOURCES), "OMP_NUM_THREADS": "1"},
            check=True,
        )
    _link(llmzip_home / "prepared" / key, home / "prepared" / key)
    return default_model


def _kept_as(name: str) -> str:
    """Return the name under which a model's fetched weights are kept."""
    return CATALOG[name].weights_name


@pytest.fixture(scope="session")
def kept_folder() -> Path:
    """Return a folder for what takes long to compile, likewise kept for runs of these sources."""
    return _kept_home()


def _kept_home() -> Path:
    """Return a cache folder for the sources as they are now, which all runs by one user share.

    What any change of the sources might have made otherwise is not taken from an older state; the
    folders of older states go, an hour after they were used last: a run may be at work beside.
    """
    kept = user_cache_path("llmzip") / "tests"
    home = kept / _state_of_the_sources()
    home.mkdir(parents=True, mode=0o700, exist_ok=True)
    os.utime(home)
    for other in kept.iterdir():
        if other.stat().st_mtime < time.time() - 3600:
            shutil.rmtree(other, ignore_errors=True)
    return home


def _state_of_the_sources() -> str:
    """Return a name for all of llmzip's sources, and the libraries that a model is prepared by."""
    state = hashlib.sha256(sys.version.encode())
    for library in ("numpy", "numba", "torch", "transformers", "tokenizers", "gguf", "safetensors"):
        state.update(f"{library} {version(library)}\0".encode())
    for path in sorted(SOURCES.rglob("llmzip/**/*.py")):
        state.update(path.relative_to(SOURCES).as_posix().encode() + b"\0")
        state.update(hashlib.sha256(path.read_bytes()).digest())
    return state.hexdigest()[:16]


@pytest.fixture(scope="session")
def any_processor(kept_folder: Path) -> dict[str, str]:
    """Return settings by which numba compiles for any processor, once for each state of sources.

    Other vector widths, no fused multiply-add.
    """
    folder = kept_folder / "kernels for any processor"
    folder.mkdir(mode=0o700, exist_ok=True)
    return {
        "NUMBA_CPU_NAME": "generic",
        "NUMBA_CPU_FEATURES": "",
        "NUMBA_CACHE_DIR": str(folder),
    }


def _link(place: Path, target: Path) -> None:
    """Make `place` a link to `target`, unless another worker has."""
    place.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        place.symlink_to(target)


@pytest.fixture(scope="session")
def byte_tokenizer_json() -> str:
    """Return the tokenizer.json of a byte-level BPE with all 256 bytes and one special token."""
    return _train_tokenizer(frozenset())


@pytest.fixture(scope="session")
def gappy_tokenizer_json() -> str:
    """Return the tokenizer.json of a byte-level BPE that lacks the bytes that SmolLM2 lacks."""
    return _train_tokenizer(MISSING_BYTES)


@pytest.fixture(scope="session")
def tiny_gpt2_folder(tmp_path_factory: pytest.TempPathFactory, byte_tokenizer_json: str) -> Path:
    """Return a folder with a GPT-2 of 2 layers, as save_pretrained writes it."""
    from transformers import GPT2Config

    config = GPT2Config(
        vocab_size=VOCAB_SIZE,
        n_positions=N_POSITIONS,
        n_embd=48,
        n_layer=2,
        n_head=4,
        initializer_range=0.15,
        bos_token_id=0,
        eos_token_id=0,
    )
    return _save_model(tmp_path_factory.mktemp("tiny gpt2"), config, byte_tokenizer_json)


@pytest.fixture(scope="session")
def tiny_llama_folder(tmp_path_factory: pytest.TempPathFactory, gappy_tokenizer_json: str) -> Path:
    """Return a folder with a Llama of 2 layers, 4 query heads on 2 key heads, and RoPE."""
    from transformers import LlamaConfig

    config = LlamaConfig(
        vocab_size=VOCAB_SIZE,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=N_POSITIONS,
        tie_word_embeddings=True,
        initializer_range=0.15,
        bos_token_id=0,
        eos_token_id=0,
    )
    return _save_model(tmp_path_factory.mktemp("tiny llama"), config, gappy_tokenizer_json)


@pytest.fixture(scope="session")
def tiny_team_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a Llama that every way of computing takes; threads share its steps."""
    return save_team(tmp_path_factory.mktemp("tiny team"))


def save_team(folder: Path) -> Path:
    """Save that Llama into `folder`."""
    from transformers import LlamaConfig

    config = LlamaConfig(
        vocab_size=VOCAB_SIZE,
        hidden_size=128,
        intermediate_size=192,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=N_POSITIONS,
        tie_word_embeddings=True,
        initializer_range=0.15,
        bos_token_id=0,
        eos_token_id=0,
    )
    return _save_model(folder, config, _train_tokenizer(frozenset()))


@pytest.fixture(scope="session")
def gpt2(tiny_gpt2_folder: Path) -> Tiny:
    """Return the tiny GPT-2, prepared: for the product and for the documents' decoder."""
    from tiny_files import Tiny

    return Tiny.prepare(tiny_gpt2_folder)


@pytest.fixture(scope="session")
def llama(tiny_llama_folder: Path) -> Tiny:
    """Return the tiny Llama, which writes some bytes with escapes, likewise."""
    from tiny_files import Tiny

    return Tiny.prepare(tiny_llama_folder)


@pytest.fixture(params=["gpt2", "llama"])
def tiny(request: pytest.FixtureRequest) -> Tiny:
    """Return either of them."""
    found: Tiny = request.getfixturevalue(request.param)
    return found


def _train_tokenizer(missing: frozenset[int]) -> str:
    """Train a byte-level BPE on the project's licence; `missing` bytes get no token."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=[_byte_char(byte) for byte in range(256) if byte not in missing],
        show_progress=False,
    )
    text = (Path(__file__).parent.parent / "LICENSE").read_text(encoding="utf-8")
    tokenizer.train_from_iterator(text.splitlines(keepends=True), trainer)
    assert tokenizer.get_vocab_size() == VOCAB_SIZE
    return str(tokenizer.to_str())


def _byte_char(byte: int) -> str:
    """Return the character by which GPT-2's byte-level vocabularies write `byte`."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    if byte in printable:
        return chr(byte)
    others = [b for b in range(256) if b not in printable]
    return chr(256 + others.index(byte))


def _save_model(folder: Path, config: PretrainedConfig, tokenizer_json: str) -> Path:
    """Save a random model of `config` and its tokenizer into `folder`."""
    import torch
    from tokenizers import Tokenizer
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(20)
        model = AutoModelForCausalLM.from_config(config)
    model.save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(tokenizer_json),
        bos_token=END_OF_TEXT,
        eos_token=END_OF_TEXT,
    ).save_pretrained(folder)
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let reports say which way of computing their test was for: see `ways`."""
    for item in items:
        callspec = getattr(item, "callspec", None)
        if callspec is not None and "way" in callspec.params:
            item.user_properties.append(("way", str(callspec.params["way"])))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which ways of computing have been tested, and which could not be."""
    ran, skipped = Counter[str](), dict[str, str]()
    for outcome in ("passed", "failed", "skipped"):
        for report in terminalreporter.getreports(outcome):
            for name, way in report.user_properties:
                if name != "way":
                    continue
                if outcome == "skipped":
                    skipped[str(way)] = report.longrepr[2].removeprefix("Skipped: ")
                else:
                    ran[str(way)] += report.when == "call"
    for way in sorted(ran):
        terminalreporter.line(f"way {way}: {ran[way]} tests ran")
    for way in sorted(skipped.keys() - ran.keys()):
        terminalreporter.line(f"way {way}: NOT tested, {skipped[way]}")


CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
NOTHING_BY_ITSELF = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A real browser, without what browsers do by themselves."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium or Chrome")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=[*NOTHING_BY_ITSELF])
        yield launched
        launched.close()
