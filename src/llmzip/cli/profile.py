"""`llmzip profile`: what two sides share before they send each other messages."""

from __future__ import annotations

from pathlib import Path

import click

from llmzip.errors import UsageError
from llmzip.message_codec import make_profile
from llmzip.messages.profile import MOST_CHECK_BYTES, MOST_FILE_BYTES, Profile
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
    help="A text like the messages to come, such as two hundred of them; it becomes a part of the "
    "profile.",
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
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    metavar="FILE",
    help="Where the profile goes.",
)
@click.option("-f", "--force", is_flag=True, help="Replace a file that is there.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing while a model is fetched.")
def create(
    model: str, dictionary: Path | None, check: int, output: Path, force: bool, quiet: bool
) -> None:
    """Write a profile, and print its id, which is the same on both sides.

    For example `llmzip profile create --dict chat.txt -o team.llmzp`.
    """
    if output.exists() and not force:
        raise UsageError(f"{output} exists; use -f to replace it")
    known = b"" if dictionary is None else dictionary.read_bytes()
    made = make_profile(model, dictionary=known, n_check_bytes=check, quiet=quiet)
    output.write_text(made.to_json(), encoding="utf-8")
    click.echo(made.id.hex())


@profile.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def show(file: Path) -> None:
    """Print what a profile says, its id first.

    For example `llmzip profile show team.llmzp`.
    """
    with file.open("rb") as source:
        found = Profile.from_json(source.read(MOST_FILE_BYTES))
    click.echo(f"id          {found.id.hex()}")
    click.echo(f"model       {found.model} ({found.source})")
    click.echo(f"fingerprint {found.fingerprint.hex()}")
    click.echo(f"dictionary  {len(found.dictionary):,} bytes")
    click.echo(f"check       {found.n_check_bytes} bytes")
