"""`python -m llmzip`: the command line."""

from llmzip.cli import program

if __name__ == "__main__":
    program()
