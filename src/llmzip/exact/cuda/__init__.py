"""The engine on CUDA: integer GEMMs on tensor cores, all that lies between them in Triton kernels.

Equal to `reference` bit for bit. Every launch forbids contraction (`launch.launch`), divisions
are `div_rn`, sums are of integers; `docs/CUDA.md` says what that was checked with.
"""
