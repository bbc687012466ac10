"""What of numba's runtime all kernels need, kept on disk as they are: it is compiled, too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llmzip.compiled.importing import nrtdynmod, rtsys
from llmzip.compiled.library import KeptLibrary, kept_of
from llmzip.compiled.store import Kept


def begin_runtime(
    context: Any, load: Callable[[], Kept | None], keep: Callable[[Kept], None]
) -> None:
    """Make numba's runtime ready, unless it is, by what `load` gives; else let `keep` have it."""
    if rtsys._init:
        return
    compile_functions = nrtdynmod.compile_nrt_functions

    def kept_or_compiled(context: Any) -> Any:
        kept = load()
        if kept is not None:
            return KeptLibrary.of(context.codegen(), kept)
        library = _compiled(context)
        keep(kept_of(library))
        return library

    nrtdynmod.compile_nrt_functions = kept_or_compiled
    try:
        rtsys.initialize(context)
    finally:
        nrtdynmod.compile_nrt_functions = compile_functions


def _compiled(context: Any) -> Any:
    """As numba compiles it, but its machine code is handed out."""
    module, library = nrtdynmod.create_nrt_module(context)
    library.enable_object_caching()
    library.add_ir_module(module)
    library.finalize()
    return library
