"""Workers that are actors of Ray: one a device, on whatever machines its cluster has.

Importing this imports ray; `cluster` does so for whoever may not have it.
"""

from __future__ import annotations

import math
import re
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError

from llmzip.spread.child import REPORTED_S
from llmzip.spread.places import Span, is_private, is_url, state_of
from llmzip.spread.pool import Advanced, Event, Finished, Lost, Ready
from llmzip.spread.units import Failed, Result, Unit, with_data
from llmzip.spread.worker import Tools, Worker
from llmzip.version import __version__

CPUS_EACH = 8
"""Processors that an actor takes at most, where there are no GPUs."""
_RESTARTS_EACH = 2
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_PROBE_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Share:
    """What an actor takes of a cluster."""

    n_cpus: float
    n_gpus: float = 0.0


class _Actor:
    """What runs on the other side. `watch`: methods that answer while a unit is being done."""

    def __init__(self, tools: Tools) -> None:
        self._worker = Worker(tools)
        self._at = (0, 0)

    def do(self, number: int, unit: Unit) -> Result:
        """Do a unit."""
        self._at = number, 0

        def note(n_bytes: int) -> None:
            self._at = number, n_bytes

        return self._worker.do(unit, note)

    @ray.method(concurrency_group="watch")  # type: ignore[untyped-decorator]
    def where(self) -> tuple[str, str]:
        """Return the version of llmzip there, and what machine it is."""
        return __version__, socket.gethostname()

    @ray.method(concurrency_group="watch")  # type: ignore[untyped-decorator]
    def sees(self, span: Span) -> bool:
        """Return whether the file that we mean is there."""
        with suppress(OSError):
            return state_of(span.place) == span.state
        return False

    @ray.method(concurrency_group="watch")  # type: ignore[untyped-decorator]
    def progress(self) -> tuple[int, int]:
        """Return the unit that is being done, and how many bytes of it are done."""
        return self._at


@dataclass
class _Handle:
    """An actor. sees_files: whether it has our file system; None: not known yet."""

    actor: Any
    share: Share
    is_ready: bool = False
    sees_files: bool | None = None
    n_given: int = 0
    is_asked: bool = False


