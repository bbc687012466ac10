"""The rooms of the house: CONTRIBUTING.md lists them in an order that all imports keep."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HOUSE = ROOT / "src" / "llmzip"


def _module(path: Path) -> str:
    parts = path.relative_to(HOUSE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_module(path): path for path in HOUSE.rglob("*.py")}


def _imports(path: Path) -> Iterator[str]:
    """Yield the house's modules that one imports, within functions and for types included."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            inner = (f"{node.module}.{name.name}" for name in node.names)
            yield from (one if one in MODULES else node.module for one in inner)


IMPORTS = {module: set(_imports(path)) - {module} for module, path in MODULES.items()}


def _room(module: str) -> str:
    """The room that a module is in, as the table has it."""
    place = MODULES[module].relative_to(HOUSE)
    return place.parts[0]


def _listed() -> list[list[str]]:
    """The rooms of each row of the table, from the top down."""
    table = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("|---|")[2]
    rows = re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE)
    return [re.findall(r"`([^`]+)`", row) for row in rows]


def test_every_room_is_listed_once() -> None:
    listed = sorted(room for row in _listed() for room in row)
    assert listed == sorted({_room(module) for module in MODULES})


def test_imports_point_down_the_list() -> None:
    floor = {room: number for number, row in enumerate(_listed()) for room in row}
    upwards = [
        f"{module} uses {other}"
        for module, others in IMPORTS.items()
        for other in others
        if floor[_room(other)] < floor[_room(module)]
    ]
    assert not upwards


def test_the_map_of_the_engine_names_every_file_of_the_kernels() -> None:
    named = set(re.findall(r"`[\w/]*?(\w+\.py)`", (ROOT / "docs" / "ENGINE.md").read_text("utf-8")))
    kernels = {path.name for path in (HOUSE / "exact" / "cpu").glob("[!_]*.py")}
    there = {
        path.name for folder in ("src", "tests", "docs") for path in (ROOT / folder).rglob("*.py")
    }
    assert not kernels - named
    assert not named - there


def test_no_two_files_use_each_other() -> None:
    try:
        TopologicalSorter(IMPORTS).prepare()
    except CycleError as error:
        pytest.fail(" uses ".join(reversed(error.args[1])))
