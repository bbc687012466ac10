"""`llmzip compress`: FILE to FILE.llmz."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

import click

from llmzip.api import Compressor, Decompressor
from llmzip.cli.jobs import SUFFIX, Verb, run_jobs
from llmzip.cli.memory import require_least
from llmzip.cli.messages import Messages, Progress
from llmzip.cli.options import (
    FileOptions,
    dictionary_option,
    file_options,
    level_options,
    read_dictionary,
    run_options,
    set_verbosity,
)
from llmzip.models.catalog import DEFAULT_MODEL


@click.command()
@file_options
@level_options
@click.option(
    "-m",
    "--model",
    default=DEFAULT_MODEL,
    envvar="LLMZIP_MODEL",
    show_envvar=True,
    show_default=True,
    help="A name (see `llmzip models list`), a folder, a .gguf file or a hub id.",
)
@click.option(
    "--chunk-tokens",
    type=click.IntRange(1, 65536),
    help="Tokens a chunk at most, instead of the level's. Some models need at least 2.",
)
@dictionary_option
@click.option(
    "--verify",
    is_flag=True,
    help="Decode what was written and compare it with the input before it counts as done. What "
    "goes to standard output is held back until then, in a temporary file.",
)
@click.option(
    "--float",
    "use_float",
    is_flag=True,
    help="Run the model in floating point: any architecture, but only this machine can decompress.",
)
@run_options
@click.pass_obj
def compress(
    messages: Messages,
    files: tuple[Path, ...],
    output: Path | None,
    to_stdout: bool,
    force: bool,
    keep: bool,
    remove: bool,
    resume: bool,
    verify: bool,
    model: str,
    level: int,
    chunk_tokens: int | None,
    dictionary: Path | None,
    use_float: bool,
    device: str,
    threads: int | None,
    batch: int | None,
    show_stats: bool,
    quiet: bool,
    verbose: int,
) -> None:
    """Compress each FILE to FILE.llmz; without FILE, standard input to standard output."""
    set_verbosity(messages, quiet, verbose)
    require_least()
    compressor = Compressor(
        model=model,
        device=device,
        threads=threads,
        batch=batch,
        level=level,
        chunk_tokens=chunk_tokens,
        dictionary=read_dictionary(dictionary),
        exact=not use_float,
        quiet=quiet,
    )

    def target_of(source: Path) -> Path | None:
        if source.name.endswith(SUFFIX):
            messages.warning(
                f"{source}: has the suffix {SUFFIX} already; skipped (-o FILE insists)"
            )
            return None
        return source.with_name(source.name + SUFFIX)

    def decode(written: BinaryIO, sink: BinaryIO, progress: Progress) -> None:
        # Not from anything that compressing has left in memory: as whoever gets the file will.
        decompressor = Decompressor(
            model=model,
            device=device,
            threads=threads,
            batch=batch,
            dictionary=read_dictionary(dictionary),
            quiet=quiet,
        )
        decompressor.decompress(written, sink, progress)

    verb = Verb(
        "compressed", False, target_of, _size, compressor.compress, compressor.resume, decode
    )
    where = FileOptions(
        files, output, to_stdout, force, remove and not keep, show_stats, resume, verify
    )
    run_jobs(verb, where, messages)


def _size(source: BinaryIO) -> int | None:
    """Return how many bytes a regular file has; of anything else nobody knows."""
    status = os.fstat(source.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) else None
