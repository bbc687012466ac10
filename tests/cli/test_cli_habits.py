"""What hands do without thinking, from thirty years of gzip, bzip2, xz and zstd: a line each.

Every habit is a script for a real shell, in a folder with a few files; what it says must hold.
Those that make no sense here are named with the reason, those that need more than a line with the
test that shows them. Habits of the Python module stand in tests/api/test_api_habits.py.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cli_runner import NOISE, environment

SHELL = """
set -eu -o pipefail
status() {  # status N COMMAND...: it ends so; what it says is in the file err
    local wanted=$1 got=0; shift
    "$@" 2>err || got=$?
    [ "$got" = "$wanted" ] || { echo "status $got, not $wanted, of: $*" >&2; cat err >&2; exit 1; }
}
says() { local word; for word; do grep -qF -- "$word" err || { cat err >&2; exit 1; }; done; }
line() { [ "$(wc -l <err)" = 1 ]; says "$@"; }  # one line, with these words
quiet() { [ ! -s err ] || { cat err >&2; exit 1; }; }
no() { ! ls -d "$@" >/dev/null 2>&1 || { echo "is there: $*" >&2; exit 1; }; }
"""

FILES_AND_OPTIONS = {
    "several files, one missing": """
        status 1 llmzip compress a nope b; line nope 'No such file'
        llmzip -dc a.llmz | cmp - a; llmzip -dc b.llmz | cmp - b""",
    "-r": "llmzip -r d; test -f d/c.llmz; test -f d/e/f.llmz; rm d/c; llmzip -dr d; cmp d/c a",
    "-k": "llmzip -k a; test -f a; rm a; llmzip -dk a.llmz; test -f a; test -f a.llmz",
    "--rm of a file": "llmzip --rm a; no a; llmzip -d --rm a.llmz; no a.llmz; cmp a b",
    "--rm of a FIFO": """
        mkfifo p; status 2 llmzip --rm p; line p; test -p p; no p.llmz
        (cat a >p &); status 1 llmzip --rm -o x p; test -p p""",
    "--rm of a file with two names": "ln a other; llmzip --rm a; no a; cmp other b",
    "-c with several files": "llmzip -c a b >x; llmzip -dc x | cmp - <(cat a b)",
    "-o FILE": """
        llmzip -o x a; llmzip -d -o - x | cmp - a
        status 1 llmzip -o y a b; line -o; no y""",
    "-o FOLDER/": """
        mkdir out; llmzip -o out/ a; test -f out/a.llmz; llmzip -fo out a; test -f out/a.llmz
        status 1 llmzip -o none/ a; line none; no none""",
    "--output-dir": "llmzip --output-dir out a d/c; test -f out/a.llmz; test -f out/c.llmz",
    "-f": "echo x >a.llmz; status 1 llmzip a; line exists -f; llmzip -f a; llmzip -dc a.llmz | cmp - a",
    "-d, apart and anywhere": "llmzip a; rm a; llmzip -k -d a.llmz; rm a; llmzip a.llmz -d; cmp a b",
    "-dc, -cd, -dkf in a bundle": """
        llmzip a; llmzip -dc a.llmz | cmp - a; llmzip -cd <a.llmz | cmp - a; llmzip -dkf a.llmz""",
    "-9c, -kfv, -fc in a bundle": "llmzip -9c a >x; llmzip -kfv a 2>err; says a; llmzip -fc a | cmp - a.llmz",
    "levels with -d": "llmzip a; llmzip -9 -dc a.llmz | cmp - a; llmzip -d -1c a.llmz | cmp - a",
    "-- ends options": "cp a ./-d; llmzip -- -d; test -f ./-d.llmz; rm ./-d; llmzip -d -- -d.llmz; cmp ./-d a",
    "-t": "llmzip a; status 0 llmzip -t a.llmz; quiet; llmzip --test <a.llmz; status 1 llmzip -t b; line b",
    "-l": "llmzip a; llmzip -l a.llmz >x; grep -q 3,000 x; llmzip --list a.llmz | cmp - x",
    "list --json": "llmzip a b; llmzip list --json a.llmz b.llmz | python -m json.tool >/dev/null",
    "list of standard input, with -q and -v": """
        llmzip a; cat a.llmz | llmzip list | grep -q 3,000; llmzip -lq a.llmz; llmzip -lv a.llmz""",
    "-T, -T0": "llmzip -T2 a; llmzip -d -T 0 -c a.llmz | cmp - a; llmzip --threads=1 -c a | cmp - a.llmz",
    "-q, -v": "status 0 llmzip -q a; quiet; status 0 llmzip -vf a; line a 3,000",
    "a bare FILE": "llmzip a; test -f a.llmz",
    "options before the command": "llmzip -v compress a 2>err; says a; llmzip -q decompress -c a.llmz | cmp - a",
    "-z --compress --uncompress --fast --best": """
        llmzip -z a; llmzip --compress -f a; llmzip --uncompress -f a.llmz; cmp a b
        llmzip --fast -c a | llmzip --decompress --stdout | cmp - a
        llmzip --best --to-stdout a | llmzip -dc | cmp - a""",
    "-19": "llmzip -19 -c a | cmp - <(llmzip -9c a)",
    "names with a dash in front, and with spaces": """
        cp a ./-x.txt; cp a 'two words'; llmzip compress -- -x.txt 'two words'; test -f 'two words.llmz'""",
    "a line feed in a name": r"""
        cp a $'new\nline'; llmzip -v $'new\nline' 2>err; line 'new\nline'; test -f $'new\nline.llmz'""",
    "a name that is no UTF-8": r"""
        cp a $'bad\xff' || exit 0; status 0 llmzip -v $'bad\xff'; line 'bad'; test -f $'bad\xff.llmz'""",
    "-d without the suffix": "status 1 llmzip -d a; line .llmz -o",
    "a file that has the suffix already": "llmzip a; status 2 llmzip a.llmz; line skipped; llmzip -c a.llmz >x",
    "-S": "llmzip -S .z a; no a.llmz; rm a; llmzip -d -S .z a.z; cmp a b",
    "standard input and output": "cat a | llmzip - b -c >x; llmzip -dc <x | cmp - <(cat a b)",
    "tar -I": """
        tar -I llmzip -cf x.tar.llmz d; tar -I 'llmzip -9' -tf x.tar.llmz | grep -q d/e/f
        rm -r d; tar -I 'llmzip -9' -xf x.tar.llmz; cmp d/c a""",
    "find and xargs": """
        find d -type f -print0 | xargs -0 -P2 -n1 llmzip --rm; test -f d/e/f.llmz
        find d -type f -exec llmzip -d --rm {} +; cmp d/c a""",
    "a part": "llmzip a; llmzip cat --range 10:20 a.llmz | cmp - <(tail -c +11 a | head -c 10)",
    "a link as input": "ln -s a l; llmzip l; llmzip -dc l.llmz | cmp - a; test -L l",
    "a folder": "status 1 llmzip d a; line d -r; test -f a.llmz",
    "a FIFO": "mkfifo p; status 2 llmzip p; line p; (cat a >p &) ; llmzip -c p | llmzip -d | cmp - a",
    "/dev/null as input": "status 2 llmzip /dev/null; line /dev/null; llmzip -c /dev/null | llmzip -d | cmp - /dev/null",
    "/dev/null and /dev/stdout as output": "llmzip -o /dev/null a; test -c /dev/null; llmzip -o /dev/stdout a | llmzip -d | cmp - a",
    "a set-user-ID bit goes": "chmod 4755 a; llmzip a; test ! -u a.llmz; test -x a.llmz",
    "a sticky bit goes": "chmod 1644 a; llmzip a; test ! -k a.llmz",
    "mode and time stay": """
        chmod 640 a; touch -d 2001-02-03T04:05:06 a; llmzip a; [ "$(stat -c %a.%Y a)" = "$(stat -c %a.%Y a.llmz)" ]
        rm a; llmzip -d a.llmz; [ "$(stat -c %a.%Y a)" = "$(stat -c %a.%Y a.llmz)" ]""",
    "an output that is there": "touch a.llmz; status 1 llmzip a; line exists -f; no a.llmz.llmz; test ! -s a.llmz",
    "a link as output": """
        ln -s nowhere a.llmz; status 1 llmzip a; line exists; echo y >goal; ln -sf goal b.llmz
        llmzip -f b; test ! -L b.llmz; grep -q y goal""",
    "an input that is the output": "status 1 sh -c 'llmzip -c a >>a'; line itself; cmp a b; status 1 llmzip -fo a a; cmp a b",
    "a name of 255 bytes": """
        n=$(printf 'n%.0s' $(seq 255)); cp a $n; status 1 llmzip $n; line 'name too long' $n; no .llmzip*
        llmzip -c $n | llmzip -d | cmp - a""",
}

STREAMS_AND_SIGNALS = {
    "-c to a terminal": "status 1 on_terminal llmzip -c a >x; grep -q terminal x; on_terminal llmzip -cf a >x; test -s x",
    "-d from a terminal": """
        status 1 on_terminal llmzip -d >x; [ "$(grep -o 'standard input' x | wc -l)" = 1 ]""",
    "no arguments on a terminal": "on_terminal llmzip >x; grep -q -i usage x",
    "an empty file": "touch n; llmzip n; rm n; llmzip -d n.llmz; test -f n; test ! -s n",
    "-v of an empty file": "touch n; llmzip -v n 2>err; line n; ! grep -q nan err",
    "-d of nothing": "status 1 llmzip -d </dev/null; line empty",
    "files joined": "llmzip a b; cat a.llmz b.llmz >x; llmzip -dc x | cmp - <(cat a b); llmzip -l x | grep -q 6,000",
    "garbage and zeros after the end": """
        llmzip a; (cat a.llmz; echo surplus) >x; status 2 llmzip -dc x >y; line x; cmp y a
        (cat a.llmz; head -c 512 /dev/zero) >x; status 0 llmzip -dc x >y; quiet; cmp y a""",
    "a file cut off": """
        head -c 2500000 /dev/urandom >big; llmzip -c big >x; head -c 2200000 x >y
        status 1 llmzip -dc y >z; line 'y:'; test -s z; cmp -n $(stat -c %s z) z big
        status 1 llmzip -d <y >w; cmp w z""",
    "a file cut off leaves nothing": "llmzip a; head -c 999 a.llmz >x.llmz; status 1 llmzip -d x.llmz; line x.llmz; no x",
    "damage": r"""
        llmzip a; printf '\xff\xff' | dd of=a.llmz bs=1 seek=99 conv=notrunc 2>/dev/null; rm a
        status 1 llmzip -d a.llmz; line a.llmz; no a; status 1 llmzip -l a.llmz; line a.llmz""",
    "something else under that name": "cp a x.llmz; status 1 llmzip -d x.llmz; line 'x.llmz: not a .llmz file'; no x",
    "timeout": """
        mkfifo p; (sleep 30 >p &); status 124 timeout 1 llmzip -o x p; no x .llmzip*""",
    "STOP and CONT": """
        (cat a; sleep 1; cat b) | llmzip >x & sleep .3; kill -STOP %1; sleep .2; kill -CONT %1; wait %1
        llmzip -d <x | cmp - <(cat a b)""",
    "| head -c": r"""
        head -c 2500000 /dev/urandom >big
        (set +o pipefail; llmzip -c big 2>err; echo $? >s) | head -c 9 >x; [ "$(cat s)" = 141 ]; quiet""",
    "list | head -c 0": r"""
        llmzip a; for what in list --help; do
        (sleep .5; llmzip $what a.llmz 2>err; echo $? >s) | head -c 0; [ "$(cat s)" = 141 ]; quiet; done""",
    "/dev/full": """
        llmzip a; for what in 'a -c' '-dc a.llmz' '-l a.llmz' --version --help; do
        status 1 sh -c "llmzip $what >/dev/full"; line 'No space left'; done""",
    "a folder that is not there, or none": """
        status 1 llmzip -o none/x a; line none/x; status 1 llmzip -o b/x a; line b/x""",
    "PYTHONUNBUFFERED": "export PYTHONUNBUFFERED=1; llmzip <a | llmzip -d | cmp - a",
    "standard output closed": """
        status 1 sh -c 'llmzip <a >&-'; line 'standard output'; llmzip a
        for what in '-l a.llmz' --version; do status 1 sh -c "llmzip $what >&-"; line 'standard output'; done""",
    "standard input closed": "status 1 sh -c 'llmzip <&-'; line 'standard input'",
    "standard error closed": "llmzip -v <a 2>&- >x; llmzip -dv <x 2>&- | cmp - a",
    "standard input and error closed": "OMP_DISPLAY_ENV=true llmzip compress a 2>&- <&-; llmzip -dc a.llmz | cmp - a",
    "LANG=C": "export LC_ALL=C PYTHONIOENCODING=ascii; cp a ü; llmzip -v ü 2>err; test -f ü.llmz",
    "NO_COLOR": r"NO_COLOR=1 on_terminal llmzip -vf a >x; ! grep -q $'\x1b\[3[0-9]' x",
    "TERM=dumb": r"TERM=dumb on_terminal llmzip -vf a >x; ! grep -q $'\x1b' x",
    "COLUMNS=20": "COLUMNS=20 llmzip --help >x; test -s x",
    "filters emit as groups finish": r"""
        (head -c 2500000 /dev/urandom; sleep 2; touch late) | llmzip | (head -c 1000000 >x; test ! -e late; cat >/dev/null)""",
    "two processes, one file": """
        head -c 2500000 /dev/urandom >big; s=0; llmzip big 2>e1 & llmzip big 2>e2 || s=$?
        wait %1 || s=$((s + $?)); [ $s = 1 ]; llmzip -dc big.llmz | cmp - big""",
}

HELP_AND_ENVIRONMENT = {
    "--version": "llmzip --version | grep -q '^llmzip [0-9]'; llmzip -V",
    "--help": """
        llmzip --help >x; for word in FILE -1 -9 -d -c 'xit status' standard; do grep -q -e "$word" x; done
        llmzip -h | cmp - x; [ $(wc -l <x) -le 45 ]; llmzip -H >y; [ $(wc -l <y) -gt $(wc -l <x) ]""",
    "-v, -vv and --stats": "llmzip -vf a; llmzip -vvf a; status 0 llmzip --stats -f a; says bytes",
    "exit statuses": "status 0 llmzip a; status 1 llmzip nope; status 2 llmzip a.llmz; status 1 llmzip --nonsense; line --nonsense",
    "defaults in the environment": """
        LLMZIP_LEVEL=1 llmzip -c a | cmp - <(llmzip -1c a); LLMZIP_OPT='-k -v' llmzip a 2>err; says a
        LLMZIP_LEVEL=x status 1 llmzip -c a; line LLMZIP_LEVEL""",
    "nonsense in the environment": """
        LLMZIP_DEVICE=tpu status 1 llmzip -c a; line LLMZIP_DEVICE
        echo some text >t; LLMZIP_MODEL=/none status 1 llmzip -c t; line /none""",
    "python -m llmzip": "python -m llmzip -c a | cmp - <(llmzip -c a)",
}

SHOWN_BY = {
    "-15, -2, -1 half-way": "test_cli_streams.py::test_a_signal_removes_what_is_unfinished",
    "nohup, an ignored signal": "test_cli_streams.py::test_nohup_is_respected",
    "Ctrl-C in the first moments": "test_cli_descriptors.py::test_ctrl_c_while_it_starts_is_quiet",
    "kill -9": "test_cli_temporaries.py::test_random_kills_lose_nothing",
    "a full disk": "test_cli_errors.py::test_full_disk_under_a_file_leaves_nothing",
    "a folder one may not write to, a file one may not read": "test_cli_errors.py::test_no_permission",
    "a model that is not there, and no network": "test_cli_errors.py::test_default_model_without_network",
    "a cache of several users": "../models/test_models_trust.py::test_one_users_cache_serves_others",
    "tar, less, logrotate, git and ssh": "test_cli_recipes.py::test_",
    "man page, completion, file(1)": "test_cli_installed.py::test_",
    "progress on a terminal": "test_cli_progress.py::test_",
    "memory of a long pipe": "test_cli_progress.py::test_",
    "-9 is never larger than -5": "../codec/test_codec_levels.py::test_",
    "help takes no time": "test_cli_streams.py::test_help_version_list_and_refusals_load_nothing_heavy",
}

LEFT_OUT = {
    "tar -xf by itself, tar -caf": "tar has its own table of suffixes; -I llmzip says it",
    "extended attributes": "no compressor keeps them",
    "-O, --output-dir-flat": "zstd's alone, and --output-dir is understood; the message says so",
}


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with llmzip, with python, and with what runs a command on a terminal."""
    folder = tmp_path_factory.mktemp("programs")
    terminal = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
    for name, line in {
        "llmzip": "-m llmzip",
        "python": "",
        "on_terminal": f"-c '{terminal}'",
    }.items():
        path = folder / name
        path.write_text(f'#!/bin/sh\nexec {sys.executable} {line} "$@"\n')
        path.chmod(0o755)
    return folder


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
@pytest.mark.parametrize(
    "script",
    [
        pytest.param(script, id=name)
        for table in (FILES_AND_OPTIONS, STREAMS_AND_SIGNALS, HELP_AND_ENVIRONMENT)
        for name, script in table.items()
    ],
)
def test_a_habit_works(script: str, programs: Path, tmp_path: Path) -> None:
    for name in ("a", "b", "d/c", "d/e/f"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(NOISE)
    path = os.pathsep.join([str(programs), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", SHELL + script],
        cwd=tmp_path,
        env=environment(PATH=path),
        capture_output=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("place", [pytest.param(at, id=name) for name, at in SHOWN_BY.items()])
def test_other_habits_have_a_test(place: str) -> None:
    file, _, name = place.partition("::")
    text = (Path(__file__).parent / file).read_text(encoding="utf-8")
    assert re.search(rf"^def {name}", text, flags=re.MULTILINE)


@pytest.mark.parametrize("reason", [pytest.param(why, id=name) for name, why in LEFT_OUT.items()])
def test_what_is_left_out_has_a_reason(reason: str) -> None:
    assert reason
