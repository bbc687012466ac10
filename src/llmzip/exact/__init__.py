"""Exact inference: a transformer's forward pass that gives the same bits everywhere.

`docs/EXACT.md` states the arithmetic, `reference` is its specification in plain torch,
`cpu` computes the same integers fast.
"""

ENGINE_VERSION = 2
"""Raised by every change to the integers that the engine gives; part of each fingerprint."""
