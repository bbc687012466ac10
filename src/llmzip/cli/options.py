"""The options of the verbs that deal with files: each is declared once, here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import click

from llmzip.cli.files import STDIO, as_file
from llmzip.cli.messages import Messages
from llmzip.cli.ranges import byte_range, line_range
from llmzip.cli.settings import Settings
from llmzip.cli.sizes import size
from llmzip.cli.suffixes import SUFFIX, suffix
from llmzip.compressor import DEFAULT_LEVEL
from llmzip.models import notice
from llmzip.models.catalog import DEFAULT_MODEL
from llmzip.processors import usable_processors
from llmzip.sampler import DEFAULT_TOKENS, DEFAULT_TOP_K, MOST_SEED, MOST_TOP_K
from llmzip.training.limits import AUTO, DEFAULT_MINUTES, DEFAULT_RANK, MOST_RANK, SIZES

_COMPRESS, _DECOMPRESS, _LIST = ("compress",), ("decompress",), ("list",)
_DOCTOR, _BENCH, _TRAIN = ("doctor",), ("bench",), ("train",)
_WRITING = ("compress", "decompress")
_TELLING = ("compress", "decompress", "test")
_CAT, _SCORE, _EXPLAIN = ("cat",), ("score",), ("explain",)
_PREDICTING = ("compress", "score", "explain", *_BENCH)
_DECODING = ("decompress", "test", "cat")
_SEARCHING = ("compress", "decompress", "test", "list", "score")
_SIFTING = (*_SEARCHING, "train")
_ALL = ("compress", "decompress", "test", "cat")
_SAMPLE, _SAMPLING = ("sample",), ("sample", "unsample")
_RUNNING = (*_ALL, *_SAMPLING, "score", "explain")
_COMPUTING = (*_RUNNING, *_BENCH, *_TRAIN)


class Option(click.Option):
    """An option, and which verbs take it.

    common: the page that `llmzip --help` shows has it, too, with the first sentence of its help.
    harmless: hands add it whatever the verb; one that has no use for it takes no notice.
    may_follow: of an option that may stand without a value, what the next word must be to be
        taken for one; flag_value stands for it else.
    """

    def __init__(
        self,
        verbs: tuple[str, ...],
        *names: str,
        common: bool = False,
        harmless: bool = False,
        may_follow: str = "",
        **how: Any,
    ) -> None:
        super().__init__(names, **how)
        self.may_follow = re.compile(may_follow) if may_follow else None
        self.verbs = verbs
        self.common = common
        self.harmless = harmless


class FileName(click.Path):
    """A path, or STDIO: which only the word `-` is, not `./-`."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, allow_dash=True, readable=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path. Raises click.BadParameter for an empty word, which would be `.`."""
        if value == "":
            self.fail("an empty word names no file", param, ctx)
        return as_file(Path(value)) if value not in ("-", STDIO) else STDIO


class OutputName(FileName):
    """A path as it was typed, as a text: with a slash at its end it is that of a folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return it. Raises click.BadParameter for an empty word."""
        super().convert(value, param, ctx)
        return str(value)


def _level(text: str | int) -> int:
    """Return the level that `text` says. Raises click.BadParameter."""
    if str(text) not in set("123456789"):
        raise click.BadParameter(f"{str(text)!r} is no level: 1 is fast, 9 is small")
    return int(text)


def _levels(text: str) -> tuple[int, ...]:
    """Return the levels that stand between commas, each once. Raises click.BadParameter."""
    return tuple(dict.fromkeys(_level(part) for part in text.split(",")))


def _threads(_context: click.Context, _option: click.Parameter, number: int | None) -> int | None:
    """Return how many threads to use; 0 stands for one on each core that this process may use."""
    if number != 0:
        return number
    return usable_processors()


