"""`llmzip list`: a table with totals, blocks with -v, JSON; a pipe needs no name."""

from __future__ import annotations

import io
import json
import os
import pty
from pathlib import Path
from typing import Any

import pytest
from cli_runner import NOISE, environment, fails, llmzip, start, succeeds

from llmzip.codec.layouts import layout_chunk
from llmzip.codec.levels import LEVELS, levels_with
from llmzip.container import ADAPTIVE_OPTIONS, Chunk, Kind, ModelRef, Options, Reference, Writer
from llmzip.layout.program import Copy, Fill, Layout, Take, Tar

MODEL = ModelRef("some-model", "hub:org/some-model", bytes.fromhex("0123456789ab"))
TEXT = b"text for the model"


def a_file(options: Options = ADAPTIVE_OPTIONS, model: ModelRef = MODEL) -> bytes:
    """Two groups: one is noise, in the other is a chunk for a model."""
    sink = io.BytesIO()
    writer = Writer(sink, options)
    writer.model(model)
    writer.group()
    writer.wave([Chunk.stored(NOISE)], NOISE)
    writer.group()
    writer.wave([Chunk.spelled(Kind.LM, TEXT, 4, b"payload"), Chunk.stored(b"x")], TEXT + b"x")
    writer.finish()
    return sink.getvalue()


FILE = a_file()
SIZE = len(NOISE) + len(TEXT) + 1


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.llmz"
    path.write_bytes(FILE)
    return path


def listed(*arguments: str | Path, **how: Any) -> list[str]:
    return succeeds(llmzip("list", *arguments, **how)).decode().splitlines()


def objects(*arguments: str | Path, **how: Any) -> Any:
    return json.loads(succeeds(llmzip("list", "--json", *arguments, **how)))


def test_a_pipe_needs_no_name(path: Path) -> None:
    row = listed(input=FILE)[1].split()
    assert row == listed("-", input=FILE)[1].split()
    assert row[:-1] == listed(path)[1].split()[:-1]
    assert row[-1] == "-"
    fails(llmzip("list", input=FILE[:-1]), "standard input", "cut off")
    fails(llmzip("list", "-", "-", input=FILE), "once")
    with path.open("rb") as file:
        assert listed(stdin=file)[1].split() == row


def test_it_says_what_was_transcoded_from_what(tmp_path: Path) -> None:
    sink = io.BytesIO()
    writer = Writer(sink, ADAPTIVE_OPTIONS)
    writer.model(MODEL)
    writer.group()
    wide, data = Chunk.spelled(Kind.LM_UTF_16LE, TEXT, 4, b"\0\0payload"), TEXT + TEXT + b"x"
    writer.wave([wide, Chunk.spelled(Kind.LM_BIG5, TEXT + b"x", 4, b"\0\0p")], data)
    writer.finish()
    path = tmp_path / "a.llmz"
    path.write_bytes(sink.getvalue())
    lines = [line.split(maxsplit=1) for line in listed("-v", path, path)[1:]]
    assert ["transcoded", f"{len(TEXT)} bytes from UTF-16LE"] in lines
    assert ["transcoded", f"{len(TEXT) + 1} bytes from BIG5"] in lines
    (found,) = objects(path)
    assert found["transcoded"] == {"UTF-16LE": len(TEXT), "BIG5": len(TEXT) + 1}
    assert found["chunks"] == {"lm_utf_16le": 1, "lm_big5": 1}


def test_it_says_which_shortlists_there_are(tmp_path: Path) -> None:
    sink = io.BytesIO()
    writer = Writer(sink, ADAPTIVE_OPTIONS)
    writer.model(MODEL)
    for shortlist in (1, 0, 6, 1):
        writer.group()
        writer.wave([Chunk.spelled(Kind.LM, TEXT, 4, b"payload", shortlist)], TEXT)
    writer.finish()
    path = tmp_path / "a.llmz"
    path.write_bytes(sink.getvalue())
    lines = [line.split(maxsplit=1) for line in listed("-v", path)[1:]]
    assert ["shortlist", f"{2 * len(TEXT)} bytes by latin"] in lines
    assert ["shortlist", f"{len(TEXT)} bytes by latin+cjk"] in lines
    (found,) = objects(path)
    assert found["shortlists"] == {"latin": 2 * len(TEXT), "latin+cjk": len(TEXT)}


def test_a_terminal_is_not_read() -> None:
    terminal, line = pty.openpty()
    try:
        fails(llmzip("list", stdin=line), "standard input", "terminal")
        fails(llmzip("list", "-", stdin=line), "terminal")
    finally:
        os.close(line)
        os.close(terminal)


