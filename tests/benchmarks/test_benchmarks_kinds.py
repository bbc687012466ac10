"""benchmarks/kinds.py and gather_kinds.py: every row comes back, samples are the same each time."""

from __future__ import annotations

import io
import json
import sys
import tarfile
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import gather_kinds  # noqa: E402
import kinds  # noqa: E402
from wrappings import wrapped  # noqa: E402

TEXT = b"Alice was beginning to get very tired of sitting by her sister on the bank. " * 20


def test_prefixes_and_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, out, table = tmp_path / "text", tmp_path / "out.json", tmp_path / "out.md"
    text.write_bytes(TEXT)
    options = ["--classical-only", "--sizes", "300,9999999"]
    assert kinds.main([str(text), *options, "--json", str(out), "--markdown", str(table)]) == 0
    short, whole = json.loads(out.read_text(encoding="utf-8"))["results"]
    assert (short["n_bytes"], whole["n_bytes"]) == (300, len(TEXT))
    assert set(kinds.BEST_OF) | {"llmzip"} <= set(whole["sizes"])
    printed = table.read_text(encoding="utf-8").rstrip("\n").splitlines()[:-1]
    assert capsys.readouterr().out.splitlines()[: len(printed)] == printed
    assert kinds.main(["--with", str(out), "--classical-only"]) == 0
    assert capsys.readouterr().out.splitlines()[: len(printed)] == printed


def test_with_a_model(tmp_path: Path, tiny_llama_folder: Path) -> None:
    text = tmp_path / "text"
    text.write_bytes(TEXT)
    assert kinds.main([str(text), "--model", str(tiny_llama_folder), "--device", "cpu"]) == 0


def test_the_same_text_in_other_encodings(tmp_path: Path) -> None:
    text, out = tmp_path / "text", tmp_path / "out.json"
    text.write_text("naïve café → a € and a 山, in a few words " * 20, encoding="utf-8")
    options = ["--classical-only", "--encodings", "utf-16-le,cp1252", "--json", str(out)]
    assert kinds.main([str(text), *options]) == 0
    utf_8, wide, single = json.loads(out.read_text(encoding="utf-8"))["results"]
    assert [one["name"] for one in (utf_8, wide, single)] == [
        "text",
        "text in utf-16-le",
        "text in cp1252",
    ]
    assert wide["n_bytes"] == 2 * single["n_bytes"]
    assert utf_8["n_bytes"] == single["n_bytes"] + 20 * 4
    with pytest.raises(SystemExit):
        kinds.main([str(text), "--encodings", "utf-17"])


def test_the_best_of_the_others() -> None:
    sizes = {"gzip -9": 50, "xz -9e": 40, "ppmd -o12": 10, "llmzip": 20}
    result = kinds.KindResult("x", 100, sizes, 1.0, 1.0)
    assert result.best == ("xz -9e", 40)
    assert "50.0% of xz" in kinds.one_line(result)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert kinds.main([str(tmp_path / "empty"), "--classical-only"]) == 1


def test_samples_are_the_same_each_time_and_hold_nothing_twice(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for i in range(12):
        (source / f"{i}.md").write_bytes(b"# %d\n" % i * 40)
        (source / f"again-{i}.md").write_bytes(b"# %d\n" % i * 40)
    (source / "records.json").write_text(json.dumps([{"n": i} for i in range(30)]))
    options = [
        "--bytes",
        "2000",
        *(f"--from={kind}={source}" for kind in ("markdown", "jsonl", "tar")),
    ]
    for out in ("one", "two"):
        assert (
            gather_kinds.main([str(tmp_path / out), "--only", "markdown,jsonl,tar", *options]) == 0
        )
    for kind in ("markdown", "jsonl", "tar"):
        sample = (tmp_path / "one" / kind).read_bytes()
        assert sample == (tmp_path / "two" / kind).read_bytes()
        assert 0 < len(sample) <= 2000
    lines = (tmp_path / "one" / "markdown").read_bytes().splitlines()
    assert max(lines.count(line) for line in set(lines)) <= 40
    assert json.loads((tmp_path / "one" / "jsonl").read_bytes().splitlines()[1]) == {"n": 1}


def test_wrappings_hold_the_text_that_is_measured_beside_them() -> None:
    text = b"".join(b"line %d of a text\n" % n for n in range(4000))
    rows = dict(wrapped(text))
    assert rows == dict(wrapped(text))
    for name, data in rows.items():
        if "in a tar" in name:
            with tarfile.open(fileobj=io.BytesIO(data)) as tar:
                files = [tar.extractfile(member) for member in tar]
                parts = [file.read() for file in files if file is not None]
            assert b"".join(parts) == rows[name.split(", in a tar")[0] + ", joined"]
