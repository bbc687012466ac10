"""What benchmarks/speed.py measures, section by section."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch

from commands import Commands, FileRun
from engine_speed import EngineBench, Speed, macs_per_token, traffic
from figures import Figure, SpeedReport
from limits import Limits, copy_speed, measure_limits
from llmzip.bench import machine
from llmzip.bench.codec import LlmzipCodec, Settings
from llmzip.bench.machine import Fact
from llmzip.bench.measure import measure
from llmzip.exact.shape import ModelShape
from llmzip.models import OpenedExact, open_exact
from llmzip.predict.devices import choose_device
from llmzip.processors import usable_threads
from peer_speed import PeerSpeed, Task, llama_cpp_speed, transformers_speed
from plots import Point
from random_gpt2 import open_random_gpt2

SECTIONS = ("limits", "peers", "engine", "gpt2", "files", "commands", "sizes")

SMALL_FILE_BYTES = 1000


@dataclass(frozen=True)
class Plan:
    """What to measure, and how thoroughly."""

    text: bytes
    name: str
    model: str
    device: str
    threads: int | None
    lanes: tuple[int, ...]
    sizes: tuple[int, ...]
    n_context: int
    n_steps: int
    min_s: float
    n_gpt2_layers: int
    gpt2_vocab_size: int

    @property
    def n_threads(self) -> int:
        """How many threads compute on the CPU."""
        return self.threads or usable_threads()

    @cached_property
    def where(self) -> torch.device:
        """The device that computes."""
        return torch.device(choose_device(self.device))

    @cached_property
    def opened(self) -> OpenedExact:
        """The exact model."""
        return open_exact(self.model, quiet=True)


def measure_sections(plan: Plan, names: Iterable[str]) -> SpeedReport:
    """Measure the sections named, in the order of SECTIONS."""
    settings: dict[str, Fact | None] = {
        "text": f"{plan.name} ({len(plan.text):,} bytes)",
        "model": plan.model,
        "threads": plan.n_threads,
    }
    report = SpeedReport({**machine.describe(), **machine.describe_device(plan.device)}, settings)
    torch.set_num_threads(plan.n_threads)
    run = _Sections(plan, report)
    for name in SECTIONS:
        if name in set(names):
            getattr(run, name)()
    return report


class _Sections:
    """One method a section; later ones compare themselves with earlier ones, if those were run."""

    def __init__(self, plan: Plan, report: SpeedReport) -> None:
        self._plan = plan
        self._report = report
        self._limits: Limits | None = None
        self._peer: PeerSpeed | None = None

    def limits(self) -> None:
        """The machine's int8 products and its memory."""
        plan = self._plan
        limits = measure_limits(plan.opened.model, plan.where, plan.min_s)
        self._limits = self._report.limits = limits
        peak = limits.int8_macs_per_s
        self._add("limits", "int8 multiply-adds, best", peak / 1e9, "10⁹/s", note=limits.backend)
        self._add("limits", "memory, copying", limits.bytes_per_s / 1e9, "GB/s")

    def peers(self) -> None:
        """The same model, run by others."""
        plan = self._plan
        size = min(plan.n_context + plan.n_steps, plan.opened.model.shape.n_positions)
        n_steps = min(plan.n_steps, size // 2)
        ids: list[int] = np.resize(plan.opened.tokenizer.encode(plan.text), size).tolist()
        n_weights = int(macs_per_token(plan.opened.model.shape, 0))
        task = Task(ids, n_weights, size - n_steps, plan.where, plan.n_threads, plan.min_s)
        self._peer = transformers_speed(plan.model, task, torch.float32)
        self._add_peer(self._peer, task)
        self._add_peer(transformers_speed(plan.model, task, torch.bfloat16), task)
        try:
            self._add_peer(llama_cpp_speed(plan.model, task), task)
        except ImportError as exc:
            self._report.absent["llama.cpp"] = f"not measured, {exc}"

    def _add_peer(self, peer: PeerSpeed, task: Task) -> None:
        note = f"{task.n_context} tokens"
        rates = {"prefill": peer.prefill_tokens_per_s, "step by step": peer.decode_tokens_per_s}
        for what, rate in rates.items():
            ours = None if self._peer is None else self._base(what)
            ratio = rate / ours if ours else None
            self._add("peers", f"{peer.name}, {what}", rate, "tokens/s", None, ratio, note)
        shape = self._plan.opened.model.shape
        work = traffic(shape, task.n_context, peer.bytes_per_weight)
        macs = macs_per_token(shape, task.n_context)
        self._report.points.append(
            Point(f"{peer.name}, 1 lane", macs / work.step_bytes(1), macs * rates["step by step"])
        )

    def _base(self, what: str) -> float | None:
        if self._peer is None:
            return None
        peer = self._peer
        return peer.prefill_tokens_per_s if what == "prefill" else peer.decode_tokens_per_s

    def engine(self) -> None:
        """The exact engine, prefill and decode."""
        self._run_engine("exact engine", self._plan.opened)

    def gpt2(self) -> None:
        """The exact engine on a model of GPT-2's shape, whose weights are random."""
        with tempfile.TemporaryDirectory() as folder:
            plan = self._plan
            opened = open_random_gpt2(Path(folder), plan.n_gpt2_layers, plan.gpt2_vocab_size)
            self._run_engine(f"GPT-2, random, {plan.n_gpt2_layers} layers", opened)

    def _run_engine(self, section: str, opened: OpenedExact) -> None:
        plan = self._plan
        n_workers = plan.n_threads if plan.where.type == "cpu" else 1
        size = min(plan.n_context, opened.model.shape.n_positions - plan.n_steps)
        bench = EngineBench(opened, plan.where.type, n_workers, plan.text, size, plan.n_steps)
        add = partial(self._add_engine, section, opened.model.shape)
        note = f"chunks of {bench.n_context} tokens"
        add("prefill", bench.prefill(plan.min_s), bench.n_rows, note)
        for n_lanes in plan.lanes:
            before = self._memory_now()
            speed = bench.decode(n_lanes)
            memory = max(before, self._memory_now())
            note = f"{speed.mean_keys:.0f} keys in view"
            if memory:
                note += f"; copying {memory / 1e9:.1f} GB/s"
            lanes = "1 lane" if n_lanes == 1 else f"{n_lanes} lanes"
            add(f"decode, {lanes}", speed, n_lanes, note, memory)

    def _memory_now(self) -> float:
        """The limit of memory in bytes a second, again; 0 if limits are not asked for.

        On shared machines it changes twofold from minute to minute.
        """
        if self._limits is None:
            return 0.0
        return copy_speed(self._plan.where, self._plan.min_s / 4)

    def _add_engine(
        self,
        section: str,
        shape: ModelShape,
        what: str,
        speed: Speed,
        n_together: int,
        note: str,
        memory: float = 0.0,
    ) -> None:
        """Add a speed of steps over `n_together` tokens that share one reading of the weights.

        memory: its limit at the time, in bytes a second, if not the first one measured.
        """
        macs = macs_per_token(shape, speed.mean_keys)
        work = traffic(shape, speed.mean_keys)
        if what == "prefill":  # keys and values are read once for all rows of a block
            work = traffic(shape, speed.mean_keys / n_together)
        of_limit = None
        if self._limits is not None:
            limits = replace(self._limits, bytes_per_s=memory or self._limits.bytes_per_s)
            limit = limits.tokens_per_s(macs, n_together, work)
            of_limit = speed.tokens_per_s / limit
        own = shape == self._plan.opened.model.shape  # others ran that one
        base = self._base("prefill" if what == "prefill" else "step by step") if own else None
        ratio = speed.tokens_per_s / base if base else None
        self._add(section, what, speed.tokens_per_s, "tokens/s", of_limit, ratio, note)
        intensity = n_together * macs / work.step_bytes(n_together)
        self._report.points.append(
            Point(f"{section}, {what}", intensity, macs * speed.tokens_per_s)
        )

    def files(self) -> None:
        """The whole text through the library, the model being open."""
        plan = self._plan
        codec = LlmzipCodec(Settings(plan.model, plan.device, plan.threads))
        result = measure(codec, plan.text, 1)
        n_tokens = len(plan.opened.tokenizer.encode(plan.text))
        base = self._base("step by step")
        rates = {"compress": result.compress_kb_per_s, "decompress": result.decompress_kb_per_s}
        for what, rate in rates.items():
            ratio = rate * 1e3 * n_tokens / len(plan.text) / base if base else None
            note = f"{result.bits_per_byte:.4f} bits/byte; beside transformers step by step"
            self._add("whole file", what, rate, "kB/s", None, ratio, note)

    def commands(self) -> None:
        """Start-up and memory of whole commands."""
        with tempfile.TemporaryDirectory() as folder:
            commands = self._commands(folder)
            small = self._plan.text[:SMALL_FILE_BYTES]
            commands.round_trip(small)  # what is prepared once, is prepared now
            run = commands.llmzip("--help")
            self._add("commands", "llmzip --help", run.seconds, "s")
            first_s, second_s = commands.opening_seconds()
            self._add("commands", "opening the model, with imports", first_s, "s")
            self._add("commands", "opening it again", second_s, "s")
            self._add_runs("commands", commands.round_trip(small))

    def _add_runs(self, section: str, file_run: FileRun) -> None:
        for what, run in (("compress", file_run.compress), ("decompress", file_run.decompress)):
            note = f"at most {run.peak_bytes / 1e6:,.0f} MB of memory"
            name = f"llmzip {what}, {file_run.n_bytes:,} bytes"
            self._add(section, name, run.seconds, "s", note=note)

    def sizes(self) -> None:
        """Whole commands on growing beginnings of the text."""
        with tempfile.TemporaryDirectory() as folder:
            commands = self._commands(folder)
            for n_bytes in self._plan.sizes:
                if n_bytes > len(self._plan.text):
                    self._report.absent[f"size {n_bytes:,}"] = "not measured, the text is shorter"
                    continue
                file_run = commands.round_trip(self._plan.text[:n_bytes])
                self._report.file_runs.append(file_run)
                self._add_runs("sizes", file_run)
        if self._report.file_runs:
            largest = max(self._report.file_runs, key=lambda file_run: file_run.n_bytes)
            for what, run in (("compress", largest.compress), ("decompress", largest.decompress)):
                name = f"memory, llmzip {what}, {largest.n_bytes:,} bytes"
                self._add("sizes", name, run.peak_bytes / 1e6, "MB")

    def _commands(self, folder: str) -> Commands:
        plan = self._plan
        return Commands(Path(folder), plan.model, plan.device, plan.threads)

    def _add(
        self,
        section: str,
        name: str,
        value: float,
        unit: str,
        of_limit: float | None = None,
        vs_transformers: float | None = None,
        note: str = "",
    ) -> None:
        self._report.add(Figure(section, name, value, unit, of_limit, vs_transformers, note))