def test_several_files_have_a_total(path: Path, tmp_path: Path) -> None:
    assert len(listed(path)) == 2
    other = tmp_path / "b.llmz"
    other.write_bytes(FILE * 3)
    lines = listed(path, other, path)
    assert len(lines) == 5
    n_compressed = 5 * len(FILE)
    ratio = f"{8 * n_compressed / (5 * SIZE):.3f}"
    total = [f"{n_compressed:,}", f"{5 * SIZE:,}", ratio, "15", "10", "-", "3", "files"]
    assert lines[-1].split() == total


def test_a_folder_is_listed_where_that_is_asked_for(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder" / "below"
    folder.mkdir(parents=True)
    (folder / "b.llmz").write_bytes(FILE)
    (folder.parent / "a.llmz").write_bytes(FILE)
    (folder.parent / "notes.txt").write_bytes(TEXT)
    lines = succeeds(llmzip("-lr", "folder", path, cwd=tmp_path)).decode().splitlines()
    names = [line.split()[-1] for line in lines[1:4]]
    assert names == ["folder/a.llmz", "folder/below/b.llmz", str(path)]
    assert "3 files" in lines[4]
    some = succeeds(llmzip("list", "-r", "--exclude", "b*", "--json", "folder", cwd=tmp_path))
    assert [one["file"] for one in json.loads(some)] == ["folder/a.llmz"]
    fails(llmzip("list", "folder", cwd=tmp_path), "folder is a folder; use -r")


def test_of_several_files_the_good_ones_are_shown(path: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.llmz"
    bad.write_bytes(NOISE)
    result = llmzip("list", bad, path, tmp_path / "missing")
    assert result.returncode == 1
    assert len(result.stdout.splitlines()) == 2  # one file has no total
    errors = result.stderr.decode().splitlines()
    assert len(errors) == 2
    assert "bad.llmz: not a .llmz file" in errors[0]
    assert "missing: No such file" in errors[1]


def test_what_follows_a_file_is_a_warning_that_can_be_silenced(tmp_path: Path) -> None:
    path = tmp_path / "a.llmz"
    path.write_bytes(FILE + b"more")
    result = llmzip("list", path)
    assert (result.returncode, result.stdout.count(b"\n")) == (2, 2)
    assert b"other data follows" in result.stderr
    result = llmzip("list", "-q", path)
    assert (result.returncode, result.stdout.count(b"\n"), result.stderr) == (2, 2, b"")
    path.write_bytes(FILE[:-1])
    assert fails(llmzip("list", "-q", path), "cut off")


def test_verbose_tells_all_that_a_file_says_of_itself(path: Path) -> None:
    assert listed("-v", path) == [
        str(path),
        f"  compressed  {len(FILE):,} bytes ({8 * len(FILE) / SIZE:.3f} bits per byte)",
        f"  original    {SIZE:,} bytes",
        "  members     1",
        "  groups      2 in 2 waves",
        "  chunks      3: 2 stored, 1 lm",
        "  bytes       3,001 stored, 18 model",
        "  tokens      4",
        "  level       5",
        "  model       some-model, fingerprint 0123456789ab",
        "              from hub:org/some-model",
        f"  checksum    {objects(path)[0]['checksum']} (XXH3)",
    ]
    lines = listed("--verbose", path, "-", input=FILE)
    assert lines[-8:] == [
        "2 files",
        *(line.replace(f"{len(FILE):,}", f"{2 * len(FILE):,}") for line in lines[-7:-6]),
        f"  original    {2 * SIZE:,} bytes",
        "  members     2",
        "  groups      4 in 4 waves",
        "  chunks      6: 4 stored, 2 lm",
        "  bytes       6,002 stored, 36 model",
        "  tokens      8",
    ]


def test_verbose_of_what_needs_no_model_and_of_what_one_machine_reads(tmp_path: Path) -> None:
    text = "\n".join(listed("-v", input=succeeds(llmzip("-9", input=NOISE))))
    assert "level       3 or 4 or 5 or 6 or 7 or 8 or 9" in text
    assert "model       none needed" in text
    text = "\n".join(listed("-v", input=a_file(LEVELS[9].options)))
    assert "level       7 or 8 or 9" in text
    text = "\n".join(listed("-v", input=succeeds(llmzip(input=b""))))
    assert "(" not in text.splitlines()[1]
    machine = ModelRef("m", "", bytes(6), machine=bytes(8))
    text = "\n".join(listed("-v", input=a_file(Options(chunk_tokens=77), machine)))
    assert "one machine only" in text
    assert "level       unknown" in text


def a_laid_out_file() -> bytes:
    """A group with a layout: copies, a run, the padding of a tar; made from a reference."""
    header = bytes(124) + b"00000000003\0" + bytes(376)
    text = NOISE + NOISE[:5] + bytes(9) + header + b"abc" + bytes(509)
    n = len(NOISE)
    ops = (Take(0, n), Copy(n, 5), Fill(0, 9), Tar(1, 1), Take(2, 3))
    streams = (NOISE, header, b"abc")
    sink = io.BytesIO()
    writer = Writer(sink)
    writer.reference(Reference(b"checksum", 12_345))
    writer.group(text=text)
    layout = layout_chunk(Layout(tuple(map(len, streams)), ops), text)
    writer.wave([layout, *map(Chunk.stored, streams)], b"".join(streams))
    writer.finish()
    return sink.getvalue()


def test_it_says_what_was_copied_and_what_it_was_made_from() -> None:
    file = a_laid_out_file()
    lines = [line.split(maxsplit=1) for line in listed("-v", input=file)]
    n_stored = len(NOISE) + 512 + 3
    assert ["bytes", f"{n_stored:,} stored, 509 padding, 9 runs, 5 copied"] in lines
    assert ["chunks", "4: 3 stored, 1 layout"] in lines
    assert ["made", f"from   12,345 bytes, {b'checksum'.hex()} (XXH3)"] in lines
    (found,) = objects(input=file)
    assert found["bytes"] == {"stored": n_stored, "padding": 509, "runs": 9, "copied": 5}
    assert found["references"] == [{"bytes": 12_345, "checksum": b"checksum".hex()}]


def test_json_is_an_array_of_what_the_page_describes(path: Path) -> None:
    assert objects(path) == [
        {
            "file": str(path),
            "compressed_bytes": len(FILE),
            "original_bytes": SIZE,
            "bits_per_byte": 8 * len(FILE) / SIZE,
            "members": 1,
            "groups": 2,
            "waves": 2,
            "chunks": {"stored": 2, "lm": 1},
            "bytes": {"stored": len(NOISE) + 1, "model": len(TEXT)},
            "transcoded": {},
            "shortlists": {},
            "tokens": 4,
            "levels": [5],
            "dictionary": False,
            "references": [],
            "models": [
                {
                    "name": "some-model",
                    "source": "hub:org/some-model",
                    "fingerprint": "0123456789ab",
                    "portable": True,
                }
            ],
            "checksum": objects(input=FILE)[0]["checksum"],
            "trailing": None,
        }
    ]
    page = (Path(__file__).parents[2] / "docs" / "CLI.md").read_text(encoding="utf-8")
    for name in objects(path)[0]:
        assert f"`{name}`" in page
    (empty,) = objects(input=succeeds(llmzip(input=b"")))
    assert (empty["file"], empty["original_bytes"], empty["bits_per_byte"]) == ("-", 0, None)


def test_json_of_several_files_has_errors_in_their_places(path: Path, tmp_path: Path) -> None:
    joined = tmp_path / "joined.llmz"
    joined.write_bytes(FILE * 2 + bytes(10) + b"x")
    result = llmzip("list", "--json", tmp_path / "missing", path, joined)
    assert result.returncode == 1
    assert result.stderr.count(b"\n") == 2
    missing, good, two = json.loads(result.stdout)
    assert set(missing) == {"file", "error"}
    assert "No such file" in missing["error"]
    assert good["checksum"] is not None
    assert (two["members"], two["checksum"]) == (2, None)
    assert "other data follows" in two["trailing"]
    assert json.loads(llmzip("list", "--json", tmp_path).stdout)[0]["error"]


@pytest.mark.parametrize("name", [b"new\nline", b"bad\xff", b"\x1b[31mred", "ümläut".encode()])
def test_names_are_safe_in_json_and_in_the_table(tmp_path: Path, name: bytes) -> None:
    raw = os.fsencode(tmp_path) + b"/" + name
    with open(raw, "wb") as file:  # noqa: PTH123
        file.write(FILE)
    process = start("list", "--json", os.fsdecode(raw), env=environment(LC_ALL="C"))
    out, errors = process.communicate()
    assert (process.returncode, errors) == (0, b"")
    assert out.isascii()
    assert all(byte >= 0x20 or byte == 0x0A for byte in out)
    assert os.fsencode(json.loads(out)[0]["file"]) == raw
    for flag in ((), ("-v",)):
        shown = succeeds(llmzip("list", *flag, os.fsdecode(raw)))
        assert b"\x1b" not in shown
        assert b"\xff" not in shown
        assert shown.count(b"\n") == (12 if flag else 2)


def test_a_level_is_told_from_what_it_writes() -> None:
    assert levels_with(LEVELS[1].options) == (1,)
    assert levels_with(LEVELS[3].options) == (3, 4)
    assert levels_with(LEVELS[8].options) == (7, 8, 9)
    assert levels_with(LEVELS[8].options, is_one_wave=True) == (7, 8, 9)
    assert levels_with(LEVELS[5].options) == (5,)
    assert levels_with(LEVELS[5].options, is_one_wave=True) == (3, 4, 5, 6, 7, 8, 9)
    assert levels_with(LEVELS[5].roomy().with_dictionary(b"xy").options) == (3, 4, 5, 6)
    assert levels_with(Options(chunk_tokens=5)) == ()
    for number, level in LEVELS.items():
        assert number in levels_with(level.options)
