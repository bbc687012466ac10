"""`python -m llmzip`: the command line."""

import sys

from llmzip.cli import main

if __name__ == "__main__":
    sys.exit(main())