class Actors:
    """A pool of actors on a cluster that this process is connected to.

    n_workers: how many; None: one for each GPU, or for each CPUS_EACH processors of a machine.
    wants_gpus: whether they may have GPUs.
    """

    def __init__(
        self, tools: Tools, n_workers: int | None = None, *, wants_gpus: bool = True
    ) -> None:
        self._tools = ray.put(tools)
        self._class = ray.remote(concurrency_groups={"watch": 1})(_Actor)
        self._handles: dict[int, _Handle] = {}
        self._tasks: dict[Any, tuple[str, int, int]] = {}  # of references: kind, worker, unit
        self._n_started = 0
        self._asked_s = 0.0
        shares = shares_of(ray.nodes(), n_workers, wants_gpus=wants_gpus)
        self._n_restarts = _RESTARTS_EACH * len(shares)
        for share in shares:
            self._start(share)

    @property
    def is_here(self) -> bool:
        """False: other machines may have other files, or none of ours."""
        return False

    @property
    def n_coming(self) -> int:
        """How many are being started, or wait for a machine that has room."""
        return sum(not handle.is_ready for handle in self._handles.values())

    def submit(self, worker: int, number: int, unit: Unit) -> None:
        """Give a unit to an actor: with its bytes, if that sees not the files."""
        handle = self._handles[worker]
        if not self._sees(handle, unit.spans[0]):
            unit = with_data(unit)
        self._tasks[handle.actor.do.remote(number, unit)] = ("unit", worker, number)
        handle.n_given += 1

    def wait(self, timeout_s: float) -> Sequence[Event]:
        """Return what has happened, or does so soon."""
        self._ask_for_progress()
        events: list[Event] = []
        ready, _ = ray.wait(list(self._tasks), timeout=timeout_s) if self._tasks else ([], [])
        if not ready and not self._tasks:
            time.sleep(timeout_s)
        while ready:
            for reference in ready:
                events += self._taken(reference)
            ready, _ = ray.wait(list(self._tasks), timeout=0) if self._tasks else ([], [])
        return events

    def kill_one(self) -> None:
        """Kill an actor, as a machine that fails does: for tests and demonstrations."""
        ray.kill(next(iter(self._handles.values())).actor)

    def close(self) -> None:
        """End the actors."""
        for handle in self._handles.values():
            with suppress(RayError):
                ray.kill(handle.actor)
        self._handles.clear()
        self._tasks.clear()

    def _start(self, share: Share) -> None:
        number, self._n_started = self._n_started, self._n_started + 1
        actor = self._class.options(
            num_cpus=share.n_cpus,
            num_gpus=share.n_gpus,
            max_restarts=0,
            scheduling_strategy="SPREAD",
        ).remote(self._tools)
        self._handles[number] = _Handle(actor, share)
        self._tasks[actor.where.remote()] = ("ready", number, 0)

    def _taken(self, reference: Any) -> list[Event]:
        kind, worker, number = self._tasks.pop(reference, ("", 0, 0))
        handle = self._handles.get(worker)
        if handle is None or not kind:
            return []
        try:
            value = ray.get(reference)
        except RayActorError as exc:
            return [self._lost(worker, _reason(exc))]
        except Exception as exc:
            if kind != "unit":
                return [self._lost(worker, _reason(exc))]
            value = Failed(RuntimeError(_reason(exc)))
        return self._heard(kind, worker, handle, number, value)

    def _heard(
        self, kind: str, worker: int, handle: _Handle, number: int, value: Any
    ) -> list[Event]:
        if kind == "ready":
            version, machine = value
            if version != __version__:
                return [self._lost(worker, f"{machine} has llmzip {version}, not {__version__}")]
            handle.is_ready = True
            return [Ready(worker, machine)]
        if kind == "unit":
            handle.n_given -= 1
            return [Finished(worker, number, value)]
        handle.is_asked = False
        return [Advanced(worker, *value)]

    def _lost(self, worker: int, reason: str) -> Lost:
        """Be done with an actor, and start another one in its place, wherever there is room."""
        handle = self._handles.pop(worker)
        with suppress(RayError):
            ray.kill(handle.actor)
        for reference in [one for one, (_, of, _) in self._tasks.items() if of == worker]:
            del self._tasks[reference]
        if self._n_restarts > 0:
            self._n_restarts -= 1
            self._start(handle.share)
        return Lost(worker, reason)

    def _ask_for_progress(self) -> None:
        now_s = time.monotonic()
        if now_s - self._asked_s < REPORTED_S:
            return
        self._asked_s = now_s
        for worker, handle in self._handles.items():
            if handle.n_given and not handle.is_asked:
                handle.is_asked = True
                self._tasks[handle.actor.progress.remote()] = ("progress", worker, 0)

    def _sees(self, handle: _Handle, span: Span) -> bool:
        """Return whether an actor can read a file where it is."""
        if is_url(span.place):
            return not is_private(span.place)
        if handle.sees_files is None:
            answer = handle.actor.sees.remote(span)
            try:
                handle.sees_files = bool(ray.get(answer, timeout=_PROBE_TIMEOUT_S))
            except RayError:
                return False  # what has become of it is heard of soon
        return handle.sees_files


def shares_of(
    nodes: Sequence[dict[str, Any]], n_workers: int | None, *, wants_gpus: bool
) -> list[Share]:
    """Return what each actor takes: a GPU, or some processors of a machine.

    nodes: as ray.nodes() describes them.
    """
    alive = [node["Resources"] for node in nodes if node["Alive"]]
    n_cpus = sum(node.get("CPU", 0.0) for node in alive)
    n_gpus = int(sum(node.get("GPU", 0.0) for node in alive)) if wants_gpus else 0
    if n_gpus:
        return [Share(min(1.0, n_cpus / n_gpus), 1.0)] * (n_workers or n_gpus)
    if n_workers is not None:
        each = n_cpus / n_workers
        return [Share(math.floor(each) if each >= 1 else math.floor(100 * each) / 100)] * n_workers
    shares = []
    for node in alive:
        cpus = int(node.get("CPU", 0.0))
        n_actors = math.ceil(cpus / CPUS_EACH)
        shares += [Share(float(cpus // n_actors))] * n_actors
    return shares or [Share(1.0)]


def _reason(exc: BaseException) -> str:
    """Return what there is to say in a line of an error of Ray's, which are pages.

    The reason stands first, but where a traceback leads to it.
    """
    lines = [line.strip() for line in _COLOURS.sub("", str(exc)).splitlines() if line.strip()]
    if not lines:
        return type(exc).__name__
    reason = lines[-1] if any("traceback" in line.lower() for line in lines) else lines[0]
    if "No module named 'llmzip" in reason:
        return "the cluster has no llmzip: pip install 'llmzip[ray]' on each of its machines"
    return reason
