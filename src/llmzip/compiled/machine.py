"""Machine code that was kept, run without numba.

What it calls of numba are functions in C, in modules that can be loaded without the rest of numba;
they make numbers of Python's objects and the other way round. LLVM puts the code into memory, each
kernel's into an engine of its own: names in one mean nothing in another, nor in numba's.
"""

from __future__ import annotations

import builtins
import ctypes
import os
import platform
import sys
from collections.abc import Callable, Iterator
from functools import cache
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from llmzip.compiled.compiler import binding
from llmzip.compiled.store import Kept

_HARMLESS = {"NUMBA_CACHE_DIR", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"}
_PREFIXES = {"_helperlib": "numba_", "_dynfunc": "numba_", "core.runtime._nrt_python": "NRT_"}
"""numba's modules in C, and what the names of their functions begin with in machine code."""


def is_asked_for_numba() -> bool:
    """Whether numba is there already, or the environment tells it how to compile."""
    told = {name for name in os.environ if name.startswith("NUMBA_")}
    return "numba" in sys.modules or bool(told - _HARMLESS)


def runnable(kept: Kept, function: Callable[..., Any]) -> Callable[..., Any] | None:
    """Return what Python calls to run a kernel; None if it wants what is not there.

    function: what it was compiled from.
    """
    if kept.entry is None or not all(map(_is_there, kept.wants)):
        return None
    engine = _engine()
    engine.add_object_file(binding.ObjectFileRef.from_data(kept.code))
    engine.finalize_object()
    made = [_environment(engine, name, function.__globals__) for name in kept.environments]
    run: Callable[..., Any] = _modules_in_c()["_dynfunc"].make_function(
        sys.modules[function.__module__],
        function.__name__,
        "",
        engine.get_function_address(kept.entry),
        made[0],
        (engine, made),  # which live as long as it does
    )
    return run


@cache
def _is_there(name: str) -> bool:
    """Whether code finds what it wants: LLVM ends the process where it does not."""
    _tell_symbols()
    return binding.address_of_symbol(name) is not None


def _engine() -> Any:
    target = binding.Target.from_triple(binding.get_process_triple())
    is_x86 = platform.machine().lower() in ("x86_64", "amd64")
    how = {"reloc": "static" if is_x86 else "default", "codemodel": "jitdefault", "jit": True}
    machine = target.create_target_machine(**how)  # as numba has it
    return binding.create_mcjit_compiler(binding.parse_assembly(""), machine)


def _environment(engine: Any, name: str, around: dict[str, Any]) -> Any:
    """Make what code finds Python's objects by, and let it find that."""
    made = _modules_in_c()["_dynfunc"].Environment(around)
    ctypes.c_void_p.from_address(engine.get_global_value_address(name)).value = id(made)
    return made


@cache
def _tell_symbols() -> None:
    """Make LLVM ready, and tell it all that numba tells it of."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    for name, address in _symbols():
        binding.add_symbol(name, address)
    _engine()  # or the process's own would not be looked at


def _symbols() -> Iterator[tuple[str, int]]:
    yield "_Py_NoneStruct", id(None)
    for name, module in _modules_in_c().items():
        for own, address in module.c_helpers.items():
            is_whole = own.startswith("_") and _PREFIXES[name] == "NRT_"
            yield own if is_whole else _PREFIXES[name] + own, address
    for one in vars(builtins).values():
        if isinstance(one, type) and issubclass(one, BaseException):
            yield f"PyExc_{one.__name__}", id(one)


@cache
def _modules_in_c() -> dict[str, ModuleType]:
    return {name: _module_in_c(name) for name in _PREFIXES}


def _module_in_c(name: str) -> ModuleType:
    """Load one of numba's modules, and leave no trace where numba will look for it."""
    spec = find_spec("numba")
    if spec is None or spec.submodule_search_locations is None:
        raise ImportError("numba is not installed")
    full, folder = f"numba.{name}", Path(spec.submodule_search_locations[0])
    *above, _ = name.split(".")
    found = PathFinder.find_spec(full, [str(folder.joinpath(*above))])
    if found is None or found.loader is None:
        raise ImportError(f"numba has no {name}")
    try:
        module = module_from_spec(found)
        found.loader.exec_module(module)
    finally:
        sys.modules.pop(full, None)
    return module
