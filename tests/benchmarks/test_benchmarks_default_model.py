"""scripts/default_model: how texts become plain, what is taken of them, the table of parts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts/default_model"
sys.path.insert(0, str(SCRIPTS))

import gather  # noqa: E402
from forms import FORMS  # noqa: E402


def _source(files: str, form: str = "plain", most: int = 1000) -> gather.Source:
    return gather.Source("part", "owner/name", "HEAD", "MIT", (files,), 3000, form, most)


@pytest.mark.parametrize("mix", ["text.toml", "broad.toml"])
def test_every_source_has_a_commit_a_licence_and_a_form(mix: str) -> None:
    for source in gather.read_sources(SCRIPTS / mix):
        assert source.form in {*FORMS, *gather.OF_HISTORY}
        assert len(source.commit) == 40
        assert not any(bad in source.licence for bad in ("SA", "NC", "ND", "GPL"))


def test_what_is_minified_encoded_twice_there_or_of_a_forbidden_name_is_left_out(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "owner+name"
    folder.mkdir()
    lines = "".join(f"line {number}\n" for number in range(300))
    for name, text in {
        "a b.txt": lines,
        "again.txt": lines,
        "hardy.txt": "x" + lines,
        "minified.txt": "word " * 1000 + "\n",
        "base64.txt": lines[:300] + ("A" * 70 + "\n") * 30,
        "other.md": "y" + lines,
    }.items():
        (folder / name).write_text(text)
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-q", "-m", "all"]):
        subprocess.run(["git", "-C", str(folder), *command], check=True)
    source = _source("*.txt")
    texts = list(gather._taken(gather._texts(folder, source), source.n_bytes, source.most))
    assert len(texts) == 1
    assert lines.startswith(texts[0])
    assert 900 < len(texts[0]) <= 1000


@pytest.mark.parametrize(
    ("form", "text", "made"),
    [
        ("code", "/* Copyright A */\nint a;\n", "int a;\n"),
        ("code", "/* Copyright A */\n#include <a.h>\nint a;\n", "#include <a.h>\nint a;\n"),
        ("code", "# Copyright A\n\n# what this does\nx = 1\n", "# what this does\nx = 1\n"),
        ("code", "// Licensed\n\n/// Doc of f\nfn f(){}\n", "/// Doc of f\nfn f(){}\n"),
        ("code", "# a tool\nx = 1\n", "# a tool\nx = 1\n"),
        ("po", 'msgid ""\nmsgstr "head"\n\nmsgid "a"\nmsgstr ""\n"b\\n"\n"c"\n', "b\nc\n"),
        ("poems", json.dumps([{"title": "t", "author": "a", "paragraphs": ["x"]}]), "t\na\nx"),
        (
            "dialogs",
            json.dumps([{"utterances": [{"speaker": "a", "text": "x"}]}]),
            "<a> x",
        ),
        ("foreign", "Привет", "Привет"),
        ("accented", "größer", "größer"),
        (
            "tei_lines",
            f"<TEI><text><body><p>{'word ' * 30}</p></body></text></TEI>",
            f"{'word ' * 13}word\n{'word ' * 13}word\nword word\n",
        ),
    ],
)
def test_forms(form: str, text: str, made: str) -> None:
    assert FORMS[form](text) == made


@pytest.mark.parametrize("form", ["foreign", "accented"])
def test_what_is_not_translated_is_refused(form: str) -> None:
    with pytest.raises(ValueError, match="not translated"):
        FORMS[form]("only English")


def test_the_table_names_parts_sources_and_licences(tmp_path: Path) -> None:
    (tmp_path / "part.txt").write_text("a" * 1_500_000)
    lines = gather.table([_source("*.txt"), _source("*.md")], tmp_path).splitlines()
    assert lines[2:] == ["| part | 1.5 | owner/name | MIT |"]
