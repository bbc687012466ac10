"""From names to files: catalog, folders, files, hub ids, and what a .llmz file records."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from huggingface_hub import constants

from llmzip.container.catalog import WELL_KNOWN
from llmzip.errors import ModelDamagedError, ModelNotFoundError, ModelUnsupportedError
from llmzip.models import CATALOG, DEFAULT_MODEL, files, folder, locate, locate_recorded
from llmzip.models.catalog import HubSource, hub_source

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty cache folder of the hub, with no network behind it."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub cache"


def cache_repo(hub_cache: Path, repo: str, model: Path, branch: str = "main") -> Path:
    """Put a model into the hub's cache the way the hub's client lays it out."""
    root = hub_cache / f"models--{repo.replace('/', '--')}"
    (root / "refs").mkdir(parents=True)
    (root / "refs" / branch).write_text(COMMIT)
    return Path(shutil.copytree(model, root / "snapshots" / COMMIT))


def test_the_catalog_and_the_format_agree() -> None:
    assert next(iter(CATALOG)) == DEFAULT_MODEL
    assert {(e.name, str(e.source)) for e in CATALOG.values()} == set(WELL_KNOWN.values())


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("org/name", HubSource("org/name")),
        ("org/na-me_1.5", HubSource("org/na-me_1.5")),
        ("org/name@refs/pr/1", HubSource("org/name", "refs/pr/1")),
        ("org/name@v1.0", HubSource("org/name", "v1.0")),
        ("name", None),
        ("a/b/c", None),
        ("../name", None),
        ("org/..", None),
        ("org/name@", None),
        ("org/name@../../x", None),
        ("/org/name", None),
        ("org/na me", None),
        ("org/name\n", None),
        ("", None),
    ],
)
def test_hub_ids(text: str, source: HubSource | None) -> None:
    assert hub_source(text) == source
    assert source is None or str(source) == f"hub:{text}"


def test_a_folder(tiny_gpt2_folder: Path) -> None:
    found = locate(str(tiny_gpt2_folder))
    assert (found.name, found.source) == (tiny_gpt2_folder.name, "local")
    assert found.path == tiny_gpt2_folder
    assert not found.is_gguf


def test_relative_and_home_paths(tiny_gpt2_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny_gpt2_folder.parent)
    monkeypatch.setenv("HOME", str(tiny_gpt2_folder.parent))
    for name in (tiny_gpt2_folder.name, f"./{tiny_gpt2_folder.name}", f"~/{tiny_gpt2_folder.name}"):
        assert locate(name).path == tiny_gpt2_folder


def test_a_trailing_slash_or_dot_leaves_the_name(
    tiny_gpt2_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_gpt2_folder)
    for name in (f"{tiny_gpt2_folder}/", "."):
        assert locate(name).name == tiny_gpt2_folder.name


def test_the_contents_of_a_folder_make_its_digest(tiny_gpt2_folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny_gpt2_folder, tmp_path / "another name"))
    assert locate(str(copy)).sha256() == locate(str(tiny_gpt2_folder)).sha256()
    (copy / "README.md").write_text("has no effect")
    assert locate(str(copy)).sha256() == locate(str(tiny_gpt2_folder)).sha256()
    (copy / "config.json").write_text((copy / "config.json").read_text() + " ")
    assert locate(str(copy)).sha256() != locate(str(tiny_gpt2_folder)).sha256()


def sha256s(place: Path) -> tuple[str, str]:
    found = locate(str(place))
    return found.sha256(), found.prepared_sha256()


def sharded(place: Path, *names: str) -> Path:
    """Deal a model's weights to files of these names, an index beside them."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(place / "model.safetensors")
    (place / "model.safetensors").unlink()
    parts = {name: list(tensors)[i :: len(names)] for i, name in enumerate(names)}
    for name, own in parts.items():
        save_file({key: tensors[key] for key in own}, place / name, {"format": "pt"})
    weights = {key: name for name, own in parts.items() for key in own}
    index = place / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": weights}))
    return index


def test_shards_of_any_name_make_the_digest(tiny_gpt2_folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny_gpt2_folder, tmp_path / "copy"))
    sharded(copy, "first.safetensors", "model-2.safetensors")
    before = sha256s(copy)
    names = {path.name for path in folder.read_files(copy)}
    assert names >= {"first.safetensors", "model-2.safetensors", "model.safetensors.index.json"}
    shard = copy / "first.safetensors"
    shard.write_bytes(shard.read_bytes()[:-1] + b"\x3c")
    assert not set(before) & set(sha256s(copy))


