"""`llmzip profile`: what two sides share before they send each other messages."""

from __future__ import annotations

from pathlib import Path

import click

from llmzip.cli.agreed import read_profile
from llmzip.cli.files import STDIO
from llmzip.cli.options import FileName
from llmzip.cli.outputs import Output
from llmzip.cli.settings import read_dictionary
from llmzip.errors import UsageError
from llmzip.message_codec import make_profile
from llmzip.messages.profile import BEGINNING, MOST_CHECK_BYTES
from llmzip.models.catalog import DEFAULT_MODEL


@click.group()
def profile() -> None:
    """Make and show what both sides of messages share.

    For example `llmzip profile create --dict chat.txt -o team.llmzp`.
    """


@profile.command()
@click.option(
    "-m",
    "--model",
    default=DEFAULT_MODEL,
    metavar="MODEL",
    envvar="LLMZIP_MODEL",
    show_envvar=True,
    show_default=True,
    help="A name (`llmzip models list`), folder, .gguf or hub id.",
)
@click.option(
    "--dict",
    "dictionary",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="A text like the messages to come, such as two hundred of them, a line each; it becomes a "
    "part of the profile.",
)
@click.option(
    "--check",
    type=click.IntRange(0, MOST_CHECK_BYTES),
    default=0,
    show_default=True,
    help="Bytes at the end of each message that tell damage and other profiles.",
)
@click.option(
    "-o",
    "--output",
    type=FileName(),
    required=True,
    metavar="FILE",
    help="Where the profile goes; - is standard output, and no id is printed then.",
)
@click.option("-f", "--force", is_flag=True, help="Replace a file that is there.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing while a model is fetched.")
def create(
    model: str, dictionary: Path | None, check: int, output: Path, force: bool, quiet: bool
) -> None:
    """Write a profile, and print its id, which is the same on both sides.

    For example `llmzip profile create --dict chat.txt -o team.llmzp`.
    """
    target = Output(output, is_explicit=True, replace=force)
    if target.special is None and output.exists() and not force:
        raise UsageError(f"{output} exists; use -f to replace it")
    known = read_dictionary(dictionary) or BEGINNING
    made = make_profile(model, dictionary=known, n_check_bytes=check, quiet=quiet)
    with target.opened(None) as sink:
        sink.write(made.to_json().encode())
    if output != STDIO:
        click.echo(made.id.hex())


@profile.command()
@click.argument("file")
def show(file: str) -> None:
    """Print what a profile's FILE, or what such a file holds, says; its id first.

    For example `llmzip profile show team.llmzp`.
    """
    found = read_profile(file)
    click.echo(f"id          {found.id.hex()}")
    click.echo(f"model       {found.model} ({found.source})")
    click.echo(f"fingerprint {found.fingerprint.hex()}")
    click.echo(f"dictionary  {len(found.dictionary):,} bytes")
    click.echo(f"check       {found.n_check_bytes} bytes")
