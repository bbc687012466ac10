"""`llmzip message`: short texts to a few bytes and back, for two sides that share a profile."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import click

from llmzip.cli.agreed import read_profile, told
from llmzip.cli.ended import ended
from llmzip.cli.files import stdin_stream, stdout_stream
from llmzip.cli.inputs import refuse_terminal
from llmzip.cli.memory import require_least
from llmzip.cli.messages import Messages
from llmzip.errors import CorruptError, UsageError
from llmzip.message_codec import MessageCodec, make_profile
from llmzip.messages.armor import ARMORS, armored, disarmed
from llmzip.messages.profile import MOST_CHECK_BYTES, Profile
from llmzip.models.catalog import DEFAULT_MODEL

_FIRST = "base64url"  # where a line has to be text and nobody says how


@dataclass(frozen=True)
class _Asked:
    """What was asked for. words: the message, or the code, if it was typed."""

    words: tuple[str, ...]
    profile: str | None
    model: str | None
    check: int | None
    allow_hub: bool
    armor: str | None
    lines: bool
    nul: bool
    device: str
    threads: int | None
    verbose: int
    quiet: bool

    @property
    def end(self) -> bytes | None:
        """What ends each of several messages; None: there is one, all of the input."""
        return b"\0" if self.nul else b"\n" if self.lines else None

    @property
    def armor_name(self) -> str | None:
        """How codes are written as text; None: they are bytes."""
        return self.armor or (_FIRST if self.end is not None else None)

    def codec(self) -> MessageCodec:
        """Return what encodes and decodes. Raises DictionaryError, ModelError, OSError."""
        require_least()
        return MessageCodec(
            self._agreed(),
            model=None if self.profile is None else self.model,
            device=self.device,
            threads=self.threads,
            allow_hub=self.allow_hub,
            quiet=self.quiet,
        )

    def _agreed(self) -> Profile:
        """Return the profile that was given; without one, that of a model alone."""
        if self.profile is None:
            model = self.model or os.environ.get("LLMZIP_MODEL") or DEFAULT_MODEL
            return make_profile(model, n_check_bytes=self.check or 0, quiet=self.quiet)
        profile = read_profile(self.profile)
        if self.check not in (None, profile.n_check_bytes):
            raise UsageError(
                f"the profile has a check of {profile.n_check_bytes} bytes, not {self.check}: make "
                "another one (llmzip profile create --check), or leave out --check"
            )
        return profile


@click.group()
def message() -> None:
    """Encode short messages in a few bytes, and decode them.

    Both sides need the same profile (`llmzip profile create`), or none, and the same model and
    release of llmzip. Nothing stands around the code: no name, no length, and no check that was not
    asked for.

    For example `llmzip message encode --armor base64url 'See you at nine.'`.
    """


def _options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options that encoding and decoding have in common."""
    for option in (
        click.option(
            "-v", "--verbose", count=True, help="Say which profile it is, and how long codes are."
        ),
        click.option("-q", "--quiet", is_flag=True, help="Say nothing while a model is fetched."),
        click.option("-T", "--threads", type=click.IntRange(1), metavar="N", help="CPU threads."),
        click.option(
            "--device",
            type=click.Choice(["auto", "cpu", "cuda"]),
            default="auto",
            envvar="LLMZIP_DEVICE",
            help="Where to run the model.",
        ),
        click.option(
            "-0", "--nul", is_flag=True, help="Many messages, each ended by a NUL, as by --lines."
        ),
        click.option(
            "--lines",
            is_flag=True,
            help="A message on each line, answered at once, until the input ends; for what is no "
            f"code, with an empty line. Codes are text: {_FIRST}, if --armor says nothing else.",
        ),
        click.option(
            "--armor",
            type=click.Choice(list(ARMORS)),
            help="The code is text, not bytes. qr: base45, drawn; what a scanner reads is decoded.",
        ),
        click.option(
            "--allow-hub",
            is_flag=True,
            help="Fetch the model that the profile names from the hub, if it is not here.",
        ),
        click.option(
            "--check",
            type=click.IntRange(0, MOST_CHECK_BYTES),
            help="Without a profile: bytes at the end that tell damage and another model.",
        ),
        click.option(
            "--profile",
            envvar="LLMZIP_PROFILE",
            show_envvar=True,
            metavar="FILE",
            help="What both sides share, or what that file holds; without, a model alone.",
        ),
        click.option(
            "-m",
            "--model",
            metavar="MODEL",
            help="Without a profile, the model (else LLMZIP_MODEL's, or the default); with one, "
            "where its model is, if not where the profile says.",
        ),
        click.argument("words", nargs=-1, metavar="[TEXT]..."),
    ):
        function = option(function)
    return function


