"""`python -m llmzip`: the command line."""

from llmzip.start import program

if __name__ == "__main__":
    program()
