"""Where the process begins: what must be so before anything else is imported.

The command line takes a quarter of a second to import. A person who changes their mind by
then gets what Ctrl-C gives everywhere, no traceback; and no library ever finds standard input,
output or error closed, for the next file opened would take its place.
"""

from __future__ import annotations

import gc
import signal

FEW_COLLECTIONS = 100_000
"""New objects after which garbage is looked for: imports make that many, and hardly any garbage.

With Python's own 700 it is looked for hundreds of times, a twelfth of what a short command takes.
"""

TYPE_CHECKING = False  # that of typing, which takes long to import
if TYPE_CHECKING:
    from typing import NoReturn


def program() -> NoReturn:
    """Be the process: run the command line with the process's arguments, and end."""
    _die_of_interrupts()
    gc.set_threshold(FEW_COLLECTIONS)
    from llmzip import descriptors

    descriptors.open_closed()
    try:
        from llmzip.cli import program as command_line
    except ImportError as exc:
        _say_broken(exc)

    command_line()


def _say_broken(exc: ImportError) -> NoReturn:
    """End the process: something is missing or broken that not even `doctor` can do without."""
    import sys

    again = "install llmzip again, with all that it requires (pip install --force-reinstall)"
    sys.exit(f"llmzip: this installation is broken: {exc}: {again}")


def _die_of_interrupts() -> None:
    """Until the command line takes Ctrl-C over, it ends the process, quietly.

    Where it is ignored, as in a shell's background job, it stays so.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
