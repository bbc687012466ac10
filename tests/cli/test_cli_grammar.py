"""What hands type, and the one form that it is brought into."""

from __future__ import annotations

import shlex
from pathlib import Path

import click
import pytest
from cli_runner import NOISE, fails, llmzip, names_in, succeeds
from hypothesis import given
from hypothesis import strategies as st

from llmzip.cli.grammar import VERB_FLAGS, Call, read
from llmzip.cli.main import llmzip as program
from llmzip.cli.options import OPTIONS
from llmzip.errors import UsageError

COMMANDS = program.commands
OF_MODELS = COMMANDS["models"]
assert isinstance(OF_MODELS, click.Group)


def typed(line: str, defaults: str = "") -> Call:
    return read(shlex.split(line), COMMANDS, defaults)


def form(line: str, defaults: str = "") -> str:
    """Return what click gets for what is typed."""
    return shlex.join(typed(line, defaults).arguments)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        # bare
        ("", "compress --"),
        ("a b", "compress -- a b"),
        ("-", "compress -- -"),
        ("-k a", "compress -k -- a"),
        ("-d a", "decompress -- a"),
        ("a -d", "decompress -- a"),
        # a verb is the first word that is no option, wherever options stand
        ("compress a", "compress -- a"),
        ("-v compress a.txt", "compress -v -- a.txt"),
        ("-q decompress x.llmz", "decompress -q -- x.llmz"),
        ("-o out decompress x", "decompress -o out -- x"),
        ("a compress", "compress -- a compress"),
        ("compress decompress", "compress -- decompress"),
        ("list a b", "list -- a b"),
        ("test a", "test -- a"),
        # or else a file
        ("-z compress", "compress -- compress"),
        ("-d list", "decompress -- list"),
        ("./compress", "compress -- ./compress"),
        ("-- compress", "compress -- compress"),
        ("-- -d", "compress -- -d"),
        ("-d -- -d", "decompress -- -d"),
        ("compress -- -x.txt", "compress -- -x.txt"),
        ("a -- -b -- c", "compress -- a -b -- c"),
        # flags for verbs, of which the last counts
        ("-z a", "compress -- a"),
        ("--compress a", "compress -- a"),
        ("--decompress a", "decompress -- a"),
        ("--uncompress a", "decompress -- a"),
        ("-t a", "test -- a"),
        ("--test a", "test -- a"),
        ("-l a", "list -- a"),
        ("--list a", "list -- a"),
        ("-z -d a", "decompress -- a"),
        ("-d -z a", "compress -- a"),
        ("-d a -t", "test -- a"),
        ("-dt a", "test -- a"),
        ("compress -d a", "decompress -- a"),
        # bundles
        ("-dc a", "decompress -c -- a"),
        ("-cd a", "decompress -c -- a"),
        ("-dkf a", "decompress -k -f -- a"),
        ("-dvf a", "decompress -v -f -- a"),
        ("-9c a", "compress --level=9 -c -- a"),
        ("-kfv a", "compress -k -f -v -- a"),
        ("-tv a", "test -v -- a"),
        ("-vv a", "compress -v -v -- a"),
        ("-dT4 a", "decompress -T 4 -- a"),
        ("-dT 4 a", "decompress -T 4 -- a"),
        ("-T0 a", "compress -T 0 -- a"),
        # values
        ("-o -d a", "compress -o -d -- a"),
        ("-o compress a", "compress -o compress -- a"),
        ("-m list a", "compress -m list -- a"),
        ("-ofile a", "compress -o file -- a"),
        ("-cofile a", "compress -c -o file -- a"),
        ("--output=x a", "compress --output=x -- a"),
        ("--output x a", "compress --output=x -- a"),
        ("--output -- a", "compress --output=-- -- a"),
        ("--output= a", "compress --output= -- a"),
        ("-S .x a", "compress -S .x -- a"),
        ("-dS.x a", "decompress -S .x -- a"),
        ("--suffix=-d a", "compress --suffix=-d -- a"),
        ("-o a=b c", "compress -o a=b -- c"),
        ("--stdout a", "compress --stdout -- a"),
        ("--to-stdout a", "compress --to-stdout -- a"),
        # levels
        ("-1 a", "compress --level=1 -- a"),
        ("-19 a", "compress --level=1 --level=9 -- a"),
        ("--fast a", "compress --level=1 -- a"),
        ("--best a", "compress --level=9 -- a"),
        ("--level 3 a", "compress --level=3 -- a"),
        ("-9 -d a", "decompress -- a"),
        ("-9 test a", "test -- a"),
        ("-9l a", "list -- a"),
        ("--level 7 -d a", "decompress -- a"),
        # what a verb has no use for, but hands add
        ("-tkf a", "test -- a"),
        ("-lk a", "list -- a"),
        ("-lvq a", "list -v -q -- a"),
        ("--json -l", "list --json --"),
        ("-lS.x a", "list -- a"),
        # pages
        ("--help", "--help"),
        ("-h", "--help"),
        ("-H", "--long-help"),
        ("--long-help", "--long-help"),
        ("-k --help", "--help"),
        ("-V", "--version"),
        ("compress --version", "--version"),
        ("compress --help", "compress --help"),
        ("compress a -h", "compress --help"),
        ("compress -H", "compress --help"),
        ("-d --help", "decompress --help"),
        ("-- --help", "compress -- --help"),
        # a group has a grammar of its own
        ("models list", "models list"),
        ("models pull --from -d -- x", "models pull --from -d -- x"),
        ("models --help", "models --help"),
        ("-z models", "compress -- models"),
    ],
)  # fmt: skip
def test_what_is_typed_and_what_it_means(line: str, expected: str) -> None:
    assert form(line) == expected


