"""What is fetched from the hub: how much, for whom, and with whose token."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_hub import FakeHub, serving
from huggingface_hub import constants

import llmzip
from llmzip.container import Chunk, Kind, ModelRef, Writer
from llmzip.errors import ModelNotFoundError, ModelUnsupportedError
from llmzip.models import catalog, files, folder, hub, locate, locate_recorded
from llmzip.models.catalog import CatalogEntry, HubSource

TOKEN = "hf_of_the_user"


@pytest.fixture
def fake_hub(
    tmp_path: Path, tiny_gpt2_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FakeHub]:
    """Return a hub with one repository, asked by a user who has a token and an empty cache."""
    with serving({"some/tiny": tiny_gpt2_folder}) as found:
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub cache"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", found.url)
        monkeypatch.setattr(
            constants,
            "HUGGINGFACE_CO_URL_TEMPLATE",
            found.url + "/{repo_id}/resolve/{revision}/{filename}",
        )
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
        yield found


def test_what_a_person_names_is_fetched_with_their_token_and_its_size_is_said(
    fake_hub: FakeHub, tiny_gpt2_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    found = locate("some/tiny")
    assert found.sha256() == locate(str(tiny_gpt2_folder)).sha256()
    assert fake_hub.tokens == {f"Bearer {TOKEN}"}
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("llmzip: fetching some/tiny from the hub (")
    assert err.rstrip().endswith(" kB)")
    assert not any("tokenizer_config" in path for path in fake_hub.asked)


def test_what_a_file_names_is_not_even_asked_for(fake_hub: FakeHub) -> None:
    with pytest.raises(ModelNotFoundError) as raised:
        locate_recorded("any name", "hub:some/tiny@main")
    assert "llmzip models pull some/tiny@main" in str(raised.value)
    assert "--allow-hub" in str(raised.value)
    assert "-m some/tiny@main" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert fake_hub.asked == []


def test_what_the_message_says_helps(fake_hub: FakeHub) -> None:
    files.pull("some/tiny", quiet=True)
    asked = list(fake_hub.asked)
    assert locate_recorded("any name", "hub:some/tiny").path == locate("some/tiny").path
    assert fake_hub.asked == asked


def test_with_permission_it_is_fetched_and_the_token_stays_here(fake_hub: FakeHub) -> None:
    found = locate_recorded("some/tiny", "hub:some/tiny", allow_hub=True, quiet=True)
    assert found.path == locate("some/tiny").path
    assert fake_hub.asked
    assert fake_hub.tokens == set()


def test_the_catalogs_models_are_fetched_for_a_file_and_the_token_stays_here(
    fake_hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = CatalogEntry("tiny", HubSource("some/tiny"), "MIT", 1, 1)
    monkeypatch.setitem(catalog.CATALOG, "tiny", entry)
    for name, source in (("other", "hub:some/tiny"), ("tiny", "hub:some/tiny@main")):
        with pytest.raises(ModelNotFoundError, match="--allow-hub"):
            locate_recorded(name, source)
    assert fake_hub.asked == []
    assert locate_recorded("tiny", "hub:some/tiny", quiet=True).path.is_dir()
    assert fake_hub.tokens == set()


def test_a_large_model_of_the_cache_is_not_used_because_a_file_says_so(
    fake_hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.pull("some/tiny", quiet=True)
    monkeypatch.setattr(files, "UNASKED_MOST_BYTES", 1000)
    with pytest.raises(ModelUnsupportedError, match="give -m some/tiny"):
        locate_recorded("some/tiny", "hub:some/tiny")
    assert locate("some/tiny").path == locate_recorded("x", "hub:some/tiny", allow_hub=True).path


@pytest.mark.parametrize(
    ("name", "size", "words"),
    [
        ("model.safetensors", hub.MOST_FETCHED_BYTES, "to fetch, more than 32.0 GB"),
        ("model.safetensors", None, "does not say how large model.safetensors"),
    ],
)
def test_too_large_a_repository_is_not_fetched(
    fake_hub: FakeHub, name: str, size: int | None, words: str
) -> None:
    fake_hub.sizes[name] = size
    with pytest.raises(ModelUnsupportedError, match=words) as raised:
        files.pull("some/tiny", quiet=True)
    assert "\n" not in str(raised.value)
    with pytest.raises(ModelUnsupportedError, match=words):
        locate("some/tiny", quiet=True)
    with pytest.raises(ModelUnsupportedError, match=words):
        locate_recorded("x", "hub:some/tiny", allow_hub=True, quiet=True)
    assert not [path for path in fake_hub.asked if "/resolve/" in path]


def test_what_is_not_read_does_not_count(fake_hub: FakeHub) -> None:
    fake_hub.sizes["generation_config.json"] = 10**15
    fake_hub.sizes["tokenizer_config.json"] = None
    assert files.pull("some/tiny", quiet=True).path.is_dir()


def test_what_an_index_and_a_vocabulary_need_is_fetched_too() -> None:
    sharded = ["config.json", "model.safetensors.index.json", "a.safetensors", "x/b.safetensors"]
    old = ["vocab.json", "merges.txt", "tokenizer_config.json", "README.md"]
    wanted = folder.wanted_of([*sharded, *old])
    assert set(wanted) == {*sharded[:3], *old[:3]}
    whole = ["model.safetensors", "adapter_model.safetensors", "tokenizer.json"]
    assert folder.wanted_of([*whole, *old]) == ["merges.txt", *whole[::2], "vocab.json"]


def test_without_a_network_pull_is_content_with_what_is_here(
    fake_hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = files.pull("some/tiny", quiet=True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert files.pull("some/tiny", quiet=True) == found


def file_that_names(source: str) -> bytes:
    """Return a .llmz file whose one chunk needs a model from `source`."""
    sink, data = io.BytesIO(), b"It was the best of times"
    writer = Writer(sink)
    writer.model(ModelRef("some/name", source, b"finger"))
    writer.group()
    writer.wave([Chunk.spelled(Kind.LM, data, 6, b"\x5a\xa5\x01")], data)
    writer.finish()
    return sink.getvalue()


@pytest.mark.parametrize(
    ("options", "words", "asks"),
    [
        ([], "llmzip models pull some/tiny", False),
        (["--allow-hub"], "the hub has no model some/tiny", True),
        (["-m", "smollm2-135m@x"], "no model 'smollm2-135m@x'", False),
    ],
    ids=["unasked", "allowed", "another model"],
)
def test_the_command_asks_the_hub_only_with_permission(
    tmp_path: Path, options: list[str], words: str, asks: bool
) -> None:
    with serving({}) as found:
        env = os.environ | {"HF_ENDPOINT": found.url, "HF_HUB_OFFLINE": "0", "HF_TOKEN": TOKEN}
        env |= {"HF_HOME": str(tmp_path / "hub"), "LLMZIP_HOME": str(tmp_path / "home")}
        result = subprocess.run(
            [sys.executable, "-m", "llmzip", "-d", *options],
            input=file_that_names("hub:some/tiny"),
            env=env,
            capture_output=True,
        )
    assert (result.returncode, result.stdout) == (1, b"")
    assert words in result.stderr.decode()
    assert result.stderr.count(b"\n") == 1
    assert bool(found.asked) == asks
    assert found.tokens == set()


@pytest.mark.parametrize("allow_hub", [False, True])
def test_the_library_asks_the_hub_only_with_permission(
    fake_hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allow_hub: bool
) -> None:
    monkeypatch.setenv("LLMZIP_HOME", str(tmp_path / "home"))
    words = "the hub has no model" if allow_hub else "llmzip models pull not/there"
    with pytest.raises(ModelNotFoundError, match=words):
        llmzip.decompress(file_that_names("hub:not/there"), allow_hub=allow_hub)
    assert bool(fake_hub.asked) == allow_hub
    assert fake_hub.tokens == set()
