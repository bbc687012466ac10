"""Small messages without anything around them, for two sides that agree on a profile beforehand.

docs/FORMAT.md, *Messages*, defines every bit.
"""