@pytest.mark.parametrize(
    ("defaults", "line", "expected"),
    [
        ("-9", "a", "compress --level=9 -- a"),
        ("-9", "-1 a", "compress --level=9 --level=1 -- a"),
        ("-9 --verify", "-d a", "decompress -- a"),
        ("--memlimit 2G", "a", "compress -- a"),
        ("--memlimit 2G", "-d a", "decompress --memlimit=2G -- a"),
        ("-qT2", "-t a", "test -q -T 2 -- a"),
        ("-o 'a b'", "c", "compress -o 'a b' -- c"),
        ("-9 -v", "models list", "models list"),
        ("", "a", "compress -- a"),
    ],
)
def test_options_of_the_environment_come_first_where_the_verb_has_them(
    defaults: str, line: str, expected: str
) -> None:
    assert form(line, defaults) == expected


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--no-such-option a", ["--no-such-option", "--long-help"]),
        ("--thread 3 a", ["--thread", "did you mean --threads?"]),
        ("-x a", ["-x", "--long-help"]),
        ("-dx a", ["-x"]),
        ("-F xz a", ["-F", "leave it out"]),
        ("--format=xz a", ["--format", "leave it out"]),
        ("-e a", ["-e", "-9"]),
        ("-D words a", ["-D", "--dict FILE"]),
        ("--verify -d a", ["--verify is for compress, not for decompress", "leave it out"]),
        ("-d --float a", ["--float", "compress"]),
        ("--recover a", ["--recover is for decompress, not for compress"]),
        ("test --rm a", ["--rm is for compress, decompress, not for test"]),
        ("-to out a", ["-o is for compress, decompress, explain, train, not for test"]),
        ("a -o", ["-o asks for a value"]),
        ("a --output", ["--output asks for a value"]),
        ("--force=yes a", ["--force takes no value", "=yes"]),
        ("--decompress=yes a", ["--decompress takes no value"]),
        ("--best=9 a", ["--best takes no value"]),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_to_do(line: str, words: list[str]) -> None:
    with pytest.raises(UsageError) as error:
        typed(line)
    for word in words:
        assert word in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("defaults", "word"),
    [("a", "'a' is none"), ("--", "'--' is none"), ("-d", "-d says what to do"), ("-", "'-'"),
     ("'", "No closing quotation"), ("--nosuch", "--nosuch"), ("-o", "-o asks")],
)  # fmt: skip
def test_the_environment_holds_nothing_but_options(defaults: str, word: str) -> None:
    with pytest.raises(UsageError) as error:
        typed("a", defaults)
    assert str(error.value).startswith("LLMZIP_OPT: ")
    assert word in str(error.value)


NAMES = st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))


@given(NAMES, st.sampled_from(["", "-d", "-tv", "-9", "compress", "-o x", "list"]))
def test_files_after_two_dashes_come_through_untouched(names: list[str], before: str) -> None:
    call = read([*shlex.split(before), "--", *names], COMMANDS)
    end = call.arguments.index("--")
    assert list(call.arguments[end + 1 :]) == names


