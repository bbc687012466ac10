"""The engine on the CPU, in kernels of its own: `ways` says by which instructions.

Only the way that every processor can take, `plain`, asks torch for the products of prefill.

Equal to `reference` bit for bit. numba never contracts multiply and add (no `fastmath`),
so each kernel rounds exactly where the reference does.
"""
