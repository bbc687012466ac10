"""Arrays that kernels are given by their addresses, so that one call may work on any number.

Whoever passes an address keeps the array alive, and where it is, until the kernel is done.
"""

from __future__ import annotations

from typing import Any

from llmzip.compiled.compiler import carray, intrinsic, types
from llmzip.compiled.kernels import inlined


@intrinsic
def _pointer(typing, address, kind):  # type: ignore[no-untyped-def]
    """An address as that of values of a dtype."""
    signature = types.CPointer(kind.dtype)(types.int64, kind)

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return signature, generate


@inlined
def array_at(address: Any, shape: Any, dtype: Any) -> Any:
    """The C-contiguous array of a shape, a tuple, that begins at an address."""
    return carray(_pointer(address, dtype), shape)