OWN = {
    "compress": ["-k", "-c", "-fv", "--rm", "-9", "--best", "-o out", "--output=-d", "-T 4"],
    "decompress": ["-k", "-c", "-fv", "--rm", "-9", "-S.x", "-m list", "--memlimit 1G", "-T4"],
    "test": ["-k", "-v", "-q", "-9", "--allow-hub", "--dict test", "--max-output=3"],
}


@given(st.data())
def test_options_before_and_after_the_verb_and_files_are_the_same(data: st.DataObject) -> None:
    verb = data.draw(st.sampled_from(sorted(OWN)))
    options = data.draw(st.lists(st.sampled_from(OWN[verb]), max_size=5))
    files = data.draw(st.lists(st.sampled_from(["a", "b.llmz", "-", "./compress"]), max_size=3))
    words = [shlex.split(option) for option in options]
    places = data.draw(st.lists(st.integers(0, len(files) + 1), min_size=len(words), max_size=20))
    moved: list[str] = []
    for place, word in enumerate([verb, *files, None]):
        for own, option in zip(sorted(places[: len(words)]), words, strict=True):
            if own == place:
                moved += option
        moved += [] if word is None else [word]
    expected = read([verb, *(part for word in words for part in word), *files], COMMANDS)
    assert read(moved, COMMANDS) == expected


@given(st.permutations(sorted(VERB_FLAGS)), NAMES)
def test_of_flags_for_verbs_the_last_counts(flags: list[str], names: list[str]) -> None:
    call = read([*flags, "--", *names], COMMANDS)
    assert call.verb == VERB_FLAGS[flags[-1]]
    assert call.arguments == (call.verb, "--", *names)


def test_a_name_means_the_same_for_every_verb() -> None:
    """So the options in front of a verb can be read before it is known."""
    kinds: dict[str, set[bool]] = {}
    for command in COMMANDS.values():
        for option in command.params:
            if isinstance(option, click.Option) and not isinstance(command, click.Group):
                for name in option.opts:
                    kinds.setdefault(name, set()).add(option.is_flag or option.count)
    assert all(len(kind) == 1 for kind in kinds.values())
    assert not set(kinds) & set(VERB_FLAGS)


def test_every_option_belongs_to_a_verb_and_says_what_it_does() -> None:
    for option in OPTIONS:
        assert set(option.verbs) <= set(COMMANDS)
        assert option.verbs
        assert option.help
        assert not option.hidden


# In a process of its own.


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    (tmp_path / "noise").write_bytes(NOISE)
    return tmp_path


def test_bare_forms_in_a_folder(noise: Path) -> None:
    succeeds(llmzip("noise", cwd=noise))
    assert names_in(noise) == ["noise", "noise.llmz"]
    assert succeeds(llmzip("-dc", "noise.llmz", cwd=noise)) == NOISE
    assert succeeds(llmzip("-cd", "noise.llmz", cwd=noise)) == NOISE
    succeeds(llmzip("-dkf", "noise.llmz", cwd=noise))
    succeeds(llmzip("-t", "noise.llmz", cwd=noise))
    succeeds(llmzip("-q", "decompress", "-f", "noise.llmz", "--rm", cwd=noise))
    assert names_in(noise) == ["noise"]
    assert b"3,000" in llmzip("-v", "compress", "noise", cwd=noise).stderr
    assert b"3,000" in succeeds(llmzip("-l", "noise.llmz", cwd=noise))


@pytest.mark.parametrize("name", ["-d", "compress", "list", "--help", "-", "two words"])
def test_files_that_are_named_like_something_else(noise: Path, name: str) -> None:
    (noise / "noise").rename(noise / name)
    word = "./-" if name == "-" else name
    succeeds(llmzip("--rm", "--", word, cwd=noise))
    assert names_in(noise) == [f"{name}.llmz"]
    succeeds(llmzip("-d", "--rm", "--", f"{name}.llmz", cwd=noise))
    assert names_in(noise) == [name]


def test_a_suffix_of_ones_own(noise: Path) -> None:
    succeeds(llmzip("-S", ".lz", "--rm", "noise", cwd=noise))
    assert names_in(noise) == ["noise.lz"]
    fails(llmzip("-S", ".lz", "noise.lz", cwd=noise), "has the suffix .lz already", status=2)
    fails(llmzip("-d", "noise.lz", cwd=noise), "no .llmz to take off")
    succeeds(llmzip("-dS.lz", "--rm", "noise.lz", cwd=noise))
    assert names_in(noise) == ["noise"]
    succeeds(llmzip("--rm", "noise", cwd=noise))
    succeeds(llmzip("-dS.lz", "--rm", "noise.llmz", cwd=noise))
    assert names_in(noise) == ["noise"]
    for wrong in ("", "a/b", "/"):
        fails(llmzip("-S", wrong, "noise", cwd=noise), "no suffix", "--suffix")
    assert names_in(noise) == ["noise"]


