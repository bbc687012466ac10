"""The command line: `program` is what the `llmzip` script calls, `main` what a program may."""

from llmzip.cli.main import main, program

__all__ = ["main", "program"]
