"""`llmzip decompress`: FILE.llmz back to FILE."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import click

from llmzip.api import Decompressor
from llmzip.cli.delivery import delivering, expected_bytes, recovering
from llmzip.cli.files import STDIO
from llmzip.cli.jobs import SUFFIX, Verb, run_jobs
from llmzip.cli.memory import require_least
from llmzip.cli.messages import Messages
from llmzip.cli.options import (
    FileOptions,
    dictionary_option,
    file_options,
    hub_option,
    limit_options,
    read_dictionary,
    run_options,
    set_verbosity,
)
from llmzip.errors import UsageError
from llmzip.models.catalog import DEFAULT_MODEL


@click.command()
@file_options
@click.option(
    "-m",
    "--model",
    help="Where the model is, if not where the file says. Its fingerprint must fit.",
)
@hub_option
@dictionary_option
@click.option(
    "--force-foreign",
    is_flag=True,
    help="Try a --float file of another machine; it will most likely fail.",
)
@limit_options
@click.option(
    "--recover",
    is_flag=True,
    help="Bring back what is undamaged of a damaged file, and mark what is lost.",
)
@run_options
@click.pass_obj
def decompress(
    messages: Messages,
    files: tuple[Path, ...],
    output: Path | None,
    to_stdout: bool,
    force: bool,
    keep: bool,
    remove: bool,
    resume: bool,
    model: str | None,
    allow_hub: bool,
    dictionary: Path | None,
    force_foreign: bool,
    max_output: int | None,
    memlimit: int | None,
    recover: bool,
    device: str,
    threads: int | None,
    batch: int | None,
    show_stats: bool,
    quiet: bool,
    verbose: int,
) -> None:
    """Decompress each FILE.llmz to FILE; without FILE, standard input to standard output."""
    set_verbosity(messages, quiet, verbose)
    require_least()
    decompressor = Decompressor(
        model=model,
        device=device,
        threads=threads,
        batch=batch,
        dictionary=read_dictionary(dictionary),
        default_model=os.environ.get("LLMZIP_MODEL") or DEFAULT_MODEL,
        force_foreign=force_foreign,
        max_output=max_output,
        memlimit=memlimit,
        allow_hub=allow_hub,
        quiet=quiet,
    )
    where = FileOptions(files, output, to_stdout, force, remove and not keep, show_stats, resume)
    if recover:
        _check_recover(where)
        work = recovering(decompressor, messages)
        verb = Verb("recovered", True, _target_of, lambda _: None, work)
    else:
        total_bytes = partial(expected_bytes, decompressor, to_stdout=to_stdout or output == STDIO)
        work = delivering(decompressor, messages)
        verb = Verb("decompressed", True, _target_of, total_bytes, work, decompressor.resume)
    run_jobs(verb, where, messages)


def _check_recover(options: FileOptions) -> None:
    if options.remove:
        raise UsageError("--rm would remove what --recover could not bring back; leave it out")
    if options.resume:
        raise UsageError("--recover begins anew; leave out --resume")


def _target_of(source: Path) -> Path:
    name = source.name.removesuffix(SUFFIX)
    if not name or name == source.name:
        raise UsageError(f"{source}: no {SUFFIX} to take off its name; say where to with -o FILE")
    return source.with_name(name)