def test_weights_that_the_configuration_names_make_the_digest(
    tiny_gpt2_folder: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(tiny_gpt2_folder, tmp_path / "copy"))
    other = copy / "other.safetensors"
    shutil.copyfile(copy / "model.safetensors", other)
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"transformers_weights": other.name}))
    before = sha256s(copy)
    (copy / "model.safetensors").unlink()
    assert locate(str(copy)).path == copy, "the named ones are enough"
    after = sha256s(copy)
    other.write_bytes(other.read_bytes()[:-1] + b"\x3c")
    assert len({*before, *after, *sha256s(copy)}) == 3


@pytest.mark.parametrize(
    "name", ["adapter_model.bin", "weights.pt", "../x.safetensors", "a/b.safetensors", 7]
)
def test_weights_that_are_no_safetensors_of_the_folder_are_refused(
    tiny_gpt2_folder: Path, tmp_path: Path, name: object
) -> None:
    copy = Path(shutil.copytree(tiny_gpt2_folder, tmp_path / "copy"))
    (copy / "adapter_model.bin").write_bytes(b"a pickle")
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"transformers_weights": name}))
    with pytest.raises(ModelUnsupportedError, match="pickles are never loaded"):
        locate(str(copy))


def test_named_weights_that_are_not_there_are_missed(
    tiny_gpt2_folder: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(tiny_gpt2_folder, tmp_path / "copy"))
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(
        json.dumps(config | {"transformers_weights": "x.safetensors"})
    )
    with pytest.raises(ModelDamagedError, match=r"lacks x\.safetensors"):
        locate(str(copy))


def test_what_decides_how_a_vocabulary_is_read_makes_a_prepared_form(
    tiny_gpt2_folder: Path, tmp_path: Path
) -> None:
    """And no file in floating point: that has the table of tokens that came of it."""
    copy = Path(shutil.copytree(tiny_gpt2_folder, tmp_path / "copy"))
    with_table = sha256s(copy)
    assert len(set(with_table)) == 1
    spec = json.loads((copy / "tokenizer.json").read_text())
    (copy / "tokenizer_config.json").write_text('{"add_prefix_space": true}')
    assert sha256s(copy) == with_table, "it has no effect beside tokenizer.json"
    (copy / "tokenizer.json").unlink()
    (copy / "vocab.json").write_text(json.dumps(spec["model"]["vocab"]))
    (copy / "merges.txt").write_text("#version: 0.2\n")
    first = sha256s(copy)
    (copy / "tokenizer_config.json").write_text('{"add_prefix_space": false}')
    second = sha256s(copy)
    assert first[0] == second[0]
    assert first[1] != second[1]
    (copy / "tokenizer_config.json").unlink()
    assert sha256s(copy) == (first[0], first[0]), "without it all is as it was"


@pytest.mark.parametrize("name", ["./missing", "/missing", "~/missing", "missing.gguf", "a/b/c"])
def test_a_missing_path_is_named(name: str) -> None:
    with pytest.raises(ModelNotFoundError, match=r"^no folder or file /"):
        locate(name)


@pytest.mark.parametrize("name", ["", "no-such-model", "gpt2@", "smollm2-135m@x", "org/na me", "-"])
def test_an_unknown_name_is_met_with_the_known_ones(name: str, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"smollm2-135m, gemma3-270m, gpt2, .*org/name"):
        locate(name)


@pytest.mark.parametrize(
    ("missing", "word"),
    [
        ("config.json", "no config.json"),
        ("model.safetensors", "no model.safetensors"),
        ("tokenizer.json", "no tokenizer.json"),
    ],
)
def test_a_folder_that_lacks_something(
    tiny_gpt2_folder: Path, tmp_path: Path, missing: str, word: str
) -> None:
    copy = Path(shutil.copytree(tiny_gpt2_folder, tmp_path / "copy"))
    (copy / missing).unlink()
    with pytest.raises(ModelNotFoundError, match=word):
        locate(str(copy))


def test_pickles_are_refused(tiny_gpt2_folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny_gpt2_folder, tmp_path / "copy"))
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(ModelUnsupportedError, match="pickles, which are never loaded"):
        locate(str(copy))