OPTIONS = (
    Option(
        _PREDICTING, "--level", type=_level, metavar="1-9", default=DEFAULT_LEVEL, harmless=True,
        envvar="LLMZIP_LEVEL", show_envvar=True, show_default=True,
        help="1 is fast, 9 small whatever it takes; -1 to -9, --fast and --best say the same.",
    ),
    Option(
        _SEARCHING, "-r", "--recursive", is_flag=True,
        common=True,
        help="Take the files in folders. Links are not followed; of compressed files only those "
        "with the suffix are decompressed or listed, and none is compressed or scored.",
    ),
    Option(
        _SIFTING, "--exclude", multiple=True, metavar="GLOB",
        help="Leave out what is so called, by its name or its path below a folder; several times, "
        "too.",
    ),
    Option(
        _SIFTING, "--files-from", type=FileName(), metavar="FILE",
        help="Take these files too, a name on each line; - is standard input.",
    ),
    Option(
        _SIFTING, "--files-from0", type=FileName(), metavar="FILE",
        help="The same, with names that end in a NUL (find -print0).",
    ),
    Option(
        (*_WRITING, *_EXPLAIN), "-o", "--output", type=OutputName(), metavar="FILE",
        common=True,
        help="Write here; - is standard output. A folder, or a name with a slash at its end, is "
        "written into as with --output-dir.",
    ),
    Option(
        _WRITING, "--output-dir", type=FileName(), metavar="DIR",
        help="Write into this folder. What lies in folders (-r) keeps its place below them.",
    ),
    Option(
        (*_WRITING, *_EXPLAIN), "-c", "--stdout", "--to-stdout", "to_stdout", is_flag=True,
        common=True,
        help="Write to standard output.",
    ),
    Option(
        _WRITING, "-S", "--suffix", type=suffix, metavar=".SUF", default=SUFFIX, harmless=True,
        show_default=True,
        help="What compressing adds to names, and decompressing takes off.",
    ),
    Option(
        (*_WRITING, *_EXPLAIN, *_BENCH, *_TRAIN), "-f", "--force", is_flag=True, harmless=True,
        common=True,
        help="Replace an output file that is there. Write compressed data to a terminal, too.",
    ),
    Option(
        _WRITING, "-k", "--keep", is_flag=True, harmless=True,
        help="Keep the input files (the default).",
    ),
    Option(
        _WRITING, "--rm", "remove", is_flag=True,
        help="Remove each input once its output is safe.",
    ),
    Option(
        _WRITING, "--resume", is_flag=True,
        help="Go on where an earlier run of this command was stopped, and leave to a later one "
        "what this one gets done: kept beside the output, in .NAME.partial.",
    ),
    Option(
        _COMPRESS, "--verify", is_flag=True,
        help="Decode what was written and compare it. It counts as done only then: what goes to "
        "standard output is held back, in a temporary file.",
    ),
    Option(
        _DECOMPRESS, "--recover", is_flag=True,
        help="Bring back what is whole of a damaged file. What is lost is marked.",
    ),
    Option(
        (*_COMPRESS, *_SAMPLING, *_BENCH, *_TRAIN), "-m", "--model",
        default=DEFAULT_MODEL, metavar="MODEL",
        envvar="LLMZIP_MODEL", show_envvar=True, show_default=True,
        common=True,
        help="A name (`llmzip models list`), folder, .gguf or hub id.",
    ),
    Option(
        _DECODING, "-m", "--model", metavar="MODEL",
        help="Where the model is, if not where the file says. Its fingerprint must fit.",
    ),
    Option(
        (*_SCORE, *_EXPLAIN), "-m", "--model", "models", multiple=True, metavar="MODEL",
        help="The model, as for compressing; several times for several of them, side by side.",
    ),
    Option(
        (*_RUNNING, *_BENCH), "--adapter", metavar="PATH",
        type=click.Path(path_type=Path, readable=False),
        help="Change the model by this adapter (LoRA): a folder as PEFT writes it, or a file of "
        "`llmzip models export`. Decompressing needs it too.",
    ),
    Option(
        _RUNNING, "--dict", "dictionary", metavar="FILE",
        type=click.Path(path_type=Path, readable=False),
        common=True,
        help="A text like the input, for small files. Decompressing needs it too.",
    ),
    Option(
        _ALL, "--patch-from", metavar="FILE", type=click.Path(path_type=Path, readable=False),
        help="A file like the input, an older version for one: what they share costs nearly "
        "nothing. Decompressing needs it too.",
    ),
    Option(
        _COMPRESS, "--independent", is_flag=True,
        help="Let no group copy what another holds: parts decode alone, repeats cost more.",
    ),
    Option(
        _COMPRESS, "--chunk-tokens", type=click.IntRange(1, 65536), metavar="N",
        help="Tokens a chunk at most, instead of the level's. Some models need at least 2.",
    ),
    Option(
        _COMPRESS, "--float", "use_float", is_flag=True,
        help="Run the model in floating point: any architecture, but only this machine can "
        "decompress.",
    ),
    Option(
        _DECODING, "--allow-hub", is_flag=True,
        help="Fetch whatever model of the Hugging Face hub a file names; without it, only models "
        "that `llmzip models list` shows are fetched.",
    ),
    Option(
        _DECOMPRESS, "--force-foreign", is_flag=True,
        help="Try a --float file of another machine; it will most likely fail.",
    ),
    Option(
        _DECODING, "--max-output", type=size, metavar="SIZE",
        help="Refuse a file that decodes to more (64M, 2G); by default, to more than any text.",
    ),
    Option(
        _DECODING, "--memlimit", type=size, metavar="SIZE",
        help="Memory to decode with, beside the model's own.",
    ),
    Option(
        _COMPUTING, "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto",
        envvar="LLMZIP_DEVICE", show_envvar=True, show_default=True, harmless=True,
        help="Where to run the model. Never changes the bytes.",
    ),
    Option(
        _COMPUTING, "-T", "--threads", type=click.IntRange(0), metavar="N", callback=_threads,
        harmless=True,
        common=True,
        help="CPU threads; 0 is one a core. Never changes the bytes.",
    ),
    Option(
        _RUNNING, "--batch", type=click.IntRange(1), metavar="N", harmless=True,
        help="Chunks to work on side by side. Never changes the bytes.",
    ),
    Option(
        _WRITING, "--processes", type=click.IntRange(1), metavar="N",
        help="Let N processes of this machine do the work. Never changes the bytes.",
    ),
    Option(
        _WRITING, "--ray", metavar="[ADDRESS]", is_flag=False, flag_value="auto",
        may_follow=r"auto|local|ray://.+|[^/]+:[0-9]+",
        help="Let actors of a Ray cluster do it: HOST:PORT, ray://..., or local; without, the one "
        "that is here. --processes says how many.",
    ),
    Option(
        _TELLING, "--stats", "show_stats", is_flag=True, harmless=True,
        help="Show sizes, model and speed.",
    ),
    Option(
        (*_COMPUTING, "list"), "-q", "--quiet", is_flag=True, harmless=True,
        common=True,
        help="No progress and no warnings.",
    ),
    Option(
        _COMPUTING, "-v", "--verbose", count=True, harmless=True,
        help="Say what was done; -vv for debugging.",
    ),
    Option(
        _CAT, "--range", "byte_range", type=byte_range, metavar="A:B",
        help="Bytes A up to B, counted from 0, B not included: 0:100, 1M:, -64K: (from the end).",
    ),
    Option(
        _CAT, "--lines", "line_range", type=line_range, metavar="A:B",
        help="Lines A to B, counted from 1, B included, as sed's A,Bp: 1:10, 500:.",
    ),
    Option(
        _SAMPLING, "--prompt", metavar="TEXT", default="",
        help="What the text goes on from. It is not repeated.",
    ),
    Option(
        _SAMPLING, "--seed", type=click.IntRange(0, MOST_SEED), metavar="N", default=0,
        show_default=True,
        help="Another number, another text: the same one everywhere.",
    ),
    Option(
        _SAMPLING, "--temperature", metavar="T", default="1", show_default=True,
        help="0.1 to 10: below 1 what is likely becomes likelier, above less so.",
    ),
    Option(
        _SAMPLING, "--top-k", type=click.IntRange(2, MOST_TOP_K), metavar="N",
        default=DEFAULT_TOP_K, show_default=True,
        help="Choose each token from the N likeliest.",
    ),
    Option(
        _SAMPLE, "--max-tokens", type=click.IntRange(1), metavar="N",
        help=f"Tokens to write, {DEFAULT_TOKENS} if not said. With --from, how many there may be.",
    ),
    Option(
        _SAMPLE, "--from", "payload", type=FileName(), metavar="FILE",
        help="Write what `llmzip unsample` gets this file back from; - is standard input.",
    ),
    Option(
        ("unsample",), "--raw", "wants_raw", is_flag=True,
        help="All bytes that the text leaves no doubt of, without looking for a file in them.",
    ),
    Option(_LIST, "-v", "--verbose", count=True, help="All that the files say of themselves."),
    Option(
        _SCORE, "--per-line", is_flag=True,
        help="Each line of the text, with the bits of the tokens that begin in it.",
    ),
    Option(
        ("list", "score", *_BENCH), "--json", "wants_json", is_flag=True,
        help="As JSON: an array, an object a file.",
    ),
    Option(
        _EXPLAIN, "--json", "wants_json", is_flag=True, help="As JSON: an object, all figures."
    ),
    Option(
        _EXPLAIN, "--term", "in_terminal", is_flag=True, help="In the terminal, with its colours."
    ),
    Option(
        _EXPLAIN, "--svg", type=FileName(), metavar="FILE",
        help="Draw how many bits bytes take along the file, as SVG; without --output no page.",
    ),
    Option(_EXPLAIN, "--png", type=FileName(), metavar="FILE", help="The same as PNG."),
    Option(_SCORE, "--csv", "wants_csv", is_flag=True, help="As CSV, with the names of columns."),
    Option(
        _BENCH, "--levels", type=_levels, metavar="N,...",
        help="Levels of llmzip, a row each, as in 1,5,9; else the one that --level says.",
    ),
    Option(
        _BENCH, "--html", "page", type=FileName(), metavar="FILE",
        help="Write a page as well: tables, and charts of size against speed; it needs no network.",
    ),
    Option(
        _TRAIN, "-o", "--output", type=OutputName(), metavar="NAME",
        help="What to call the model; ./FOLDER, with a slash in it, to keep it there.",
    ),
    Option(
        _TRAIN, "--minutes", type=click.FloatRange(0, min_open=True), metavar="N",
        default=DEFAULT_MINUTES, show_default=True,
        help="How long to train; it ends before if held-out text gains no more.",
    ),
    Option(
        _TRAIN, "--rank", type=click.IntRange(1, MOST_RANK), metavar="N",
        default=DEFAULT_RANK, show_default=True,
        help="How much can be learnt: the rank of what is added to each layer, and its size.",
    ),
    Option(
        _TRAIN, "--from-scratch", type=click.Choice([*SIZES, AUTO]), metavar="SIZE",
        help="Make a whole model, with a vocabulary of its own, instead of an adapter: small, "
        "medium or large (some 2, 5 or 13 million weights), or auto, by text and time.",
    ),
    Option(
        _TRAIN, "--seed", type=click.IntRange(0, MOST_SEED), metavar="N", default=0,
        show_default=True,
        help="What chance begins with.",
    ),
    Option(
        _TRAIN, "--resume", is_flag=True,
        help="Go on where the same command was stopped.",
    ),
    Option(
        _DOCTOR, "--json", "wants_json", is_flag=True,
        help="As JSON: an object, an array a section.",
    ),
    Option(
        _DOCTOR, "--clean", is_flag=True,
        help="Remove from the caches what is of no more use: models prepared by another engine, "
        "kernels of other sources, what was left behind.",
    ),
    Option(
        _DOCTOR, "--speed", "measure_speed", is_flag=True,
        help="Measure the default model, if it is prepared; that takes some seconds.",
    ),
)  # fmt: skip
"""All of them, in the order in which help shows them."""


def verb(
    name: str, *, takes_files: bool = True
) -> Callable[[Callable[[Messages, Settings], None]], click.Command]:
    """Make a function a command of that name: FILE..., and what options the table gives it."""

    def make(function: Callable[[Messages, Settings], None]) -> click.Command:
        @click.pass_obj
        def run(messages: Messages, /, **given: Any) -> None:
            settings = Settings(**given)
            messages.verbosity = settings.verbosity
            with _details_to(messages):
                function(messages, settings)

        own = parameters_of(name)
        if takes_files:
            files = click.Argument(["files"], nargs=-1, type=FileName(), metavar="[FILE]...")
            own.insert(0, files)
        return click.Command(name, callback=run, params=own, help=function.__doc__)

    return make


@contextmanager
def _details_to(messages: Messages) -> Iterator[None]:
    """Under -v, have it said what models are being made of meanwhile."""
    with notice.heard_by(messages.info) if messages.verbosity >= 1 else nullcontext():
        yield


def parameters_of(name: str) -> list[click.Parameter]:
    """The options that the table gives a verb."""
    return [option for option in OPTIONS if name in option.verbs]
