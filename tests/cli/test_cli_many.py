"""Many files: folders, lists, output folders. Nothing here needs a model."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from cli_runner import NOISE, environment, fails, for_shells, llmzip, names_in, start, succeeds


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder `src` with files at three depths, in a folder of its own."""
    for number, name in enumerate(("a", "b/c", "b/d/e", "b/d/two words")):
        path = tmp_path / "src" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(NOISE[number:])
    return tmp_path


def files_in(folder: Path) -> list[str]:
    """Return what files there are below `folder`, as paths from there."""
    paths = sorted(path for path in folder.rglob("*") if not path.is_dir())
    return [str(path.relative_to(folder)) for path in paths]


def shell(script: str, cwd: Path) -> subprocess.CompletedProcess[bytes]:
    """Run a script in which $LLMZIP is the command."""
    script = script.replace("$LLMZIP", for_shells())
    command = ["/bin/bash", "-o", "pipefail", "-c", script]
    return subprocess.run(command, capture_output=True, env=environment(), cwd=cwd, check=False)


def test_a_folder_there_and_back(tree: Path) -> None:
    before = {name: (tree / "src" / name).read_bytes() for name in files_in(tree / "src")}
    succeeds(llmzip("-r", "--rm", "src", cwd=tree))
    assert files_in(tree / "src") == sorted(f"{name}.llmz" for name in before)
    succeeds(llmzip("-tr", "src", cwd=tree))
    succeeds(llmzip("-dr", "--rm", "src", cwd=tree))
    assert {name: (tree / "src" / name).read_bytes() for name in files_in(tree / "src")} == before


def test_a_folder_without_being_asked_for_is_refused_and_the_rest_done(tree: Path) -> None:
    shutil.copy(tree / "src" / "a", tree / "z")
    fails(llmzip("src", "z", cwd=tree), "src is a folder; use -r")
    assert names_in(tree) == ["src", "z", "z.llmz"]
    assert files_in(tree / "src") == ["a", "b/c", "b/d/e", "b/d/two words"]


def test_again_nothing_is_compressed_twice_and_of_other_files_nothing_is_decompressed(
    tree: Path,
) -> None:
    succeeds(llmzip("-r", "src/b", cwd=tree))
    once = files_in(tree / "src")
    succeeds(llmzip("-rf", "src/b", cwd=tree))
    assert files_in(tree / "src") == once
    succeeds(llmzip("-drf", "src", cwd=tree))
    assert files_in(tree / "src") == once
    succeeds(llmzip("-rfS", ".z", "src/b/d", cwd=tree))
    assert [name for name in files_in(tree / "src") if ".z" in name] == [
        "b/d/e.z", "b/d/two words.z",
    ]  # fmt: skip


def test_links_are_not_followed_and_what_is_no_file_is_skipped_with_a_word(tree: Path) -> None:
    (tree / "outside").write_bytes(NOISE)
    (tree / "src" / "link").symlink_to(tree / "outside")
    (tree / "src" / "round").symlink_to(tree / "src")
    succeeds(llmzip("-r", "src", cwd=tree))
    assert [name for name in files_in(tree / "src") if name.startswith(("link", "round"))] == [
        "link"
    ]
    assert not list((tree / "src").glob("*.llmz.llmz"))
    assert names_in(tree) == ["outside", "src"]
    os.mkfifo(tree / "src" / "pipe")
    fails(llmzip("-rf", "src", cwd=tree), "src/pipe is a named pipe", "skipped", status=2)
    said = llmzip("-rfv", "src", cwd=tree).stderr.decode()
    assert "src/link is a link; not followed" in said
    assert "src/round is a link; not followed" in said


def test_a_link_to_a_folder_that_is_named_is_gone_into(tree: Path) -> None:
    (tree / "link").symlink_to("src")
    succeeds(llmzip("-r", "link", cwd=tree))
    assert len(files_in(tree / "src")) == 8


