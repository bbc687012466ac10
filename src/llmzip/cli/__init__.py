"""The command line: `main` is what the `llmzip` script calls."""

from llmzip.cli.main import main

__all__ = ["main"]
