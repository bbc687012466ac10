"""`llmzip test`: decompress .llmz files to nowhere, to know that they are whole."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import click

from llmzip.api import Decompressor
from llmzip.cli.delivery import delivering, expected_bytes
from llmzip.cli.files import STDIO
from llmzip.cli.jobs import Verb, run_jobs
from llmzip.cli.messages import Messages
from llmzip.cli.options import (
    FileOptions,
    dictionary_option,
    hub_option,
    limit_options,
    read_dictionary,
    run_options,
    set_verbosity,
)
from llmzip.models.catalog import DEFAULT_MODEL

_NOWHERE = Path(os.devnull)


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, allow_dash=True, readable=False))
@click.option(
    "-m",
    "--model",
    help="Where the model is, if not where the file says. Its fingerprint must fit.",
)
@hub_option
@dictionary_option
@limit_options
@run_options
@click.pass_obj
def test(
    messages: Messages,
    files: tuple[Path, ...],
    model: str | None,
    allow_hub: bool,
    dictionary: Path | None,
    max_output: int | None,
    memlimit: int | None,
    device: str,
    threads: int | None,
    batch: int | None,
    show_stats: bool,
    quiet: bool,
    verbose: int,
) -> None:
    """Decompress each FILE.llmz and throw the text away; without FILE, standard input.

    Silent where all is well; -v says so. `llmzip list` checks the file only, in no time.
    """
    set_verbosity(messages, quiet, verbose)
    decompressor = Decompressor(
        model=model,
        device=device,
        threads=threads,
        batch=batch,
        dictionary=read_dictionary(dictionary),
        default_model=os.environ.get("LLMZIP_MODEL") or DEFAULT_MODEL,
        max_output=max_output,
        memlimit=memlimit,
        allow_hub=allow_hub,
        quiet=quiet,
    )
    check = partial(expected_bytes, decompressor, to_stdout=False)
    verb = Verb("OK:", True, lambda _: None, check, delivering(decompressor, messages))
    for source in files or (STDIO,):
        run_jobs(verb, FileOptions((source,), _NOWHERE, False, False, False, show_stats), messages)