def test_of_a_folder_the_good_files_are_done(tree: Path) -> None:
    (tree / "src" / "b" / "c.llmz").write_bytes(b"in the way")
    result = llmzip("-r", "nosuch", "src", cwd=tree)
    assert result.returncode == 1
    lines = result.stderr.decode().splitlines()
    assert "nosuch: No such file or directory" in lines[0]
    assert "src/b/c.llmz exists" in lines[1]
    assert len(lines) == 2
    assert len(files_in(tree / "src")) == 8


def test_a_deep_folder_is_no_problem(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d"] * 300)
    deep.mkdir(parents=True)
    (deep / "x").touch()  # kernels for what it holds would need more of a stack than that
    code = "import sys; from llmzip.cli import main; sys.setrecursionlimit(200); main(['-r', 'd'])"
    assert start(code=code, cwd=tmp_path).communicate() == (b"", b"")
    assert (deep / "x.llmz").exists()


def test_into_a_folder_with_each_file_in_its_place(tree: Path) -> None:
    (tree / "one").write_bytes(NOISE)
    succeeds(llmzip("-r", "src", "one", "--output-dir", "new/out", cwd=tree))
    expected = ["a.llmz", "b/c.llmz", "b/d/e.llmz", "b/d/two words.llmz", "one.llmz"]
    assert files_in(tree / "new" / "out") == expected
    succeeds(llmzip("-dr", "new/out", "-o", "back/", cwd=tree))
    assert files_in(tree / "back") == [name.removesuffix(".llmz") for name in expected]
    assert (tree / "back" / "b" / "c").read_bytes() == (tree / "src" / "b" / "c").read_bytes()


def test_a_slash_at_the_end_and_a_folder_that_is_there_are_gone_into(tree: Path) -> None:
    for output in ("new/", "there", "there/", "./"):
        (tree / "there").mkdir(exist_ok=True)
        succeeds(llmzip("src/a", "src/b/c", "-f", "-o", output, cwd=tree))
        assert {"a.llmz", "c.llmz"} <= set(names_in(tree / output))
    assert (tree / "new").is_dir()
    for output in ("src/a", "src/a/"):
        fails(llmzip("src/b/c", "--output-dir", output, cwd=tree), "src/a is a file", "folder")
    fails(llmzip("src/b/c", "-o", "src/a/", cwd=tree), "src/a is a file", "folder")
    fails(llmzip("-", "-o", "there/", cwd=tree), "standard input", "name a file with -o")


def test_what_output_would_become_one_file_is_refused_before_the_work(tree: Path) -> None:
    (tree / "a").write_bytes(NOISE)
    fails(llmzip("a", "src/a", "--output-dir", "out", cwd=tree), "a and src/a", "out/a.llmz")
    fails(llmzip("-r", "src", "src/b", "a", "-o", "out/", cwd=tree), "src/a and a", "out/a.llmz")
    assert names_in(tree) == ["a", "src"]
    succeeds(llmzip("a", cwd=tree))
    shutil.copy(tree / "a.llmz", tree / "a.z")
    fails(llmzip("-dfS.z", "a.llmz", "a.z", cwd=tree), "a.llmz and a.z", "both become a")
    fails(llmzip("a", "src/a", "-o", "out", cwd=tree), "-o", "--output-dir")
    fails(llmzip("-r", "src", "-o", "out", cwd=tree), "-o", "--output-dir")
    fails(llmzip("a", "--output-dir", "out", "-c", cwd=tree), "--output-dir", "-c")
    fails(llmzip("a", "--output-dir", "out", "-o", "x", cwd=tree), "--output-dir", "-o")


def test_a_folder_is_not_made_for_nothing(tree: Path) -> None:
    (tree / "bad.llmz").write_bytes(NOISE)
    fails(llmzip("-d", "bad.llmz", "--output-dir", "new/out", cwd=tree), "not a .llmz file")
    result = llmzip("compress", "-m", "nosuchmodel", __file__, "-o", "new/out/", cwd=tree)
    fails(result, "nosuchmodel")
    assert names_in(tree) == ["bad.llmz", "src"]


def test_names_from_lists(tree: Path) -> None:
    whole = succeeds(llmzip("-c", "src/a", "src/b/c", "src/b/d/two words", cwd=tree))
    (tree / "list").write_bytes(b"src/b/c\n\nsrc/b/d/two words")
    for script in (
        "$LLMZIP -c src/a --files-from list",
        "cat list | $LLMZIP -c src/a --files-from -",
        "printf 'src/b/c\\0src/b/d/two words\\0' | $LLMZIP -c src/a --files-from0 -",
        "find src -name c -print0 -o -name 't*' -print0 | sort -z > l0; "
        "$LLMZIP -c --files-from0=l0 src/a",
    ):
        result = shell(script, tree)
        assert (result.returncode, result.stderr, result.stdout == whole) == (0, b"", True)
    assert shell("$LLMZIP --files-from /dev/null < src/a", tree).stdout == b""
    fails(llmzip("--files-from", "nosuch", cwd=tree), "nosuch: No such file or directory")
    fails(llmzip("-c", "-", "--files-from", "-", cwd=tree), "standard input", "once")


def test_a_name_in_a_list_is_a_file_whatever_it_looks_like(tree: Path) -> None:
    names = ["-d", "-", "decompress", "new\nline"]
    for name in names:
        (tree / name).write_bytes(NOISE)
    (tree / "list").write_bytes(b"".join(os.fsencode(name) + b"\0" for name in names))
    succeeds(llmzip("--rm", "--files-from0", "list", cwd=tree))
    assert names_in(tree) == sorted(["list", "src", *(f"{name}.llmz" for name in names)])


@pytest.mark.parametrize(
    ("patterns", "left"),
    [
        (["c"], ["a", "b/d/e", "b/d/two words"]),
        (["b"], ["a"]),
        (["b/"], ["a"]),
        (["b/d"], ["a", "b/c"]),
        (["* *", "[ab]"], []),
        (["*/e", "c"], ["a", "b/d/two words"]),
        (["src"], []),
        (["SRC", "d/*"], ["a", "b/c", "b/d/e", "b/d/two words"]),
    ],
)
def test_what_is_excluded_is_left_out(tree: Path, patterns: list[str], left: list[str]) -> None:
    words = [word for pattern in patterns for word in ("--exclude", pattern)]
    succeeds(llmzip("-r", "--rm", "src", "--output-dir", "out", *words, cwd=tree))
    assert files_in(tree / "out") == [f"{name}.llmz" for name in left]
    succeeds(llmzip("src/a", "--exclude", "a", cwd=tree))
    assert not (tree / "src" / "a.llmz").exists()


def test_what_other_runs_have_not_finished_is_no_file_of_a_folder(tree: Path) -> None:
    (tree / "src" / ".a.llmz.partial").write_bytes(b"begun")
    (tree / "src" / ".llmzip-0123456789abcdef.tmp").write_bytes(b"begun")
    result = llmzip("-r", "src", "--output-dir", "out", cwd=tree)
    assert result.returncode == 0
    (tree / "src" / ".llmzip-0123456789abcdef.tmp").write_bytes(b"begun")
    succeeds(llmzip("-r", "src", cwd=tree))
    assert not (tree / "src" / ".a.llmz.partial.llmz").exists()
    assert not list(tree.rglob("*.tmp.llmz"))


def test_a_total_of_several_files_for_those_who_ask(tree: Path) -> None:
    said = llmzip("-rv", "src", cwd=tree).stderr.decode().splitlines()
    assert len(said) == 5
    assert said[-1].startswith("llmzip: 4 files compressed : 100.")
    assert said[-1].endswith("% (12.0 kB => 12.0 kB)")
    said = llmzip("-drvf", "src", cwd=tree).stderr.decode().splitlines()
    assert said[-1].startswith("llmzip: 4 files decompressed : 100.")
    assert b"4 files tested" in llmzip("-trv", "src", cwd=tree).stderr
    assert succeeds(llmzip("-rf", "src", cwd=tree)) == b""
    assert b"files" not in llmzip("-fv", "src/a", cwd=tree).stderr


# Small things, once wrong.


def test_nothing_is_said_of_the_bits_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for arguments in (["-v", "empty"], ["-dvf", "empty.llmz"], ["--stats", "-f", "empty"]):
        result = llmzip(*arguments, cwd=tmp_path)
        assert result.returncode == 0
        assert result.stderr
        assert b"nan" not in result.stderr


def test_names_are_shown_as_they_are_with_what_cannot_be_seen_escaped(tmp_path: Path) -> None:
    name = os.fsencode("two  spaces\nline\ttab\x1b[31m") + b"\xff "
    result = llmzip(os.fsdecode(name), cwd=tmp_path)
    fails(result, r"two  spaces\nline\ttab\x1b[31m\xff : No such file or directory")


@pytest.mark.parametrize(
    "arguments", ["list x.llmz", "--help", "-H", "compress --help", "--version", "models list"]
)
def test_without_a_reader_every_command_ends_as_cat_does(tmp_path: Path, arguments: str) -> None:
    (tmp_path / "x.llmz").write_bytes(succeeds(llmzip(input=NOISE)))
    result = shell(f"(sleep 0.2; $LLMZIP {arguments}) | head -c 0", tmp_path)
    assert (result.returncode, result.stderr) == (141, b"")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("$LLMZIP noise -o /dev/stdout >&-", "standard output: is closed"),
        ("$LLMZIP noise -o /dev/fd/1 >&-", "standard output: is closed"),
        ("$LLMZIP noise -o - >&-", "standard output: is closed"),
        ("$LLMZIP noise -o /dev/stdin < noise", "/dev/stdin: Bad file descriptor"),
        ("$LLMZIP noise -o /dev/fd/9 9>&-", "/dev/fd/9: Bad file descriptor"),
        ("$LLMZIP -c /dev/fd/9 9>&-", "/dev/fd/9: No such file or directory"),
    ],
)
def test_a_stream_that_cannot_be_used_is_named(tmp_path: Path, script: str, words: str) -> None:
    (tmp_path / "noise").write_bytes(NOISE)
    text = fails(shell(script, tmp_path), words)
    assert text.count("standard") <= 1