@message.command()
@_options
@click.pass_obj
def encode(messages: Messages, /, **given: Any) -> None:
    """Encode TEXT, its words joined by spaces, or what standard input holds.

    For example `llmzip message encode --armor base64url 'See you at nine.'`.
    """
    asked = _Asked(**given)
    with stdout_stream() as sink:
        if asked.armor_name is None and sink.isatty():
            raise UsageError("a code is bytes, not for a terminal: use --armor, a pipe or a file")
        with _opened(asked, messages) as codec:
            for text in _messages(asked):
                code = codec.encode(text)
                messages.info(f"{len(text):,} bytes, coded {len(code):,}")
                _write(sink, _as_asked(code, asked), asked)


@message.command()
@_options
@click.pass_obj
def decode(messages: Messages, /, **given: Any) -> None:
    """Decode a code: TEXT with --armor, or what standard input holds.

    For example `llmzip message decode --armor base64url U2Vl`.
    """
    asked = _Asked(**given)
    if asked.armor_name is None:
        if asked.words:
            raise UsageError("say how the code is written (--armor), or give its bytes by a pipe")
        refuse_terminal(stdin_stream())
    with stdout_stream() as sink, _opened(asked, messages) as codec:
        for number, code in enumerate(_messages(asked), 1):
            text = _decoded(code, number, codec, asked, messages)
            messages.info(f"{len(text):,} bytes")
            ends_line = asked.end is None and sink.isatty()
            _write(sink, text + (b"\n" if ends_line else b""), asked, is_text=True)


def _opened(asked: _Asked, messages: Messages) -> MessageCodec:
    """Return what encodes and decodes; for many messages the model is opened before they come.

    Raises DictionaryError, ModelError, OSError.
    """
    messages.verbosity = asked.verbose
    codec = asked.codec()
    messages.info(told(codec.profile))
    if asked.end is not None and not asked.words:
        codec.open()
    return codec


def _decoded(
    code: bytes, number: int, codec: MessageCodec, asked: _Asked, messages: Messages
) -> bytes:
    """Return a message; one of many that is wrong is reported, and an empty one in its place.

    Whoever sends the others should not be silenced by it, and whoever waits have an answer.
    """
    try:
        return codec.decode(_disarmed(code, asked))
    except CorruptError as exc:
        if asked.end is None:
            raise
        messages.error(f"message {number}: {exc}")
        return b""


def _messages(asked: _Asked) -> Iterator[bytes]:
    """Yield what is to be encoded or decoded, each as soon as it is there."""
    if asked.words:
        yield " ".join(asked.words).encode("utf-8", "surrogateescape")
        return
    source = stdin_stream()
    if asked.end is None:
        yield source.read()
    else:
        yield from ended(source, asked.end)


def _as_asked(code: bytes, asked: _Asked) -> bytes:
    return code if asked.armor_name is None else armored(code, asked.armor_name).encode()


def _disarmed(code: bytes, asked: _Asked) -> bytes:
    if asked.armor_name is None:
        return code
    try:
        return disarmed(code.decode("ascii"), asked.armor_name)
    except UnicodeDecodeError as exc:
        raise CorruptError(f"byte {exc.start + 1} is none of {asked.armor_name}'s") from exc


def _write(sink: BinaryIO, data: bytes, asked: _Asked, *, is_text: bool = False) -> None:
    """Write a message's code, or a message (is_text), and what ends it, at once."""
    ends_line = not is_text and asked.armor_name is not None
    sink.write(data + (asked.end or (b"\n" if ends_line else b"")))
    sink.flush()
