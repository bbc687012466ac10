"""The one boundary: arguments in, exit status out, every error a line on standard error.

Exit status: 0 done, 1 an error, 2 done but with a warning. Ended by a signal, the process
dies of that signal; a reader that closes our output ends it quietly, as it does `cat`.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
import warnings
from typing import NoReturn

import click

from llmzip import descriptors
from llmzip.cli.commands import Commands, stand_ins
from llmzip.cli.files import ReaderGoneError
from llmzip.cli.grammar import VARIABLE, read
from llmzip.cli.memory import is_out_of_memory
from llmzip.cli.messages import EXIT_ERROR, Messages, describe
from llmzip.cli.pages import Program
from llmzip.cli.signals import InterruptedBySignal, clean_up_on_signals, die_by
from llmzip.errors import LlmzipError, UsageError
from llmzip.version import __version__

_NEAR = 0.8  # how alike a missing file's name is to that of a command that was meant


def _show_long_help(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(llmzip.long_help(context))
        context.exit()


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-H",
    "--long-help",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_long_help,
    help="Show all there is to say.",
)
@click.version_option(__version__, "-V", "--version", message="llmzip %(version)s")
def llmzip() -> None:
    """Compress text losslessly with a language model that computes exactly."""


llmzip.commands = Commands()


def main(arguments: list[str] | None = None) -> int:
    """Run the command line with `arguments` (default: the process's); return the exit status."""
    args = sys.argv[1:] if arguments is None else arguments
    messages = Messages()
    clean_up_on_signals()
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # libraries talk to programmers, not to our users
    try:
        _run(args, messages)
    except InterruptedBySignal as exc:
        die_by(exc.signum)
    except ReaderGoneError:
        _leave_as_cat_does()
    except click.exceptions.Exit as exc:
        return exc.exit_code
    except click.ClickException as exc:
        messages.error(_with_hint(exc))
    except (LlmzipError, OSError, MemoryError) as exc:
        messages.error(describe(exc))
    except Exception as exc:
        if is_out_of_memory(exc):
            messages.error(describe(exc))
        else:
            _report_bug(exc, messages)
    return messages.status


def program() -> NoReturn:
    """Be the process: run the command line and end.

    Everything is written by now; freeing a model and waiting for the libraries' threads would
    take another half second.
    """
    descriptors.open_closed()
    status = main()
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except BrokenPipeError:
        _leave_as_cat_does()
    except OSError:
        status = status or EXIT_ERROR
    os._exit(status)


def _run(args: list[str], messages: Messages) -> None:
    """Hand the arguments to click, in the form that it reads."""
    if not args and sys.stdin is not None and sys.stdin.isatty():
        args = ["--help"]
    call = read(args, stand_ins(), os.environ.get(VARIABLE, ""))
    if call.first_word is not None:
        _refuse_misspelt(call.first_word)
    result = llmzip.main(
        list(call.arguments), prog_name="llmzip", standalone_mode=False, obj=messages
    )
    if isinstance(result, int) and result:  # click returns the code of an early exit
        raise click.exceptions.Exit(result)


def _refuse_misspelt(word: str) -> None:
    """Refuse what is no file but nearly a command, before other words are taken for files."""
    if os.path.lexists(word):
        return
    from difflib import get_close_matches

    for command in get_close_matches(word, llmzip.commands, n=1, cutoff=_NEAR):
        raise UsageError(f"{word} is neither a command nor a file; did you mean {command}?")


def _with_hint(exc: click.ClickException) -> str:
    """Return click's message and where to read more."""
    command = getattr(getattr(exc, "ctx", None), "command_path", "llmzip")
    return f"{exc.format_message()} (see {command} --help)"


def _leave_as_cat_does() -> None:
    """End the process quietly because nobody reads its output any more."""
    if hasattr(signal, "SIGPIPE"):
        die_by(signal.SIGPIPE)
    os._exit(EXIT_ERROR)


def _report_bug(exc: Exception, messages: Messages) -> None:
    """Say in one line that llmzip itself failed; with -vv show where."""
    if messages.verbosity >= 2:
        messages.report(traceback.format_exc())
    what = "; ".join([f"{type(exc).__name__}: {exc}", *getattr(exc, "__notes__", ())])
    messages.error(
        f"internal error, please report it (with the output of -vv and of llmzip doctor): {what}"
    )