def test_standard_input_is_named_once(tmp_path: Path) -> None:
    for data in (b"", b"no such file", succeeds(llmzip(input=NOISE))[:-1]):
        assert llmzip("-d", input=data).stderr.count(b"standard input") == 1


def test_what_the_documents_say_of_many_files_works_as_it_stands_there(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "CLI.md").read_text(encoding="utf-8")
    block = page.partition("## Many files\n\n")[2].partition("\n\n")[0]
    lines = [line.strip() for line in block.splitlines()]
    assert len(lines) == 5
    for name in ("notes/a", "notes/b/c", ".git/x", "y.png", "old.log"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(NOISE)
    os.utime(tmp_path / "old.log", (0, 0))
    made = []
    for line in lines:
        before = files_in(tmp_path)
        script = f'llmzip() {{ {for_shells()} "$@"; }}\n{line}'.replace("$LLMZIP", "llmzip")
        result = shell(script, tmp_path)
        assert (result.returncode, result.stdout, result.stderr) == (0, b"", b""), line
        made.append(sorted(set(files_in(tmp_path)) ^ set(before)))
        shell("find . -name '*.llmz' ! -path './packed/*' -delete", tmp_path)
    assert made == [
        ["notes/a.llmz", "notes/b/c.llmz"],
        ["packed/a.llmz", "packed/b/c.llmz"],
        ["back/a", "back/b/c"],
        ["back/a.llmz", "back/b/c.llmz", "notes/a.llmz", "notes/b/c.llmz", "old.log.llmz"],
        ["old.log", "old.log.llmz"],
    ]