def test_files_that_are_no_models(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"x")
    with pytest.raises(ModelUnsupportedError, match=r"neither a model's folder nor a \.gguf"):
        locate(str(tmp_path / "model.safetensors"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelNotFoundError, match="not a model's folder"):
        locate(str(tmp_path / "empty"))


@pytest.mark.parametrize("suffix", [".gguf", ".GGUF"])
def test_a_gguf_by_itself_or_alone_in_a_folder(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"Some Model.Q8_0{suffix}"
    path.write_bytes(b"GGUF")
    for name in (str(path), str(tmp_path)):
        found = locate(name)
        assert (found.name, found.source, found.path) == ("Some Model.Q8_0", "local", path)
        assert found.is_gguf


def test_a_cached_hub_model_needs_no_network(hub_cache: Path, tiny_gpt2_folder: Path) -> None:
    path = cache_repo(hub_cache, "some/tiny", tiny_gpt2_folder)
    found = locate("some/tiny")
    assert (found.name, found.source, found.path) == ("some/tiny", f"hub:some/tiny@{COMMIT}", path)
    assert locate_recorded(found.name, found.source) == found
    assert found.sha256() == locate(str(tiny_gpt2_folder)).sha256()


def test_a_file_names_the_commit_so_that_main_may_move(
    hub_cache: Path, tiny_gpt2_folder: Path, tiny_llama_folder: Path
) -> None:
    path = cache_repo(hub_cache, "some/tiny", tiny_gpt2_folder)
    found = locate("some/tiny")
    other = path.with_name("f" * 40)
    shutil.copytree(tiny_llama_folder, other)
    (path.parent.parent / "refs" / "main").write_text(other.name)
    assert locate("some/tiny").path == other
    assert locate_recorded(found.name, found.source) == found
    assert locate_recorded("some/tiny", "hub:some/tiny").path == other, "as older files have it"
    shutil.rmtree(path)
    assert locate_recorded(found.name, found.source).path == other, "its fingerprint will tell"


def test_a_revision_is_part_of_name_and_source(hub_cache: Path, tiny_gpt2_folder: Path) -> None:
    path = cache_repo(hub_cache, "some/tiny", tiny_gpt2_folder, branch="v2")
    for name in ("some/tiny@v2", f"some/tiny@{COMMIT}"):
        found = locate(name)
        recorded = (name, f"hub:some/tiny@{COMMIT}", path)
        assert (found.name, found.source, found.path) == recorded
    with pytest.raises(ModelNotFoundError, match="HF_HUB_OFFLINE"):
        locate("some/tiny")


@pytest.mark.parametrize("repo", ["openai-community/gpt2", "gpt2"])
def test_gpt2_is_found_under_its_new_and_old_id(
    hub_cache: Path, tiny_gpt2_folder: Path, repo: str
) -> None:
    path = cache_repo(hub_cache, repo, tiny_gpt2_folder)
    found = locate("gpt2")
    assert (found.name, found.source) == ("gpt2", "hub:openai-community/gpt2")
    assert found.path == path
    assert files.is_here("gpt2")
    assert not files.is_here("distilgpt2")


def test_an_incomplete_snapshot_is_not_there(hub_cache: Path, tiny_gpt2_folder: Path) -> None:
    (cache_repo(hub_cache, "some/tiny", tiny_gpt2_folder) / "model.safetensors").unlink()
    with pytest.raises(ModelNotFoundError):
        locate("some/tiny")


@pytest.mark.parametrize("name", ["gpt2", "gpt2@v1", "org/name", "org/name@v1"])
def test_offline_is_respected_and_said(hub_cache: Path, name: str) -> None:
    with pytest.raises(ModelNotFoundError, match="HF_HUB_OFFLINE forbids"):
        locate(name, quiet=True)
    with pytest.raises(ModelNotFoundError, match="HF_HUB_OFFLINE forbids"):
        files.pull(name, quiet=True)
    with pytest.raises(ModelNotFoundError, match=f"llmzip models pull {name}"):
        locate(name, fetch=False)


def test_a_dead_network_is_one_line(hub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelNotFoundError, match="cannot fetch model org/name") as raised:
        locate("org/name", quiet=True)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("/etc", "local"),
        (".", "local"),
        ("gpt2", "local"),
        ("smollm2-135m", "hub:../x"),
        ("smollm2-135m", "wheel:evil==1"),
        ("x", "hub:/etc/passwd"),
        ("x", "file:///etc"),
        ("x", ""),
    ],
)
def test_no_path_is_taken_from_a_file(name: str, source: str) -> None:
    with pytest.raises(ModelNotFoundError, match=r"give its folder or file with -m$"):
        locate_recorded(name, source)
