"""The machine code of products and passes, made here for processors that are not: what is in it.

What kernels are written by is given to LLVM for another processor, and read. Tests of integers say
whether it computes the right ones; here it is that the instructions are used which it is there for,
and that no two operations on floats are rounded once.
"""

from __future__ import annotations

import inspect
import re
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest

from llmzip.compiled.compiler import binding, ir, types
from llmzip.exact.cpu import fours, simd
from llmzip.exact.cpu import prefill_head_passes as head_passes
from llmzip.exact.cpu import prefill_passes as passes
from llmzip.exact.cpu import prefill_softmax as softmax
from llmzip.exact.cpu.instruction_set import Dot
from llmzip.exact.cpu.neon_dot import features_made
from llmzip.exact.cpu.prefill_activations import gelu_gate_rows, gelu_rows, silu_gate_rows
from llmzip.exact.cpu.ways import Way

PROCESSORS = {
    Way.AVX_VNNI: ("x86_64-linux-gnu", "alderlake", ""),
    Way.NEON_DOT: ("aarch64-linux-gnu", "neoverse-n1", ""),
    Way.NEON_I8MM: ("aarch64-linux-gnu", "neoverse-n1", "+i8mm"),
}
"""A processor for each instruction set: its triple, LLVM's name of it and what it has besides."""
DOTS = {
    Way.AVX_VNNI: ("vpdpbusd",),
    Way.NEON_DOT: ("sdot",),
    Way.NEON_I8MM: ("smmla", "sdot"),
}
PRODUCTS = {
    "products": fours.products_all,
    "asking_products": fours.asking_products,
    "head_products": fours.head_products,
    "weight_products": fours.weight_products,
    "byte_sum": fours.byte_sum,
    "keys": simd.keys_16x1,
}
WEIGHTED = {"one": simd.weighted_sums_1, "three": simd.weighted_sums_3}
PASSES = {
    "fold": passes.fold_wide,
    "halve": passes.halve_block,
    "heads": passes.head_block,
    "round": passes.round_block,
    "add": passes.add_wide_block,
    "normalise": passes.normalise_rows,
    "gate": silu_gate_rows,
    "gate of gelu": gelu_gate_rows,
    "gelu": gelu_rows,
    "count": head_passes._count_block,
    "weigh": softmax._weigh_block,
    "fold weights": softmax._fold_weights,
}
KINDS = {
    types.int64: ir.IntType(64),
    types.int32: ir.IntType(32),
    types.float32: ir.FloatType(),
    types.float64: ir.DoubleType(),
}
FUSED = re.compile(r"\bv?f(n?m(add|sub|la|ls)|ml[as])|\bfrecpe|\bfrsqrte|\bvrcp|\bvrsqrt")


@cache
def processor(way: Way) -> Any:
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    triple, cpu, features = PROCESSORS[way]
    target = binding.Target.from_triple(triple)
    return target.create_target_machine(cpu=cpu, features=features, opt=3, reloc="pic")


@cache
def code_of(intrinsic: Any, way: Way) -> list[str]:
    """The instructions of a function by a way's instruction set, those of its loops and all."""
    define = intrinsic._defn
    own = types.NamedTuple((), type(way.isa))
    n = len(inspect.signature(define).parameters) - 1
    has_set = "isa" in inspect.signature(define).parameters
    given = [own, *[types.int64] * (n - 1)] if has_set else [types.int64] * n
    signature, generate = define(None, *given)
    kinds = [KINDS[kind] for kind in signature.args[has_set:]]
    result = KINDS.get(signature.return_type, ir.VoidType())
    module = ir.Module()
    function = ir.Function(module, ir.FunctionType(result, kinds), "code")
    builder = ir.IRBuilder(function.append_basic_block())
    arguments = [None, *function.args] if has_set else list(function.args)
    context = SimpleNamespace(get_dummy_value=lambda: None)
    found = generate(context, builder, signature, arguments)
    builder.ret_void() if found is None else builder.ret(found)
    return _compiled(str(module), processor(way))


def _compiled(source: str, machine: Any) -> list[str]:
    module = binding.parse_assembly(source)
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    options = binding.create_pipeline_tuning_options(speed_level=3)
    builder = binding.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    lines = (line.strip() for line in machine.emit_assembly(module).splitlines())
    return [line for line in lines if line and not line.startswith((".", "#", "//"))]


