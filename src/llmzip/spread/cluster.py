"""The cluster of Ray that actors run on: found, or started here and ended again."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from llmzip.errors import UsageError

if TYPE_CHECKING:
    from llmzip.spread.actors import Actors
    from llmzip.spread.worker import Tools

STORE_BYTES = 1 << 29
"""Of a cluster that is started here, for what is on its way: a few groups for each actor."""

_ANSWER_TIMEOUT_S = 10.0

_SIGNALS = [s for s in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, s)]


@contextmanager
def actors(
    tools: Tools, address: str | None, n_workers: int | None, *, wants_gpus: bool = True
) -> Iterator[Actors]:
    """Yield actors on the cluster at `address`, which may be "auto", "local", a host or ray://.

    None and "auto" find the one that RAY_ADDRESS names, or that this machine belongs to; where
    there is none, one is started on this machine. A connection that the process has is used.
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


def _require_answer(address: str) -> None:
    """Raise UsageError where nobody listens at HOST:PORT: Ray itself would try for a minute."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _ANSWER_TIMEOUT_S):
            pass
    except (OSError, ValueError, OverflowError) as exc:
        raise UsageError(f"no cluster of Ray answers at {address}: {exc}") from exc


def _connect(ray: Any, address: str | None) -> None:
    quiet = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address in (None, "auto"):
        with suppress(ConnectionError):
            ray.init(address="auto", **quiet)
            return
        if os.environ.get("RAY_ADDRESS"):
            raise UsageError(f"no cluster of Ray answers at {os.environ['RAY_ADDRESS']}")
        address = "local"
    if address != "local":
        _require_answer(address)
    own = {"include_dashboard": False, "object_store_memory": STORE_BYTES}
    try:
        ray.init(address=address, **quiet, **(own if address == "local" else {}))
    except (ConnectionError, ValueError, RuntimeError) as exc:
        reason = str(exc).strip().partition("\n")[0]
        raise UsageError(f"no cluster of Ray is to be had at {address}: {reason}") from exc


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
