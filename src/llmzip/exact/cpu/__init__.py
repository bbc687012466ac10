"""The engine on the CPU: integer GEMMs by torch, all that lies between them in numba kernels.

Equal to `reference` bit for bit. numba never contracts multiply and add (no `fastmath`),
so each kernel rounds exactly where the reference does.
"""
