"""Machine code that was kept, brought back without its intermediate code.

numba reads both, asks LLVM for the names of all that is in the latter, one by one, and keeps it in
case that a function is inlined into others: half of the time that loading kernels takes. Here names
are kept beside the code, and the rest is read when something is compiled that wants it.
"""

from __future__ import annotations

from typing import Any

from llmzip.compiled.compiler import binding
from llmzip.compiled.importing import JITCodeLibrary
from llmzip.compiled.store import Kept


class KeptLibrary(JITCodeLibrary):  # type: ignore[misc]  # numba has no types
    """What numba compiled once."""

    _bitcode: bytes | None = None
    _linkable: Any = None

    @classmethod
    def of(cls, codegen: Any, kept: Kept) -> KeptLibrary:
        """Make the machine code ready to run."""
        library = cls(codegen, kept.name)
        library._bitcode = kept.bitcode
        library.enable_object_caching()
        library._set_compiled_object(kept.code)
        library._finalize_final_module()
        codegen._engine._defined_symbols |= kept.defines
        return library

    @property
    def _shared_module(self) -> Any:
        """What other libraries are linked with."""
        if self._linkable is None and self._bitcode is not None:
            self._linkable = binding.parse_bitcode(self._bitcode)
        return self._linkable

    @_shared_module.setter
    def _shared_module(self, module: Any) -> None:
        self._linkable = module


def kept_of(library: Any, serialized: Any = None) -> Kept:
    """What is to be kept of a library whose machine code numba was told to hand out.

    serialized: what numba makes of it, if that is there.
    """
    name, kind, (code, bitcode) = serialized or library.serialize_using_object_code()
    assert kind == "object"
    known = _named(library._get_module_for_linking())
    defines = frozenset(one.name for one in known if not one.is_declaration)
    linked = {one.name for one in _named(library._final_module) if one.is_declaration}
    wants = frozenset(name for name in linked if not name.startswith("llvm."))
    return Kept(name, code, defines, wants, bitcode=bitcode)


def _named(module: Any) -> list[Any]:
    return [*module.functions, *module.global_variables]