def test_threads_zero_is_one_a_core_and_changes_no_byte(noise: Path) -> None:
    plain = succeeds(llmzip("-c", "noise", cwd=noise))
    assert succeeds(llmzip("-T0", "-c", "noise", cwd=noise)) == plain
    assert succeeds(llmzip("-cT1", "noise", cwd=noise)) == plain
    fails(llmzip("-T-1", "noise", cwd=noise), "--threads")


def test_a_level_from_the_environment(noise: Path) -> None:
    fast = succeeds(llmzip("-1c", "noise", cwd=noise))
    assert succeeds(llmzip("-c", "noise", cwd=noise, env={"LLMZIP_LEVEL": "1"})) == fast
    assert succeeds(llmzip("-c", "noise", cwd=noise, env={"LLMZIP_OPT": "-9 -1"})) == fast
    best = succeeds(llmzip("-c9", "noise", cwd=noise))
    assert best != fast
    assert succeeds(llmzip("-c9", "noise", cwd=noise, env={"LLMZIP_LEVEL": "1"})) == best
    assert succeeds(llmzip("-c", "noise", cwd=noise, env={"LLMZIP_LEVEL": ""})) == succeeds(
        llmzip("-c5", "noise", cwd=noise)
    )
    for wrong in ("0", "10", "best", "-1"):
        result = llmzip("-c", "noise", cwd=noise, env={"LLMZIP_LEVEL": wrong})
        fails(result, "LLMZIP_LEVEL", wrong, "1 is fast, 9 is small")
        succeeds(llmzip("-d", input=best, env={"LLMZIP_LEVEL": wrong}))


def test_options_from_the_environment(noise: Path) -> None:
    env = {"LLMZIP_OPT": "--rm -S '.l z'"}
    succeeds(llmzip("noise", cwd=noise, env=env))
    assert names_in(noise) == ["noise.l z"]
    succeeds(llmzip("-d", "noise.l z", cwd=noise, env=env))
    assert names_in(noise) == ["noise"]
    fails(llmzip("noise", cwd=noise, env={"LLMZIP_OPT": "--nosuch"}), "LLMZIP_OPT", "--nosuch")
    assert b"NAME" in succeeds(llmzip("models", "list", env={"LLMZIP_OPT": "-v"}))


def test_what_is_nearly_a_command_is_no_file(noise: Path) -> None:
    fails(llmzip("decompres", "noise", cwd=noise), "decompres", "did you mean decompress?")
    fails(llmzip("tset", "noise", cwd=noise), "tset: No such file or directory")
    (noise / "lists").write_bytes(NOISE)
    succeeds(llmzip("lists", cwd=noise))


def test_help_fits_on_a_screen_and_says_all_of_it_where_asked() -> None:
    page = succeeds(llmzip("--help")).decode()
    lines = page.splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 80
    for word in (
        "llmzip -d",
        "-1 ... -9",
        "Exit status: 0 done; 1 an error; 2 done",
        "--long-help",
    ):
        assert word in page
    assert succeeds(llmzip("-h")).decode() == page
    everything = succeeds(llmzip("-H")).decode()
    assert succeeds(llmzip("--long-help")).decode() == everything
    assert max(map(len, everything.splitlines())) <= 80
    for option in OPTIONS:
        assert all(name in everything for name in option.opts if name.startswith("--"))
    for name in ("LLMZIP_OPT", "LLMZIP_LEVEL", "LLMZIP_MODEL", "LLMZIP_DEVICE", "LLMZIP_HOME"):
        assert name in everything
    assert b"--chunk-tokens" in succeeds(llmzip("compress", "--help"))
    assert b"--recover" in succeeds(llmzip("-d", "--help"))


def test_tar_gives_its_filter_a_level_both_ways(noise: Path) -> None:
    packed = succeeds(llmzip("-9", input=NOISE))
    assert succeeds(llmzip("-9", "-d", input=packed)) == NOISE


@pytest.mark.parametrize("command", [*COMMANDS, *(f"models {one}" for one in OF_MODELS.commands)])
def test_help_of_each_command_has_an_example(command: str) -> None:
    shown = " ".join(succeeds(llmzip(*command.split(), "--help")).decode().split())
    assert f"For example `llmzip {command}" in shown
