"""numba, imported so that no folder has a say in it: what kernels need of it is taken from here.

numba reads `.numba_config.yaml` in the current folder when it is imported and whenever it
compiles. Whoever unpacks an archive and runs llmzip there would let the archive say which kernels
to load, for one, and loading one runs it. So the name that numba looks for is emptied before its
configuration runs. The environment (NUMBA_...) is its user's own and keeps its say.

Where a program has imported numba before, what it has read by then is left to it; from now on
numba goes by the environment alone. Nor is PyYAML imported, which is there to read that file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType

_CONFIG_MODULE = "numba.core.config"
_CONFIG_FILE = ".numba_config.yaml"


class _Loader(SourceFileLoader):
    """Loads a module in which the name of the file is an empty one, that of no file."""

    def get_code(self, fullname: str) -> CodeType | None:
        code = super().get_code(fullname)
        if code is None:
            return None
        constants = ("" if c == _CONFIG_FILE else c for c in code.co_consts)
        return code.replace(co_consts=tuple(constants))


class _Finder(MetaPathFinder):
    """Finds numba's configuration, to be loaded by `_Loader`."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,  # noqa: ARG002  # asked of every finder
    ) -> ModuleSpec | None:
        if fullname != _CONFIG_MODULE:
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


@contextmanager
def _no_folder_asked() -> Iterator[None]:
    finder, has_yaml = _Finder(), "yaml" in sys.modules
    sys.meta_path.insert(0, finder)
    if not has_yaml:
        sys.modules["yaml"] = None  # type: ignore[assignment]  # importing it fails
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        if not has_yaml:
            del sys.modules["yaml"]


with _no_folder_asked():
    from numba import carray, njit
    from numba.core import cgutils, config, types
    from numba.core.caching import NullCache
    from numba.core.codegen import JITCodeLibrary
    from numba.core.compiler import CompilerBase, CompileResult, DefaultPassBuilder
    from numba.core.compiler_machinery import LoweringPass, register_pass
    from numba.core.environment import Environment, _rebuild_env, lookup_environment
    from numba.core.registry import cpu_target
    from numba.core.runtime import nrtdynmod, rtsys
    from numba.core.serialize import dumps
    from numba.core.typed_passes import NativeLowering
    from numba.extending import intrinsic

config._config_fname = ""  # where numba had been there before

__all__ = [
    "CompileResult",
    "CompilerBase",
    "DefaultPassBuilder",
    "Environment",
    "JITCodeLibrary",
    "LoweringPass",
    "NativeLowering",
    "NullCache",
    "_rebuild_env",
    "carray",
    "cgutils",
    "config",
    "cpu_target",
    "dumps",
    "intrinsic",
    "lookup_environment",
    "njit",
    "nrtdynmod",
    "register_pass",
    "rtsys",
    "types",
]
