"""The engine on CUDA: Triton kernels, integer products on tensor cores and all that follows them.

Equal to `reference` bit for bit. Every launch forbids contraction (`launch.launch`), divisions
are `div_rn`, sums are of integers; `docs/CUDA.md` says what that was checked with.
"""
