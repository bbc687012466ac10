"""AMX tiles played by numpy, for processors that have AVX512-VNNI but no tiles.

    export NUMBA_CACHE_DIR=$(mktemp -d)
    PYTHONPATH=src:tests/exact python -m pytest -p emulated_tiles -k amx tests/exact

Kernels of the way `amx` are compiled with calls of this process's functions in place of the
instructions, so what has been compiled is of no use to another process: hence a folder of its own.
"""

from __future__ import annotations

import ctypes
import os
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmzip.compiled.compiler import ir
from llmzip.exact.cpu import tile_steps, tiles

if "NUMBA_CACHE_DIR" not in os.environ:
    raise SystemExit("emulated_tiles.py: set NUMBA_CACHE_DIR to a new folder")

_own = threading.local()


def _tiles() -> NDArray[np.int8]:
    """The tiles of this thread, (8, 16 rows, 64 bytes)."""
    if not hasattr(_own, "tiles"):
        _own.tiles = np.zeros((tiles.TILES, tiles.ROWS, tiles.TERMS), dtype=np.int8)
    found: NDArray[np.int8] = _own.tiles
    return found


def _row(address: int) -> NDArray[np.int8]:
    line = (ctypes.c_int8 * tiles.TERMS).from_address(address)
    return np.ctypeslib.as_array(line)


def _zero(target: int) -> None:
    _tiles()[target] = 0


def _load(target: int, address: int, stride: int) -> None:
    for r in range(tiles.ROWS):
        _tiles()[target, r] = _row(address + r * stride)


def _store(source: int, address: int, stride: int) -> None:
    for r in range(tiles.ROWS):
        _row(address + r * stride)[:] = _tiles()[source, r]


def _add(target: int, rows: int, columns: int) -> None:
    fours = _tiles()[columns].reshape(tiles.ROWS, tiles.ROWS, tiles.TOGETHER)
    weight = fours.transpose(0, 2, 1).reshape(tiles.TERMS, tiles.ROWS).astype(np.int32)
    _tiles()[target].view(np.int32)[:] += _tiles()[rows].astype(np.int32) @ weight


_I8, _I64 = ctypes.c_int8, ctypes.c_int64
_PLAYED = {
    "llvm.x86.tilezero": ctypes.CFUNCTYPE(None, _I8)(_zero),
    "llvm.x86.tileloadd64": ctypes.CFUNCTYPE(None, _I8, _I64, _I64)(_load),
    "llvm.x86.tilestored64": ctypes.CFUNCTYPE(None, _I8, _I64, _I64)(_store),
    "llvm.x86.tdpbssd": ctypes.CFUNCTYPE(None, _I8, _I8, _I8)(_add),
}
_call = tiles._call


def _played(builder: ir.IRBuilder, name: str, *arguments: ir.Value) -> None:
    """A call of what plays an instruction; of LLVM's own functions as they are."""
    if name in ("llvm.x86.ldtilecfg", "llvm.x86.tilerelease"):
        return
    if name not in _PLAYED:
        _call(builder, name, *arguments)
        return
    kind = ir.FunctionType(ir.VoidType(), [argument.type for argument in arguments])
    address: Any = ctypes.cast(_PLAYED[name], ctypes.c_void_p).value
    place = ir.Constant(ir.IntType(64), address)
    builder.call(builder.inttoptr(place, kind.as_pointer()), arguments)


for module in (tiles, tile_steps):
    vars(module).update(_call=_played, _has_tiles=lambda: True)
tiles.AVAILABLE = True