def count(lines: list[str], name: str) -> int:
    """How many of the instructions are called so."""
    firsts = (line.removeprefix("{vex}").split()[0] for line in lines)
    return sum(first.partition(".")[0] == name for first in firsts)  # Apple's have a suffix


def set_of(way: Way) -> Dot:
    assert way.dot is not None
    return way.dot


processors = pytest.mark.parametrize("target", list(PROCESSORS), ids=str)


@processors
@pytest.mark.parametrize("name", PRODUCTS)
def test_products_are_made_by_the_instruction_for_them(target: Way, name: str) -> None:
    lines, isa = code_of(PRODUCTS[name], target), set_of(target)
    scalar = "mul", "madd", "smull", "smaddl", "imul", "imull", "imulq"
    made = {one: count(lines, one) for one in DOTS[target]}
    assert sum(made.values())
    assert sum(count(lines, one) for one in scalar) <= sum(made.values())  # of strides alone
    if name == "products":
        assert made[DOTS[target][0]] == isa.ROWS * isa.OUTPUTS // isa.LANES * isa.FOURS // (
            2 if target is Way.NEON_I8MM else 1
        )


@processors
@pytest.mark.parametrize("name", WEIGHTED)
def test_weighted_sums_are_made_by_multiplying_and_adding_at_once(target: Way, name: str) -> None:
    lines = code_of(WEIGHTED[name], target)
    if target is Way.AVX_VNNI:
        assert count(lines, "vpdpwssd") + count(lines, "vpmaddwd") >= 8
    else:
        assert count(lines, "smlal") + count(lines, "smlal2") >= 8
        assert count(lines, "mul") <= 4  # of strides


@processors
@pytest.mark.parametrize("name", ["products", "asking_products", "weight_products", "keys"])
def test_sums_stay_in_registers(target: Way, name: str) -> None:
    """Nothing is put to the stack but what a function owes its caller."""
    lines = code_of(PRODUCTS[name], target)
    spills = [line for line in lines if re.search(r"ymm\d+, .*\(%rsp\)|str\s+q\d+, \[sp", line)]
    assert not spills


@processors
@pytest.mark.parametrize("name", [*PRODUCTS, *PASSES])
def test_nothing_is_rounded_once_that_is_two_operations(target: Way, name: str) -> None:
    lines = code_of({**PRODUCTS, **PASSES}[name], target)
    assert len(lines) > 8
    assert not [line for line in lines if FUSED.search(line)]


@pytest.mark.parametrize("name", [*PRODUCTS, *WEIGHTED, *PASSES])
def test_a_processor_without_avx512_is_given_none_of_it(name: str) -> None:
    code = "\n".join(code_of({**PRODUCTS, **WEIGHTED, **PASSES}[name], Way.AVX_VNNI))
    assert not re.search(r"zmm|%k[0-7]|[xy]mm(1[6-9]|2\d|3[01])", code)
    assert "vpdp" not in code or "{vex}" in code


def test_reading_finds_what_is_fused() -> None:
    """The control: where LLVM is allowed to, it does."""
    source = """
        define float @code(float %a, float %b, float %c) {
            %x = fmul contract float %a, %b
            %y = fadd contract float %x, %c
            ret float %y
        }
    """
    for way in PROCESSORS:
        assert any(FUSED.search(line) for line in _compiled(source, processor(way)))


@pytest.mark.parametrize(
    ("cpu", "has"),
    [
        ("generic", ""),
        ("cortex-a72", ""),
        ("neoverse-n1", "dotprod"),
        ("neoverse-v1", "dotprod i8mm"),
        ("ampere1", "dotprod i8mm"),
        ("apple-m1", "dotprod"),
        ("apple-m2", "dotprod i8mm"),
    ],
)
def test_what_a_processor_of_arm_has_is_known_by_its_name(cpu: str, has: str) -> None:
    """LLVM reads these features nowhere, and would end the process where it lacks one."""
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    target = binding.Target.from_triple("aarch64-linux-gnu")
    assert features_made(target.create_target_machine(cpu=cpu)) == set(has.split())


@pytest.mark.skipif(binding.llvm_version_info[0] < simd._READABLE, reason="LLVM is too old")
def test_time_is_told_by_a_counter_that_programs_may_read() -> None:
    assert "cntvct_el0" in "\n".join(code_of(simd.ticks, Way.NEON_DOT)).lower()
