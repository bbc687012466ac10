"""The cluster of Ray that actors run on: found, or started here and ended again."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any

from llmzip.errors import UsageError
from llmzip.spread.answering import hearing, require_answer

if TYPE_CHECKING:
    from llmzip.spread.actors import Actors
    from llmzip.spread.worker import Tools

STORE_BYTES = 1 << 29
"""Of a cluster that is started here, for what is on its way: a few groups for each actor."""

_MOST_REASON = 400
"""Ray's reasons can be pages; versions that differ take a quarter of this."""

_NONE_HERE = "Could not find any running Ray"

_SIGNALS = [s for s in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, s)]


@contextmanager
def actors(
    tools: Tools, address: str | None, n_workers: int | None, *, wants_gpus: bool = True
) -> Iterator[Actors]:
    """Yield actors on the cluster at `address`, which may be "auto", "local", a host or ray://.

    None and "auto" find the one that RAY_ADDRESS names, or that this machine belongs to; where none
    is named and none is here, one is started on this machine. A connection that the process has is
    used.
    Raises UsageError where Ray is not installed or the cluster cannot be reached.
    """
    with connected(address):
        from llmzip.spread.actors import Actors

        pool = Actors(tools, n_workers, wants_gpus=wants_gpus)
        try:
            yield pool
        finally:
            pool.close()


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Be connected to a cluster; see actors. What is connected here is let go of in the end."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    ray = _ray()
    if ray.is_initialized():
        yield
        return
    with _handlers_kept():
        _connect(ray, address)
    try:
        yield
    finally:
        ray.shutdown()


def _ray() -> Any:
    try:
        import ray
    except ImportError as exc:
        raise UsageError(f"Ray is not here ({exc}): pip install 'llmzip[ray]'") from exc
    return ray


def _connect(ray: Any, address: str | None) -> None:
    quiet = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address in (None, "auto"):
        address = os.environ.get("RAY_ADDRESS") or "auto"
    if address == "auto":
        with suppress(ConnectionError), _said(address):
            ray.init(address="auto", **quiet)
            return
        address = "local"
    own: dict[str, Any] = {}
    if address == "local":
        own = {"include_dashboard": False, "object_store_memory": STORE_BYTES}
    else:
        require_answer(address)
    with _said(address):
        ray.init(address, **own, **quiet)


@contextmanager
def _said(address: str) -> Iterator[None]:
    """Turn what Ray raises where it cannot connect into a line of ours."""
    from ray.exceptions import RayError

    said: list[str] = []
    try:
        with hearing() if address != "local" else nullcontext(said) as said:
            yield
    except (ConnectionError, ValueError, RuntimeError, RayError) as exc:
        if address == "auto" and isinstance(exc, ConnectionError) and _NONE_HERE in str(exc):
            raise
        reason = _reason(exc, said, is_client=address.startswith("ray://"))
        raise UsageError(f"no cluster of Ray is to be had at {address}: {reason}") from exc


def _reason(exc: Exception, said: Sequence[str], *, is_client: bool) -> str:
    """Return in a line why there is no connection. said: what Ray's core has said meanwhile."""
    reason = " ".join(str(exc).split())[:_MOST_REASON]
    if isinstance(exc, ConnectionError) and is_client:
        return f"{reason}; is this the port of Ray's client server, 10001 as a rule, and its token?"
    return f"{reason} ({said[-1].strip()})" if said else reason


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Keep what this process does on signals: Ray puts handlers of its own in their place."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {name: signal.getsignal(getattr(signal, name)) for name in _SIGNALS}
    try:
        yield
    finally:
        for name, handler in handlers.items():
            signal.signal(getattr(signal, name), handler)
