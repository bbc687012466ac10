"""Functions that are compiled into kernels and never run by themselves.

numba optimises each function that a kernel calls as if it were all there is, and makes machine
code of it, before it does both for the kernel, into which the function is linked: half of all time
that compiling takes. A part is only written down and linked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llmzip.compiled.importing import (
    CompilerBase,
    DefaultPassBuilder,
    JITCodeLibrary,
    LoweringPass,
    NativeLowering,
    njit,
    register_pass,
)


class _PartLibrary(JITCodeLibrary):  # type: ignore[misc]  # numba has no types
    """What LLVM has of a part: to be linked into others, never to be machine code by itself."""

    def _optimize_final_module(self) -> None:
        """Leave that to whoever links it."""

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True


@register_pass(mutates_CFG=False, analysis_only=True)
class _AnnouncePart(LoweringPass):  # type: ignore[misc]
    """Lets others call the part; numba's own pass does so for what it has made machine code of."""

    _name = "announce_part"

    def __init__(self) -> None:
        LoweringPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        entry = object()  # numba knows functions by these: one that can be called, elsewhere
        state.targetctx.insert_user_function(entry, state["cr"].fndesc, [state.library])
        state["cr"] = state["cr"]._replace(cfunc=entry)
        return False


class _PartCompiler(CompilerBase):  # type: ignore[misc]
    """numba's compiler, for parts."""

    def define_pipelines(self) -> list[Any]:
        """Return the one pipeline there is."""
        state = self.state
        state.flags.no_compile = True
        state.library = _PartLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        pipeline = DefaultPassBuilder.define_nopython_pipeline(state)
        pipeline.add_pass_after(_AnnouncePart, NativeLowering)
        pipeline.finalize()
        return [pipeline]


def compile_part(function: Callable[..., Any], *, is_inlined: bool) -> Any:
    """Return what kernels may call, to be inlined by all means or where LLVM thinks it is worth it.

    Whoever calls it from Python gets a TypeError.
    """
    compiled = njit(
        forceinline=is_inlined,
        error_model="numpy",
        boundscheck=False,
        no_cpython_wrapper=True,
        no_cfunc_wrapper=True,
        pipeline_class=_PartCompiler,
    )(function)

    def keep(result: Any) -> None:
        compiled.overloads[tuple(result.signature.args)] = result

    def refuse(*_args: Any, **_options: Any) -> None:
        raise TypeError(f"{function.__qualname__} is a part of kernels: only they may call it")

    compiled.add_overload = keep
    compiled._compile_for_args = refuse
    return compiled
